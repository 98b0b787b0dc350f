"""What the one statement of a check-in reads and keeps: each column, and no other device's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bootflow.checkin import REPORTS_OF_A_KIND_MAX, Asking, check_in, note
from bootflow.decision import APPROVAL_WAIT_SECONDS, ASK_AGAIN_SECONDS, Files, Situation
from bootflow.models import Boot, BootEvent, Installer, KernelSet
from bootflow.services import register_profile, set_boot_once, update_profile
from bootflow.statements import CHECK_IN, FIRST_SCRIPT, NEXT_SCRIPT
from devices.models import Device, DeviceState
from images.models import Export
from tests.bootflow.conftest import MAC

pytestmark = pytest.mark.django_db
OTHER = "52:54:00:00:00:02"
DEBIAN = Files("debian-12", "debian/12", "linux", "initrd.gz", "auto=true priority=critical")


def ask(kind: str = "script", mac: str = MAC, **fields: Any) -> Situation:
    return check_in(Asking(mac=mac, kind=kind, **fields))[0]


@pytest.mark.parametrize("kind", ["script", "check-in"])
def test_all_that_decides_is_read(
    kind: str, device: Device, give_disk: Callable[..., Export], installer: Installer
) -> None:
    export = give_disk(device)
    set_boot_once(device=device, boot_once="installer", installer=installer.name)
    now = ask(kind, identity=True)
    assert (now.mac, now.state, now.name, now.device_type) == (MAC, "enrolled", "pc-07", "x64")
    assert (now.boot_once, now.installer, now.installers) == ("installer", DEBIAN, ())
    assert now.disk is not None
    assert (now.disk.image_id, now.disk.iqn, now.disk.initiator_name) == (
        "disk-1", export.iqn, export.initiator_name,
    )  # fmt: skip
    assert (now.disk.address, now.disk.port, now.disk.ready, now.identity) == (
        "10.66.0.1", 3260, True, True,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["pending", "error", ""])
def test_a_disk_is_ready_only_when_its_target_was_seen_so(
    device: Device, give_disk: Callable[..., Export], state: str
) -> None:
    give_disk(device, state=state, last_error="tgtd is away.")
    disk = ask().disk
    assert disk is not None
    assert (disk.ready, disk.trouble) == (False, "tgtd is away.")


@pytest.mark.parametrize(("identity", "told"), [(True, True), (False, False), (None, False)])
def test_the_account_is_read_only_for_a_machine_that_was_known(
    device: Device, give_disk: Callable[..., Export], identity: bool | None, told: bool
) -> None:
    give_disk(device)
    _, secret = check_in(Asking(mac=MAC, kind="script", identity=identity))
    assert (secret is not None) is told
    assert "0123456789abcdef" not in str(BootEvent.objects.get().facts)


def test_another_devices_disk_and_plan_are_not_read(
    device: Device, give_disk: Callable[..., Export], installer: Installer
) -> None:
    give_disk(device)
    set_boot_once(device=device, boot_once="local")
    register_profile(mac=OTHER, device_type="x64", name="b")
    now = ask(mac=OTHER)
    assert (now.disk, now.boot_once, now.identity, now.installers) == (None, "", None, (DEBIAN,))


def test_the_kernel_set_is_the_devices_else_the_default_one(device: Device) -> None:
    assert ask().kernel_set == "default"
    KernelSet.objects.filter(is_default=True).update(is_default=False)
    KernelSet.objects.create(name="lab", is_default=True)
    fresh = Device.objects.create(mac=OTHER, device_type="x64", name="b")
    assert (ask().kernel_set, ask(mac=OTHER).kernel_set) == ("default", "lab")
    update_profile(device=device, kernel_set="lab")
    assert (ask().kernel_set, fresh.mac) == ("lab", OTHER)
    KernelSet.objects.update(is_default=False)
    assert ask(mac=OTHER).kernel_set == "default"


def test_the_menu_offers_the_first_twenty_installers_of_its_own_type(device: Device) -> None:
    for number in range(23):
        Installer.objects.create(name=f"os-{number:02}", path="p", kernel="k", device_type="x64")
    Installer.objects.create(name="a-pi", path="p", kernel="k", device_type="raspi")
    assert [files.name for files in ask().installers] == [f"os-{number:02}" for number in range(20)]


def test_an_installer_that_is_left_from_an_earlier_choice_is_not_read(
    device: Device, installer: Installer
) -> None:
    plan = set_boot_once(device=device, boot_once="local")
    plan.boot_once_installer = installer
    plan.save()
    assert ask().installer is None


@pytest.mark.parametrize(("retry", "gave_up"), [(0, False), (199, False), (200, True), (900_000, True)])
def test_only_an_unknown_machine_ever_gives_up(device: Device, retry: int, gave_up: bool) -> None:
    assert gave_up == (retry * ASK_AGAIN_SECONDS >= APPROVAL_WAIT_SECONDS)
    assert ask(mac=OTHER, retry=retry).gave_up is gave_up
    assert ask(retry=retry).gave_up is False


def test_what_a_machine_tells_is_added_and_an_empty_word_takes_nothing_away() -> None:
    ask(serial="S1", architecture="x86_64", firmware="bios", facts={"product": "A", "memory": "1"})
    ask(serial="", architecture="", firmware="uefi", facts={"product": "B"}, retry=1)
    found = Device.objects.get()
    assert (found.serial, found.architecture, found.firmware) == ("S1", "x86_64", "uefi")
    assert found.facts == {"product": "B", "memory": "1"}


def test_a_check_in_over_rest_does_not_describe_a_known_device(device: Device) -> None:
    ask("check-in", serial="forged", facts={"product": "forged"})
    found = Device.objects.get()
    assert (found.serial, found.facts) == ("", {})
    assert found.last_seen_at is not None


@pytest.mark.parametrize(("given", "kept"), [("", "x64"), ("raspi", "raspi"), ("x86", "x86")])
def test_an_unknown_machine_without_a_type_is_an_x64(given: str, kept: str) -> None:
    ask(device_type=given)
    found = Device.objects.get()
    assert (found.device_type, found.state) == (kept, DeviceState.DISCOVERED)
    assert found.first_seen_at is not None


@pytest.mark.parametrize(
    ("before", "reported", "after"),
    [
        ("dhcp", "script", "script"), ("tftp", "iscsi", "iscsi"), ("script", "iscsi", "script"),
        ("iscsi", "script", "iscsi"), ("iscsi", "os", "os"), ("installer", "os", "os"),
        ("os", "script", "os"),
    ],
)  # fmt: skip
def test_a_report_moves_a_boot_on_and_never_back(
    device: Device, before: str, reported: str, after: str
) -> None:
    ask()
    Boot.objects.update(stage=before)
    earlier = Boot.objects.get().last_event_at
    note(mac=MAC, stage=reported, kind="x", detail="y" * 900)
    boot = Boot.objects.get()
    assert (boot.stage, boot.last_event_at > earlier) == (after, True)
    assert len(BootEvent.objects.get(kind="x").detail) == 500


def test_a_report_after_its_boot_is_noted_with_it_and_does_not_open_it_again(device: Device) -> None:
    ask()
    boot = Boot.objects.get()
    Boot.objects.update(stage="os", outcome="ok", finished_at=boot.last_event_at)
    note(mac=MAC, stage="os", kind="online")
    assert BootEvent.objects.get(kind="online").boot == boot
    ended = Boot.objects.get()
    assert (ended.finished_at, ended.last_event_at) == (boot.last_event_at, boot.last_event_at)


def test_a_machine_that_fails_for_days_keeps_its_last_reports_and_no_more(device: Device) -> None:
    ask()
    for number in range(REPORTS_OF_A_KIND_MAX + 5):
        note(mac=MAC, stage="iscsi", kind="sanboot-failed", detail=f"{number}", facts={"n": number})
    note(mac=MAC, stage="os", kind="online")
    kept = BootEvent.objects.filter(kind="sanboot-failed").order_by("at")
    assert [event.facts["n"] for event in kept] == list(range(5, REPORTS_OF_A_KIND_MAX + 5))
    assert [event.detail for event in kept] == [f"{event.facts['n']}" for event in kept]
    assert BootEvent.objects.filter(kind="online").count() == 1, "another kind has its own room"


def test_another_machines_reports_take_no_room(device: Device) -> None:
    register_profile(mac=OTHER, device_type="x64", name="b")
    for mac in (MAC, OTHER):
        ask(mac=mac)
        for _ in range(REPORTS_OF_A_KIND_MAX):
            note(mac=mac, stage="iscsi", kind="sanboot-failed")
    assert BootEvent.objects.filter(kind="sanboot-failed").count() == 2 * REPORTS_OF_A_KIND_MAX


@pytest.mark.parametrize("system", ["", "waiting", "initramfs"])
@pytest.mark.parametrize("retry", [0, 3])
def test_which_system_of_a_raspberry_pi_asked_is_kept_with_the_event(
    device: Device, system: str, retry: int
) -> None:
    ask(system=system, retry=retry)
    assert BootEvent.objects.get().facts.get("system", "") == system


def test_the_statements_stay_short_enough_for_their_analysis_to_be_kept() -> None:
    lengths = {len(statement) for statement in (CHECK_IN, FIRST_SCRIPT, NEXT_SCRIPT)}
    assert max(lengths) <= 4096
