"""What a Raspberry Pi's boot sets going: a fresh overlay that nobody uses, the end of an update."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent, BootPlan
from bootflow.recorder import sweep
from devices.models import Device
from images import services
from images.models import BootFiles, Export, Image, StorageNode
from netboot_site.formats import GIB
from tests.bootflow.recorder.lines import PI
from tests.bootflow.recorder.test_sweep import boot, event
from tests.images.rows import log_in, publish, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def pi() -> Device:
    return Device.objects.create(mac=PI, name="pi", device_type="raspi", serial="9ffefdef")


@pytest.fixture
def export(pi: Device) -> Export:
    StorageNode.objects.create(name="local", portal_address="10.66.0.1")
    image = services.create_image(image_id="lab", name="Lab", size_bytes=GIB, device_type="raspi")
    settle()
    publish(image)
    made = services.assign_image(image=Image.objects.get(), device=pi, mode="overlay", persistence="reset")
    settle()
    return made


def starts(seconds_ago: float = 5, stage: str = "dhcp") -> Boot:
    one = boot(seconds_ago, PI, stage)
    event(one, "discover", client="rpi")
    return one


def asked_for(export: Export) -> bool:
    sweep.judge_open_boots()
    return Export.objects.get(pk=export.pk).refresh_requested_at is not None


def use(export: Export) -> None:
    Export.objects.filter(pk=export.pk).update(handed_out_at=timezone.now() - timedelta(hours=1))


def told(export: Export, iscsi: str) -> None:
    """What was read of the boot partition of the version that the overlay stands on."""
    layer = Export.objects.get(pk=export.pk).layer
    assert layer is not None
    assert layer.base_version is not None
    facts = {"initramfs": [{"file": "initramfs8", "iscsi": iscsi}]}
    BootFiles.objects.update_or_create(
        layer=layer.base_version.layer, defaults={"wanted_at": timezone.now(), "facts": facts}
    )


@pytest.mark.parametrize("iscsi", ["open-iscsi", "dracut"])
def test_a_pi_that_never_checks_in_is_given_a_fresh_overlay_when_its_firmware_starts(
    export: Export, iscsi: str
) -> None:
    use(export)
    told(export, iscsi)
    starts()
    assert asked_for(export)


def test_one_that_checks_in_asks_for_it_itself(export: Export) -> None:
    use(export)
    told(export, "added")
    starts()
    assert not asked_for(export)


def test_an_overlay_that_nothing_has_used_stays(export: Export) -> None:
    starts()
    assert not asked_for(export)


def test_an_overlay_that_is_kept_and_up_to_date_stays(export: Export) -> None:
    use(export)
    Export.objects.update(persistence="keep")
    starts()
    assert not asked_for(export)
    Export.objects.update(observed_stale=True)
    assert asked_for(export), "its version has moved on"


def test_never_while_a_session_lives(export: Export) -> None:
    use(export)
    session = log_in(export)
    starts()
    assert not asked_for(export)
    session.ended_at = timezone.now()
    session.save()
    assert asked_for(export)


@pytest.mark.parametrize("stage", ["script", "iscsi", "os"])
def test_not_once_its_kernel_runs(export: Export, stage: str) -> None:
    use(export)
    starts(stage=stage)
    assert not asked_for(export)


def test_not_for_a_pi_that_has_tried_for_minutes(export: Export) -> None:
    use(export)
    starts(300)
    assert not asked_for(export)


@pytest.mark.parametrize("changes", [{"state": "disabled"}, {"state": "discovered"}])
def test_not_for_one_that_may_not_boot(export: Export, pi: Device, changes: dict[str, str]) -> None:
    use(export)
    Device.objects.filter(pk=pi.pk).update(**changes)
    starts()
    assert not asked_for(export)


def wanted(pi: Device, minutes_ago: float = 10) -> None:
    plan, _ = BootPlan.objects.get_or_create(device=pi)
    at = timezone.now() - timedelta(minutes=minutes_ago)
    BootPlan.objects.filter(pk=plan.pk).update(bootloader_update=True, updated_at=at)


def still_wanted() -> bool:
    sweep.judge_open_boots()
    return BootPlan.objects.get().bootloader_update


def fetched(one: Boot, name: str, after: float = 1, **facts: Any) -> None:
    event(one, "file", "firmware", after, file=f"9ffefdef/{name}", **{"role": "firmware", **facts})


@pytest.mark.parametrize("name", ["pieeprom.upd", "recovery.bin"])
def test_an_update_is_taken_back_when_the_pi_boots_again_after_it(pi: Device, name: str) -> None:
    wanted(pi)
    one = starts(60)
    fetched(one, name)
    assert still_wanted()
    one.finished_at = timezone.now()
    one.save()
    again = starts(5)
    assert not still_wanted()
    assert BootEvent.objects.filter(boot=again, kind="bootloader-updated").count() == 1
    assert not still_wanted()


def test_a_pi_that_starts_anew_at_once_after_the_update_is_seen_in_the_same_boot(pi: Device) -> None:
    wanted(pi)
    one = starts(60)
    fetched(one, "pieeprom.upd")
    assert still_wanted()
    again = one.events.get(kind="discover")
    again.facts |= {"count": 2, "last_at": (again.at + timedelta(seconds=9)).isoformat()}
    again.save()
    assert not still_wanted()


def test_a_bootloader_that_needs_no_update_goes_on_to_its_kernel(pi: Device) -> None:
    wanted(pi)
    one = starts(60)
    fetched(one, "pieeprom.sig")
    assert still_wanted()
    fetched(one, "kernel8.img", 3, role="kernel")
    assert not still_wanted()


def test_what_was_fetched_before_the_update_was_asked_for_does_not_count(pi: Device) -> None:
    one = starts(3600)
    fetched(one, "pieeprom.upd")
    one.finished_at = one.last_event_at
    one.save()
    wanted(pi)
    starts(5)
    assert still_wanted()


def test_a_look_for_the_update_that_found_nothing_does_not_end_it(pi: Device) -> None:
    wanted(pi)
    one = starts(60)
    event(one, "file-probed", "firmware", 1, file="9ffefdef/pieeprom.sig", role="firmware", absent=True)
    fetched(one, "kernel8.img", 3, role="kernel")
    assert still_wanted()
