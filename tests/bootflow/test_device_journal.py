"""Each change of a device leaves one line in its journal, in words; what changes nothing leaves none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from bootflow.models import Installer, KernelSet
from bootflow.services import (
    approve_device,
    delete_profile,
    forget_discovered,
    register_profile,
    set_boot_once,
    spend_boot_once,
    update_profile,
)
from devices.models import Device, DeviceState, Group
from devices.services import create_group, delete_group, follow_channel
from images import lineage
from images.models import Export, Image, Layer
from images.services import (
    assign_image,
    create_image,
    discard_kept,
    kept_changes,
    merge_disk,
    register_node,
    reset_disk,
)
from netboot_site import journal
from netboot_site.formats import GIB
from tests.images.rows import publish, settle

MAC = "52:54:00:ab:cd:01"


@pytest.fixture
def device(db: None) -> Device:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    KernelSet.objects.get_or_create(name="rescue", kernel_url="vmlinuz")
    Installer.objects.create(name="deb", path="deb", kernel="linux", device_type="x64")
    image = create_image(image_id="debian", name="Debian", size_bytes=GIB, device_type="x64")
    settle()
    publish(image)
    device = register_profile(mac=MAC, device_type="x64", name="pc-1", group=create_group(name="Lab 1"))
    return Device.objects.select_related("group").get(pk=device.pk)


def news(since: int = 0) -> list[str]:
    rows = journal.changes_of("device", MAC).filter(pk__gt=since)
    return [f"{row.person}: {row.text}" if row.person else row.text for row in rows]


def newest() -> int:
    row = journal.changes_of("device", MAC).first()
    return row.pk if row else 0


def _assign(device: Device, **fields: str) -> None:
    assign_image(image=Image.objects.get(), device=device, mode="overlay", **fields)
    settle()


def _move(device: Device) -> None:
    update_profile(device=device, group=create_group(name="Lab 2"))


CHANGES: dict[str, tuple[Callable[[Device], object], list[str]]] = {
    "its name": (lambda d: update_profile(device=d, name="lab1-03"), ["Name: pc-1 → lab1-03"]),
    "its type": (
        lambda d: update_profile(device=d, device_type="x86"), ["Type: PC (64 bit) → PC (BIOS)"],
    ),
    "its state": (lambda d: update_profile(device=d, enabled=False), ["State: Enrolled → Disabled"]),
    "its group": (_move, ["Group: Lab 1 → Lab 2"]),
    "no group": (lambda d: update_profile(device=d, group=None), ["Group: Lab 1 → none"]),
    "its kernel set": (
        lambda d: update_profile(device=d, kernel_set="rescue"), ["Kernel set: default → rescue"],
    ),
    "its channel": (lambda d: follow_channel(follower=d, channel="test"), ["Channel: none → test"]),
    "its next boot": (
        lambda d: set_boot_once(device=d, boot_once="installer", installer="deb"),
        ["Next boot: as planned → installer deb"],
    ),
    "its disk": (_assign, ["Disk: debian assigned (overlay, keeps its changes, follows its channel)"]),
    "two things at once": (
        lambda d: update_profile(device=d, name="b", enabled=False),
        ["State: Enrolled → Disabled", "Name: pc-1 → b"],
    ),
    "the same name again": (lambda d: update_profile(device=d, name="pc-1"), []),
    "the same of everything": (
        lambda d: update_profile(
            device=d, name="pc-1", enabled=True, device_type="x64", kernel_set="default", group=d.group,
            channel="", serial="", config_additions=[], image_id=None,
        ),
        [],
    ),
    "the same next boot": (lambda d: set_boot_once(device=d, boot_once=""), []),
    "its end": (lambda d: delete_profile(device=d), ["Deleted; its name was pc-1"]),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_told_as_what_really_changed(device: Device, what: str) -> None:
    change, told = CHANGES[what]
    since = newest()
    change(device)
    assert news(since) == told


def test_the_person_who_changed_it_is_named(device: Device) -> None:
    since = newest()
    with journal.acting(lambda: "anna"):
        update_profile(device=device, name="b")
    assert news(since) == ["anna: Name: pc-1 → b"]


def test_what_happens_to_its_overlay_is_told(device: Device) -> None:
    _assign(device)
    since = newest()
    _assign(device, persistence="reset", version="1")
    reset_disk(device=device)
    settle()
    merge_disk(device=device, comment="with maps")
    assert news(since) == [
        "Disk: merged as version 2 of debian: with maps",
        "Disk: debian reset to version 1",
        "Disk: overlay, keeps its changes, follows its channel → overlay, reset at each boot, "
        "stays on version 1",
    ]


def test_taking_its_disk_is_told(device: Device) -> None:
    _assign(device)
    since = newest()
    update_profile(device=device, image_id=None)
    assert news(since) == ["Disk: debian unassigned (overlay, keeps its changes, follows its channel)"]


def test_changes_kept_aside_are_told_when_they_are_discarded(device: Device) -> None:
    _assign(device)
    Layer.objects.filter(device=device).update(used_at=timezone.now())
    publish(Image.objects.get())
    export = Export.objects.select_related("device__group", "layer__base_version", "version").get()
    lineage.refresh(export, Image.objects.get().versions.get(number=2), forget=False)
    kept = kept_changes(device=device)
    since = newest()
    discard_kept(device=device, layer_number=kept[0].number)
    assert news(since) == ["Disk: kept changes of version 1 discarded"]


def test_a_next_boot_that_was_spent_is_told_once(device: Device) -> None:
    set_boot_once(device=device, boot_once="menu")
    since = newest()
    spend_boot_once(mac=MAC)
    spend_boot_once(mac=MAC)
    assert news(since) == ["Next boot: as planned again, since this one did what it was set to"]


def test_approving_and_forgetting_are_told(db: None) -> None:
    Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    approve_device(mac=MAC, name="pc-9", group=create_group(name="Lab 1"))
    assert news() == ["Approved as pc-9 (PC (64 bit), group Lab 1)"]
    Device.objects.update(state=DeviceState.DISCOVERED)
    since = newest()
    forget_discovered(mac=MAC)
    assert news(since) == ["Forgotten; it comes back when it asks again"]


def test_a_group_that_is_deleted_is_told_by_its_devices(device: Device) -> None:
    since = newest()
    delete_group(group=Group.objects.get(name="Lab 1"))
    assert news(since) == ["In no group: Lab 1 was deleted"]


def test_a_refused_change_leaves_no_line(device: Device) -> None:
    since = newest()
    with pytest.raises(Exception, match="no kernel set"):
        update_profile(device=device, name="b", kernel_set="no-such")
    assert news(since) == []


def test_a_name_of_two_hundred_signs_fits_its_line(device: Device) -> None:
    update_profile(device=device, name="x" * 200)
    since = newest()
    update_profile(device=device, name="y" * 200)
    assert news(since) == [f"Name: {'x' * 200} → {'y' * 200}"]
