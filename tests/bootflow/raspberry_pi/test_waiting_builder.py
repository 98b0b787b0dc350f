"""The waiting system is built beside convergence: no round waits for it, and a failure is told and kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootflow.raspberry_pi.waiting.builder import RETRY_SECONDS, Builder
from netboot_site.errors import UnavailableError
from tests.bootflow.raspberry_pi.debian import write_packages

Rounds = Callable[..., Builder]


@pytest.fixture
def place(tmp_path: Path, settings: Any) -> Path:
    """Where the waiting system is to be, on a host that has the packages."""
    settings.PI_PACKAGES_PATH = write_packages(tmp_path / "arm64")
    return tmp_path / ".waiting/key"


@pytest.fixture
def builder(place: Path) -> Rounds:
    def make(script: str, now: list[float] | None = None) -> Builder:
        return Builder(lambda: place, ["/bin/sh", "-c", script], (lambda: now[0]) if now else time.monotonic)

    return make


def told(made: Builder) -> str | Path:
    """What a round gives: the folder, or why it is not there."""
    try:
        return made.round()
    except UnavailableError as error:
        return str(error)


def rounds_until_told(made: Builder) -> str | Path:
    """Rounds until one has something to say."""
    deadline = time.monotonic() + 20
    while not (why := told(made)):
        assert time.monotonic() < deadline, "nothing was told"
        time.sleep(0.02)
    return why


def test_a_round_starts_the_build_and_does_not_wait_for_it(
    place: Path, tmp_path: Path, builder: Rounds
) -> None:
    made = builder(f"echo x >>{tmp_path}/started; sleep 0.3; mkdir -p {place}.new; mv {place}.new {place}")
    assert told(made) == "", "it is on its way: no trouble"
    assert rounds_until_told(made) == place
    assert (tmp_path / "started").read_text() == "x\n", "it was started more than once"


def test_what_is_there_is_not_built_again(place: Path, builder: Rounds) -> None:
    place.mkdir(parents=True)
    assert builder("exit 1").round() == place


def test_a_failure_is_told_in_its_last_words_and_tried_again_later(
    place: Path, tmp_path: Path, builder: Rounds
) -> None:
    now = [1000.0]
    script = (
        f"echo x >>{tmp_path}/started; echo noise; echo 'CommandError: The kernel is damaged.' >&2; exit 1"
    )
    made = builder(script, now)
    assert rounds_until_told(made) == "The kernel is damaged."
    assert told(made) == "The kernel is damaged."
    assert (tmp_path / "started").read_text() == "x\n"
    now[0] += RETRY_SECONDS
    assert told(made) == ""
    assert rounds_until_told(made) == "The kernel is damaged."
    assert (tmp_path / "started").read_text() == "x\nx\n"


def test_without_packages_nothing_is_started(place: Path, tmp_path: Path, builder: Rounds) -> None:
    next((tmp_path / "arm64").glob("raspi-firmware*")).unlink()
    assert "missing (raspi-firmware)" in str(told(builder(f"touch {tmp_path}/started")))
    assert not (tmp_path / "started").exists()
