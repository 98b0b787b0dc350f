"""What a page says of the next boot is what the boot endpoint will say."""

from __future__ import annotations

import pytest
from django.utils import timezone

from bootflow.checkin import Asking, check_in
from bootflow.decision import decide
from bootflow.models import BootOnce, Installer
from bootflow.outlook import outlook_of, situation_of
from bootflow.services import register_profile, set_boot_once, update_profile
from bootflow.views.devices import find_device
from devices.models import Device
from images.models import Export, Image, Layer
from images.services import assign_image, create_image, register_node
from netboot_site.formats import GIB
from tests.images.rows import publish, settle

MAC = "52:54:00:ab:cd:01"


@pytest.fixture
def device(db: None) -> Device:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    create_image(image_id="debian", name="Debian", size_bytes=GIB, device_type="x64")
    Installer.objects.create(name="deb", path="deb", kernel="linux", device_type="x64")
    return register_profile(mac=MAC, device_type="x64", name="pc-one")


def _plain(device: Device) -> None:
    pass


def _disabled(device: Device) -> None:
    update_profile(device=device, enabled=False)


def _pending(device: Device) -> None:
    update_profile(device=device, image_id="debian")


def _ready(device: Device) -> None:
    update_profile(device=device, image_id="debian")
    Export.objects.update(observed_state="ready")


def _installer(device: Device) -> None:
    set_boot_once(device=device, boot_once=BootOnce.INSTALLER, installer="deb")


def _local(device: Device) -> None:
    set_boot_once(device=device, boot_once=BootOnce.LOCAL)


def _overlay(device: Device, **fields: str) -> None:
    image = Image.objects.get()
    settle()
    publish(image)
    assign_image(image=image, device=device, mode="overlay", **fields)
    settle()


def _used(device: Device) -> None:
    _overlay(device, persistence="reset")
    Layer.objects.filter(device=device).update(used_at=timezone.now())


def _stale(device: Device) -> None:
    _overlay(device)
    Export.objects.update(observed_stale=True)


def _paused(device: Device) -> None:
    _overlay(device)
    Export.objects.update(observed_state="paused")


CASES = [(_plain, "Boot menu"), (_disabled, "Local disk"), (_pending, "Waits for its disk"),
         (_ready, "Its own disk"), (_overlay, "Its own disk"), (_used, "Its own disk"),
         (_stale, "Its own disk"), (_paused, "Waits for its disk"), (_installer, "Installer, once"),
         (_local, "Local disk, once")]  # fmt: skip


@pytest.mark.parametrize(("prepare", "title"), CASES)
def test_the_page_reads_the_same_situation_as_the_boot_endpoint(
    device: Device, prepare: object, title: str
) -> None:
    prepare(device)  # type: ignore[operator]
    shown = situation_of(find_device(MAC))
    served, _ = check_in(Asking(mac=MAC, kind="script"))
    assert decide(shown) == decide(served)
    assert outlook_of(find_device(MAC)).title == title


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_ready, "Boots debian over iSCSI, straight away."),
        (_overlay, "Boots debian over iSCSI, straight away, from its overlay on version 1."),
        (_used, "Boots debian over iSCSI, after its overlay has been reset to version 1."),
        (_stale, "Boots debian over iSCSI, after its overlay has moved to another version."),
    ],
)
def test_the_page_says_what_the_overlay_begins_with(device: Device, prepare: object, words: str) -> None:
    prepare(device)  # type: ignore[operator]
    assert outlook_of(find_device(MAC)).why == words
