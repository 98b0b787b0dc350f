"""Jobs, and work that can be watched, stopped and killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from images.jobs import running
from images.jobs.progress import Progress
from images.models import Image, Job, JobKind

Work = Callable[[Job, Progress], None]


@pytest.fixture
def image(make_image: Callable[..., Image]) -> Image:
    return make_image("disk1")


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
