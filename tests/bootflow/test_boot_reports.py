"""GET /boot/report and /boot/online: what scripts and operating systems tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootflow.models import Boot, BootEvent
from bootflow.recorder.telling import tell
from bootflow.trouble import explain
from devices.models import Device
from tests.bootflow.conftest import MAC


@pytest.fixture
def booting(fetch: Callable[..., str], device: Device) -> Boot:
    fetch(f"/boot/script?mac={MAC}")
    return Boot.objects.get()


def test_a_disk_that_did_not_boot_is_recorded_and_asked_for_again(
    fetch: Callable[..., str], booting: Boot
) -> None:
    script = fetch(f"/boot/report?retry=3&mac={MAC}&event=sanboot-failed&error=0x410d613c")
    event = BootEvent.objects.get(kind="sanboot-failed")
    assert event.boot == booting
    assert event.stage == "iscsi"
    assert event.detail == (
        "The disk did not boot: the password or the initiator name was refused (iPXE error 410d613c)."
    )
    assert event.detail[:79] in script
    assert "script?retry=4&${query}" in script


def test_a_choice_of_the_local_disk_is_recorded_and_done(fetch: Callable[..., str], booting: Boot) -> None:
    script = fetch(f"/boot/report?mac={MAC}&event=local")
    assert BootEvent.objects.filter(kind="local", boot=booting).exists()
    assert "sanboot --no-describe --drive 0x80" in script


def test_an_operating_system_says_that_it_is_up(fetch: Callable[..., str], booting: Boot) -> None:
    fetch(f"/boot/online?mac={MAC}")
    booting.refresh_from_db()
    assert booting.stage == "os"
    assert BootEvent.objects.get(kind="online").boot == booting


@pytest.mark.django_db
def test_a_stranger_leaves_no_row(fetch: Callable[..., str]) -> None:
    fetch(f"/boot/online?mac={MAC}")
    fetch(f"/boot/report?mac={MAC}&event=local")
    assert not BootEvent.objects.exists()
    assert not Boot.objects.exists()


@pytest.mark.parametrize("event", ["", "nonsense", "%00", "sanboot-failed%0a"])
def test_a_report_that_is_not_understood_goes_on_asking(
    fetch: Callable[..., str], booting: Boot, event: str
) -> None:
    script = fetch(f"/boot/report?mac={MAC}&event={event}")
    assert script.startswith("#!ipxe\n")
    assert "boot/script?retry=" in script


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("0xf0a6039", "The disk did not boot: the connection was reset (iPXE error 0f0a6039)."),
        ("4c126035", "The disk did not boot: there was no answer in time (iPXE error 4c126035)."),
        ("0xff000000", "The disk did not boot: the boot loader gave no known reason (iPXE error ff000000)."),
        ("", "The disk did not boot."),
        ("what?", "The disk did not boot."),
    ],
)
def test_an_error_number_is_told_in_words(error: str, said: str) -> None:
    assert explain("sanboot-failed", error) == said


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "The operating system says that it is up."),
        ("&at=root", "Its root file system is mounted from its disk; the operating system takes over."),
        ("&at=roots", "The operating system says that it is up."),
    ],
)
def test_who_says_that_it_is_up_is_told_apart(
    fetch: Callable[..., str], booting: Boot, query: str, told: str
) -> None:
    fetch(f"/boot/online?mac={MAC}{query}")
    event = BootEvent.objects.get(kind="online")
    assert tell(MAC, event.kind, event.facts) == told
    booting.refresh_from_db()
    assert booting.stage == "os"
