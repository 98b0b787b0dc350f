"""The disks that the tests of jobs make, too."""

from tests.images.jobs.conftest import image, layers_run_path

__all__ = ["image", "layers_run_path"]
