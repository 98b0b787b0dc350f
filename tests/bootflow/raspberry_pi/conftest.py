"""Raspberry Pis with disks whose boot partition was read, and a TFTP root of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import PiTree
from bootflow.raspberry_pi.choosing import Place
from bootflow.raspberry_pi.keeping import TreeKeeper
from bootflow.services import register_profile
from devices.models import Device
from images.models import BootFile, BootFiles, Export, Image, Layer, StorageNode
from images.services import assign_image
from images.services.blobs import store_blob
from netboot_site.errors import UnavailableError

STOCK_FILES: dict[str, bytes] = {
    "bootcode.bin": b"bootcode", "start.elf": b"start", "fixup.dat": b"fixup", "start4.elf": b"start4",
    "fixup4.dat": b"fixup4", "kernel8.img": b"kernel" * 1000, "initramfs8": b"initramfs" * 1000,
    "kernel_2712.img": b"kernel-2712", "initramfs_2712": b"initramfs-2712",
    "config.txt": b"auto_initramfs=1\n", "cmdline.txt": b"console=tty1 root=PARTUUID=4e-02\n",
    "bcm2710-rpi-3-b.dtb": b"dtb3", "bcm2710-rpi-3-b-plus.dtb": b"dtb3+", "bcm2711-rpi-4-b.dtb": b"dtb4",
    "bcm2712-rpi-5-b.dtb": b"dtb5", "overlays/README": b"readme", "overlays/vc4-kms-v3d.dtbo": b"vc4",
    "pieeprom.upd": b"eeprom", "pieeprom.sig": b"sig", "recovery.bin": b"recovery",
}  # fmt: skip
FACTS: dict[str, Any] = {
    "cmdline": "console=tty1 root=PARTUUID=4e-02 rootfstype=ext4 rootwait",
    "config": "auto_initramfs=1\n",
    "kernels": [{"file": "kernel8.img", "release": "6.12.25+rpt-rpi-v8", "bits": 64}],
    "initramfs": [{"file": "initramfs8", "release": "6.12.25+rpt-rpi-v8", "iscsi": "added"}],
    "root": "PARTUUID=4e-02",
    "warnings": [],
}
MAC, SERIAL = "b8:27:eb:6c:4c:16", "b66c4c16"
PLACE = Place("http://10.66.0.1:8080/boot/", "iqn.2026-02.local.netboot")


class Time:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def no_waiting_system() -> Path:
    raise UnavailableError("There are no packages.")


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def keeper(db: None, tmp_path: Path, clock: Time) -> TreeKeeper:
    return TreeKeeper(tmp_path / "tftp", PLACE, no_waiting_system, clock)


@pytest.fixture
def node(db: None) -> StorageNode:
    return StorageNode.objects.create(name="local", portal_address="10.66.0.1", portal_port=3260)


@pytest.fixture
def make_pi(db: None) -> Callable[..., Device]:
    numbers = itertools.count(1)

    def make(mac: str = "", serial: str = "", model: str = "", **profile: Any) -> Device:
        number = next(numbers)
        address = mac or f"dc:a6:32:00:{number // 256:02x}:{number % 256:02x}"
        device = register_profile(mac=address, device_type="raspi", name=f"pi-{number}", **profile)
        device.serial, device.facts = serial, {"model": model} if model else {}
        device.save()
        return device

    return make


def read_partition(layer: Layer, files: Mapping[str, bytes], **facts: Any) -> BootFiles:
    """As if the storage node had read it now."""
    row, _ = BootFiles.objects.update_or_create(
        layer=layer,
        defaults={"wanted_at": timezone.now(), "read_at": timezone.now(), "state": "ready",
                  "facts": {**FACTS, **facts}},
    )  # fmt: skip
    row.files.all().delete()
    for path, data in files.items():
        BootFile.objects.create(boot_files=row, path=path, blob_id=store_blob(source=data))
    return row


@pytest.fixture
def make_image(node: StorageNode) -> Callable[..., Image]:
    def make(name: str = "pi-os", files: Mapping[str, bytes] | None = None, **facts: Any) -> Image:
        image = Image.objects.create(
            id=name, name=name, size_bytes=2**30, device_type="raspi", node=node, state="ready"
        )
        layer = Layer.objects.create(image=image, number=1, size_bytes=2**30, format="raw", state="ready")
        if files is None or files:
            read_partition(layer, STOCK_FILES if files is None else files, **facts)
        return image

    return make


def head_of(image: Image) -> Layer:
    return Layer.objects.get(image=image, number=image.generation)


def give(image: Image, device: Device, **how: Any) -> Export:
    return assign_image(image=image, device=device, **how)


def tree_of(device: Device) -> PiTree:
    return PiTree.objects.get(device=device)
