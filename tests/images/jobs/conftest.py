"""Jobs, and work that can be watched, stopped and killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from images.jobs import running
from images.jobs.progress import Progress
from images.models import Image, Job, JobKind
from images.qemu import local_store

SIZE = 16 * 1024 * 1024
Work = Callable[[Job, Progress], None]


@pytest.fixture
def image(make_image: Callable[..., Image]) -> Image:
    return make_image("disk1", SIZE)


@pytest.fixture(autouse=True)
def layers_run_path(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Where layers are served; what a test leaves there is ended."""
    settings.LAYERS_RUN_PATH = tmp_path / "run"
    yield settings.LAYERS_RUN_PATH
    store = local_store()
    for name in store.observe():
        store.stop(name)


@pytest.fixture
def make_job(image: Image) -> Callable[..., Job]:
    def make(kind: str = JobKind.IMPORT, **fields: Any) -> Job:
        return Job.objects.create(image=image, kind=kind, **fields)

    return make


@pytest.fixture
def let(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let jobs of a kind be done by a function of the test."""

    def put(work: Work, kind: str = JobKind.IMPORT) -> None:
        monkeypatch.setitem(running.KINDS, kind, f"{__name__}.{kind}_work")
        monkeypatch.setattr(f"{__name__}.{kind}_work", work, raising=False)

    return put


def elsewhere(act: Callable[[], Any]) -> Any:
    """Done on a connection of its own, as another process would."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(act())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return found[0]
