"""Events that were recorded without words, as sentences."""

from __future__ import annotations

from typing import Any

import pytest

from bootflow.recorder.telling import tell
from tests.bootflow.recorder.test_judge import DISK, ENROLLED, FILES

MAC = "52:54:00:00:00:01"


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({**ENROLLED, "disk": DISK}, "to boot from its disk debian"),
        ({**ENROLLED, "disk": {**DISK, "ready": False}}, "to wait until its disk debian is ready"),
        ({**ENROLLED, "disk": DISK, "identity": False}, "to wait, since its identity could not be checked"),
        ({**ENROLLED, "boot_once": "installer", "installer": FILES}, "to start the installer debian-12"),
        ({**ENROLLED, "boot_once": "local", "disk": DISK}, "to start from its local disk"),
        (ENROLLED, "to show the menu"),
        ({"state": "disabled"}, "to start from its local disk, since it is disabled"),
    ],
)
def test_an_event_says_what_the_machine_was_told(plan: dict[str, Any], told: str) -> None:
    assert tell(MAC, "script", {"plan": plan}) == f"Asked what to boot, and was told {told}."


def test_an_unknown_machine_was_told_to_wait_and_shows_its_code() -> None:
    sentence = tell(MAC, "script", {"plan": {"state": "discovered"}})
    assert "to wait until somebody approves it (code " in sentence


def test_an_event_without_its_plan_says_that_the_machine_asked() -> None:
    assert tell(MAC, "check-in", {}) == "Asked what to boot."


def test_a_system_that_is_up_says_so() -> None:
    assert tell(MAC, "online", {}) == "The operating system says that it is up."


@pytest.mark.parametrize(
    ("system", "plan", "words"),
    [
        ("waiting", {"state": "discovered"}, "The waiting system asked what to boot, and was told to wait: "),
        ("waiting", {**ENROLLED, "disk": DISK, "tree": {"state": "ready", "why": "", "missing": []}},
         "and was told to restart: Restarting into its disk debian."),
        ("initramfs", {**ENROLLED, "disk": DISK},
         "The initramfs asked what to boot, and was told to boot: Booting pc from its disk debian."),
    ],
)  # fmt: skip
def test_what_a_raspberry_pi_was_told_is_what_its_screen_shows(
    system: str, plan: dict[str, Any], words: str
) -> None:
    assert words in tell(MAC, "script", {"plan": plan, "system": system})
