"""GET /boot/script for a device with an overlay: reset, moved or as it is, and what is kept of the boot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bootflow import firmware
from bootflow.checkin import BUSY
from bootflow.models import BootEvent
from bootflow.recorder.telling import tell
from bootflow.services import set_boot_once
from bootflow.statements import FIRST_SCRIPT, NEXT_SCRIPT, REFRESH
from devices.models import Device, Group
from images import lineage, services
from images.models import Export, ExportState, Image, Layer, StorageNode
from netboot_site.formats import GIB
from tests.bootflow.conftest import MAC
from tests.images.rows import layer_of, log_in, publish, settle, write

ASK = "/boot/script?retry=0&mac=525400123456"
AGAIN = ASK.replace("retry=0", "retry=1")
RESETTING = "Disk lab: Its disk is being reset."


@pytest.fixture
def image(node: StorageNode) -> Image:
    made = services.create_image(image_id="lab", name="Lab", size_bytes=GIB, device_type="x64")
    settle()
    publish(made)
    return Image.objects.get()


@pytest.fixture
def give(image: Image, device: Device) -> Callable[..., Export]:
    def assign(**fields: Any) -> Export:
        export = services.assign_image(image=image, device=device, mode="overlay", **fields)
        settle()
        return export

    return assign


@pytest.fixture(autouse=True)
def proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firmware, "owns_address", lambda **_: True)


def marks(export: Export) -> tuple[datetime | None, datetime | None]:
    """When a refresh was asked for, and since when it is handed out."""
    row = Export.objects.get(pk=export.pk)
    return row.refresh_requested_at, row.handed_out_at


def converge(export: Export) -> None:
    """What the converger does when a fresh overlay was asked for."""
    row = Export.objects.select_related("image", "device__group", "layer", "version").get(pk=export.pk)
    version = lineage.version_for(row.image, row.device, row.follows, row.version)
    assert row.refresh_requested_at is not None, "nobody asked for a fresh overlay"
    assert version is not None
    lineage.refresh(row, version)
    settle()


def told_disks() -> list[dict[str, Any]]:
    return [event.facts["plan"]["disk"] for event in BootEvent.objects.order_by("at", "id")]


def test_a_fresh_overlay_is_booted_straight_away_and_marked_as_handed_out(
    fetch: Callable[..., str], give: Callable[..., Export]
) -> None:
    export = give(persistence="reset")
    script = fetch(ASK)
    assert "sanboot iscsi:10.66.0.1:::1:iqn.2026-02.local.netboot:lab.525400123456" in script
    asked, handed_out = marks(export)
    assert (asked, handed_out is not None) == (None, True)


def test_an_overlay_that_was_handed_out_is_reset_before_it_is_told_again(
    fetch: Callable[..., str], give: Callable[..., Export]
) -> None:
    export = give(persistence="reset")
    fetch(ASK)
    first = layer_of(export)
    script = fetch(ASK)
    assert RESETTING in script
    assert "prompt --timeout 1000 " in script, "it asks again after a second"
    assert "sanboot iscsi" not in script
    assert marks(export)[0] is not None
    converge(export)
    assert "sanboot iscsi" in fetch(AGAIN)
    assert layer_of(export) != first
    assert marks(export)[0] is None


def test_an_overlay_that_was_seen_in_use_is_reset_even_if_its_handing_out_was_not_noted(
    fetch: Callable[..., str], give: Callable[..., Export]
) -> None:
    export = give(persistence="reset")
    write(layer_of(export))
    assert RESETTING in fetch(ASK)


def test_kept_changes_are_booted_as_they_are(fetch: Callable[..., str], give: Callable[..., Export]) -> None:
    export = give(persistence="keep")
    fetch(ASK)
    write(layer_of(export))
    handed_out = marks(export)[1]
    assert "sanboot iscsi" in fetch(ASK)
    assert marks(export) == (None, handed_out), "it is still the same overlay"


def test_an_overlay_whose_version_moved_on_moves_first_and_says_where_to(
    fetch: Callable[..., str], give: Callable[..., Export], image: Image
) -> None:
    export = give()
    fetch(ASK)
    publish(image)
    Export.objects.update(observed_stale=True)
    script = fetch(ASK)
    assert "Disk lab: Its disk is moving to version 2. What it wrote on version 1 is kept" in script
    assert "echo aside.\n" in script
    old = layer_of(export)
    converge(export)
    assert "sanboot iscsi" in fetch(AGAIN)
    assert layer_of(export).base_version == image.versions.get(number=2)
    (kept,) = services.kept_changes(device=export.device)
    assert (kept.pk, kept.used_at is not None) == (old.pk, True), "what it may have written is kept aside"


@pytest.mark.parametrize(("persistence", "touched"), [("keep", False), ("reset", True)])
def test_where_nothing_is_kept_aside_it_does_not_say_so(
    fetch: Callable[..., str], give: Callable[..., Export], persistence: str, touched: bool
) -> None:
    export = give(persistence=persistence)
    Export.objects.update(observed_stale=True)
    if touched:
        write(layer_of(export))
    script = fetch(ASK)
    assert "Its disk is moving to version 1.\n" in script
    assert "kept" not in script


@pytest.mark.parametrize("whose", ["export", "device", "group", "pinned"])
def test_the_version_it_moves_to_is_the_one_that_it_follows(
    fetch: Callable[..., str], give: Callable[..., Export], image: Image, device: Device, whose: str
) -> None:
    for _ in range(3):
        publish(image)
    services.promote(image=image, channel="production", number=2)
    give(version={"export": "production", "pinned": "2"}.get(whose, ""))
    if whose == "device":
        Device.objects.update(channel="production")
    if whose == "group":
        Device.objects.update(group=Group.objects.create(name="Room", channel="production"))
    Export.objects.update(observed_stale=True)
    assert "moving to version 2." in fetch(ASK)


def test_a_version_that_is_still_written_is_not_yet_the_latest(
    fetch: Callable[..., str], give: Callable[..., Export], image: Image
) -> None:
    give()
    services.publish_version(image=image)
    Export.objects.update(observed_stale=True)
    assert "moving to version 1." in fetch(ASK)


def test_until_the_new_layer_is_seen_behind_the_target_the_machine_waits(
    fetch: Callable[..., str], give: Callable[..., Export], device: Device
) -> None:
    export = give()
    services.merge_disk(device=device)
    assert Export.objects.get().observed_state == ExportState.READY, "the converger has not looked yet"
    assert "Disk lab: Its disk is being made ready." in fetch(ASK)
    assert marks(export)[1] is None
    settle()
    assert "sanboot iscsi" in fetch(AGAIN)


def test_a_head_that_was_rolled_back_is_told_when_it_was_seen(
    fetch: Callable[..., str], image: Image, device: Device
) -> None:
    services.assign_image(image=image, device=device)
    settle()
    services.roll_back(image=image, number=1)
    assert "being made ready" in fetch(ASK)
    settle()
    assert "sanboot iscsi" in fetch(AGAIN)


def test_while_an_earlier_session_lives_nothing_is_reset_and_the_machine_waits(
    fetch: Callable[..., str], give: Callable[..., Export]
) -> None:
    export = give(persistence="reset")
    fetch(ASK)
    session = log_in(export)
    script = fetch(ASK)
    assert " ".join(BUSY.split()[:6]) in script
    assert "prompt --timeout 3000 " in script
    assert marks(export)[0] is None
    session.ended_at = timezone.now()
    session.save()
    assert RESETTING in fetch(AGAIN)
    assert marks(export)[0] is not None


def test_whose_identity_is_not_proven_resets_nothing_and_marks_nothing(
    fetch: Callable[..., str], give: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    export = give(persistence="reset")
    write(layer_of(export))
    monkeypatch.setattr(firmware, "owns_address", lambda **_: False)
    assert "identity could not be checked" in fetch(ASK)
    assert marks(export) == (None, None)


def test_a_check_in_over_rest_resets_nothing_and_marks_nothing(give: Callable[..., Export]) -> None:
    export = give(persistence="reset")
    write(layer_of(export))
    answer = Client().get(f"/api/v1/boot/check-in?mac={MAC}").json()
    assert (answer["action"], answer["iqn"]) == ("boot_image", export.iqn)
    assert marks(export) == (None, None)


@pytest.mark.parametrize("instead", ["local", "menu"])
def test_a_boot_that_goes_elsewhere_leaves_the_overlay_alone(
    fetch: Callable[..., str], give: Callable[..., Export], device: Device, instead: str
) -> None:
    export = give(persistence="reset")
    write(layer_of(export))
    set_boot_once(device=device, boot_once=instead)
    fetch(ASK)
    assert marks(export) == (None, None)


def test_another_devices_overlay_is_left_alone(
    fetch: Callable[..., str], give: Callable[..., Export], image: Image
) -> None:
    from bootflow.services import register_profile

    give(persistence="reset")
    other = register_profile(mac="52:54:00:00:00:02", device_type="x64", name="other")
    theirs = services.assign_image(image=image, device=other, mode="overlay", persistence="reset")
    settle()
    write(layer_of(theirs))
    fetch(ASK)
    fetch(ASK)
    assert marks(theirs) == (None, None)


def test_an_exclusive_disk_is_marked_once_and_never_reset(
    fetch: Callable[..., str], image: Image, device: Device
) -> None:
    export = services.assign_image(image=image, device=device)
    settle()
    for _ in range(2):
        assert "sanboot iscsi:10.66.0.1:::1:iqn.2026-02.local.netboot:lab ||" in fetch(ASK)
    asked, handed_out = marks(export)
    assert (asked, handed_out is not None) == (None, True)
    assert told_disks()[0]["mode"] == "exclusive"


def test_a_machine_that_asks_each_second_does_not_rewrite_the_request_each_time(
    fetch: Callable[..., str], give: Callable[..., Export]
) -> None:
    export = give(persistence="reset")
    write(layer_of(export))
    fetch(ASK)
    first = marks(export)[0]
    fetch(AGAIN)
    assert marks(export)[0] == first
    Export.objects.update(refresh_requested_at=timezone.now() - timedelta(seconds=40))
    fetch(AGAIN)
    assert first is not None
    assert (marks(export)[0] or first) > first, "an old request is renewed before it is dropped"


def test_a_paused_disk_waits_and_says_why(fetch: Callable[..., str], give: Callable[..., Export]) -> None:
    export = give(persistence="reset")
    write(layer_of(export))
    Export.objects.update(observed_state=ExportState.PAUSED)
    assert "Its disk is paused: its storage node is short of room." in fetch(ASK)
    assert marks(export) == (None, None), "a fresh overlay would need room, too"
    Export.objects.update(last_error="Paused until there is room.")
    assert "Disk lab: Paused until there is room." in fetch(ASK)


@pytest.mark.parametrize("persistence", ["keep", "reset"])
def test_what_stands_in_the_way_of_its_disk_is_told_as_the_reason(
    fetch: Callable[..., str], give: Callable[..., Export], persistence: str
) -> None:
    export = give(persistence=persistence)
    write(layer_of(export))
    trouble = "waiting for pc-08 to log out"
    Export.objects.update(observed_state=ExportState.WAITING, last_error=trouble)
    assert f"Disk lab: {trouble}" in fetch(ASK)
    assert "sanboot iscsi" not in fetch(AGAIN)


def test_the_recorder_keeps_what_the_boot_was_given(
    fetch: Callable[..., str], give: Callable[..., Export]
) -> None:
    give(persistence="reset")
    fetch(ASK)
    (disk,) = told_disks()
    assert (disk["mode"], disk["persistence"], disk["version"]) == ("overlay", "reset", 1)
    event = BootEvent.objects.get()
    assert tell(MAC, event.kind, event.facts) == (
        "Asked what to boot, and was told to boot from its disk lab "
        "(overlay on version 1, reset at each boot)."
    )
    fetch(ASK)
    last = BootEvent.objects.order_by("-at", "-id").first()
    assert last is not None
    assert "to wait until its disk lab (overlay on version 1, reset at each boot) is reset." in tell(
        MAC, last.kind, last.facts
    )


def test_an_event_of_an_older_release_is_still_told() -> None:
    disk = {"image_id": "d", "iqn": "i", "initiator_name": "n", "address": "a", "port": 3260, "ready": True}
    text = tell(MAC, "script", {"plan": {"state": "enrolled", "disk": disk, "identity": True}})
    assert text == "Asked what to boot, and was told to boot from its disk d."


def test_the_statements_stay_short_enough_to_be_remembered() -> None:
    lengths = {"first": len(FIRST_SCRIPT), "next": len(NEXT_SCRIPT), "refresh": len(REFRESH)}
    assert {name: size for name, size in lengths.items() if size > 4096} == {}
    assert "v.number" in FIRST_SCRIPT
    assert "v.number" in NEXT_SCRIPT


def test_a_layer_that_has_no_row_any_more_is_no_error(
    fetch: Callable[..., str], give: Callable[..., Export], device: Device, image: Image
) -> None:
    give(persistence="reset")
    services.unassign_image(image=image, device=device)
    assert "No disk is assigned to this device." in fetch(ASK)
    assert not Layer.objects.filter(device=device).exists()
