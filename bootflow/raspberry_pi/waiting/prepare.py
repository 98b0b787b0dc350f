"""Fetches what Raspberry Pis are served from, and makes ready what takes long, once and for every instance.

`make setup` calls it: python3 -m bootflow.raspberry_pi.waiting.prepare FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from bootflow.raspberry_pi.waiting.build import prepare
from netboot_site import pi_packages
from netboot_site.errors import UnavailableError

STAMP = "prepared"  # `make setup` compares its age with that of our sources


def make_ready(packages: Path) -> str:
    """Fetch what is missing, then prepare; returns why it failed, or nothing."""
    try:
        if pi_packages.missing_from(packages):
            pi_packages.fetch(packages)
        prepare(packages)
        (packages / STAMP).touch()
    except (UnavailableError, OSError) as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(make_ready(Path(sys.argv[1]).resolve()) or 0)
