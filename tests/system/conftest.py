"""Fixtures of the system tests: a wire, and an orchestrator that runs on it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.instance import Instance, Wire


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """A network namespace with a bridge."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with Wire.create() as made:
        yield made


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder as `mktemp -d` makes it: closed to everyone else, which the orchestrator has to cope with."""
    path = Path(tempfile.mkdtemp(prefix="nb-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def orchestrator(wire: Wire, folder: Path) -> Iterator[Instance]:
    """A running orchestrator (proxy DHCP), shared by the tests of a module; stopped at its end."""
    with Instance(wire, folder / "data") as instance:
        yield instance
