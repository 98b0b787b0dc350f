"""A Raspberry Pi's image, and rounds in which its boot files are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from images import services
from images.jobs import boot_files
from images.jobs.round import work_once
from images.models import Image, Job, JobKind, JobState, Layer
from images.qemu import local_store
from images.raspberry_pi.initiator import Initiator
from tests.images.boot_files.disks import SIZE, FakeReader, boot_partition, import_disk


@pytest.fixture(autouse=True)
def layers_run_path(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Where layers are served; what a test leaves there is ended."""
    settings.LAYERS_RUN_PATH = tmp_path / "run"
    settings.STORAGE_RESERVE_BYTES = 1
    yield settings.LAYERS_RUN_PATH
    store = local_store()
    for name in store.observe():
        store.stop(name)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    made = FakeReader()
    monkeypatch.setattr(boot_files, "read_boot_files", made)
    monkeypatch.setattr(boot_files, "find_initiator", lambda work: Initiator({}))
    return made


@pytest.fixture
def image(make_image: Callable[..., Image], converge: Callable[[], None]) -> Image:
    """Still empty."""
    made = make_image("pi", SIZE, "raspi")
    converge()
    made.refresh_from_db()
    return made


@pytest.fixture
def head(image: Image, images_path: Path) -> Layer:
    """With an imported disk, of which no round knows yet."""
    return import_disk(image, boot_partition("6.1"), images_path)


@pytest.fixture
def rounds(converge: Callable[[], None], reader: FakeReader) -> Callable[[], list[Job]]:
    """What some seconds do: convergence, and every job there is to do. Gives the ended ones of boot files."""

    def run() -> list[Job]:
        for _ in range(3):
            converge()
            services.request_boot_files(node="local")
            Job.objects.exclude(kind=JobKind.BOOT_FILES).filter(state=JobState.WAITING).delete()
            while work_once("local"):
                pass
        return list(Job.objects.filter(kind=JobKind.BOOT_FILES).order_by("pk"))

    return run
