"""One of everything that the REST API serves, and what each answer must look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent, BootPlan, Installer, KernelSet, Stage
from bootflow.services import register_profile
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, Session, StorageNode
from images.services import assign_image, create_image, register_node
from netboot_site.formats import GIB

MAC = "52:54:00:12:34:56"
SPARE = "52:54:00:00:00:02"
STRANGER = "52:54:00:aa:bb:cc"
ROWS = (Device, Group, Image, Export, KernelSet, Installer, BootPlan, Session, Boot)


@pytest.fixture(autouse=True)
def images_path(settings: Any, tmp_path: Path) -> Path:
    settings.IMAGES_PATH = tmp_path / "images"
    settings.IMAGES_PATH.mkdir()
    return settings.IMAGES_PATH


@pytest.fixture
def node(db: None) -> StorageNode:
    return register_node(name="local", portal_address="10.66.0.1", portal_port=3260)


@pytest.fixture
def house(node: StorageNode) -> Export:
    """A device with its disk, a spare one, a free disk, a group, kernel set, installer and a stranger."""
    room = Group.objects.create(name="Room 1")
    device = register_profile(mac=MAC, device_type="x64", name="pc-1", group=room)
    register_profile(mac=SPARE, device_type="x64", name="pc-2", enabled=False)
    for image_id in ("disk1", "disk10"):
        create_image(image_id=image_id, name=image_id.title(), size_bytes=2 * GIB, device_type="x64")
    Image.objects.update(state="ready")
    KernelSet.objects.create(name="pi5", kernel_url="http://10.66.0.1/pi5", cmdline="quiet")
    Installer.objects.create(name="debian", path="debian/12", kernel="linux", device_type="x64")
    now = timezone.now()
    Device.objects.create(
        mac=STRANGER, device_type="x64", state=DeviceState.DISCOVERED, serial="S1",
        facts={"product": "Model One"}, first_seen_at=now, last_seen_at=now,
    )  # fmt: skip
    boot = Boot.objects.create(mac=MAC, started_at=now, last_event_at=now, stage=Stage.DHCP)
    BootEvent.objects.create(boot=boot, at=now, stage=Stage.DHCP, kind="discover")
    return assign_image(image=Image.objects.get(id="disk1"), device=device)


def log_in(export: Export) -> Session:
    """The device uses its disk."""
    return Session.objects.create(
        iqn=export.iqn, handle="1-1", image=export.image, initiator_name=export.initiator_name,
        started_at=timezone.now(),
    )  # fmt: skip


def rows() -> dict[str, list[Any]]:
    """Everything that a refused call must leave as it was."""
    return {model.__name__: list(model.objects.order_by("pk").values_list()) for model in ROWS}  # type: ignore[attr-defined]
