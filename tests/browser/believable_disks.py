"""A golden image with versions, channels and overlays, as a lab has it after some weeks."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction

from devices.models import Device
from images import lineage
from images.models import (
    Export,
    Image,
    ImageState,
    Job,
    JobKind,
    JobState,
    Layer,
    LayerState,
    Session,
    StorageNode,
    Version,
)
from images.services import assign_image, create_image, promote, publish_version
from netboot_site.formats import GIB

MIB = 1024**2

COMMENTS = [
    "Debian 12.10, GNOME, all updates",
    "Firefox 142, LibreOffice 25.8",
    "CAD course: FreeCAD and KiCad installed by lab1-teacher",
    "Updates of November; new printer in room 2",
]
CONTENTS = {
    "table": "gpt",
    "operating_system": "Debian GNU/Linux 12 (bookworm)",
    "partitions": [
        {"number": 1, "start_bytes": MIB, "size_bytes": 512 * MIB, "type": "EFI system", "name": "ESP",
         "file_system": "vfat", "label": "EFI"},
        {"number": 2, "start_bytes": 513 * MIB, "size_bytes": 28 * GIB, "type": "Linux root", "name": "root",
         "file_system": "ext4", "label": "debian"},
        {"number": 3, "start_bytes": 513 * MIB + 28 * GIB, "size_bytes": 2 * GIB, "type": "swap", "name": "",
         "file_system": "swap", "label": ""},
    ],
}  # fmt: skip
GOLDEN = "debian-12-golden"


def golden_image(node: StorageNode, devices: list[Device], now: datetime) -> None:
    """Four versions, two channels, and overlays of devices; the last one writes the head."""
    image = create_image(
        image_id=GOLDEN, name="Debian 12, lab 1", size_bytes=32 * GIB, device_type="x64", node=node.name
    )
    Image.objects.filter(pk=image.pk).update(contents=CONTENTS, observed_used_bytes=9 * GIB + 311 * MIB)
    settle(image)
    for number, comment in enumerate(COMMENTS[:3], 1):
        _publish(image, number, comment, now)
    promote(image=image, channel="production", number=3)
    for number, device in enumerate(devices[:-1]):
        _overlay(image, device, number, now)
    _publish(image, 4, COMMENTS[3], now)
    promote(image=image, channel="test", number=4)
    _keep_aside(image, devices[2])
    assign_image(image=image, device=devices[-1])
    settle(image)
    Layer.objects.filter(image=image, device=None, version=None).update(
        used_at=now, observed_used_bytes=1_312 * MIB
    )
    _jobs(image, now)


def settle(image: Image) -> None:
    """As convergence leaves rows."""
    Image.objects.filter(pk=image.pk, state=ImageState.CREATING).update(
        state=ImageState.READY, observed_generation=1
    )
    Layer.objects.filter(image=image, state=LayerState.CREATING).update(state=LayerState.READY)
    Layer.objects.filter(image=image, frozen=True).update(observed_frozen_at=image.created_at)
    Export.objects.filter(image=image).update(observed_state="ready")


def _publish(image: Image, number: int, comment: str, now: datetime) -> None:
    publish_version(image=image, comment=comment, author="admin" if number != 3 else "j.weber")
    settle(image)
    Version.objects.filter(image=image, number=number).update(
        sha256=hashlib.sha256(comment.encode()).hexdigest(), verified_at=now - timedelta(days=1),
        created_at=now - timedelta(days=9 * (5 - number)),
    )  # fmt: skip
    frozen = Layer.objects.filter(image=image, version__number=number)
    frozen.update(observed_used_bytes=(6 * GIB if number == 1 else 700 * MIB * number))


def _overlay(image: Image, device: Device, number: int, now: datetime) -> None:
    export = assign_image(
        image=image, device=device, mode="overlay", persistence="keep" if number == 2 else "reset",
        version="production" if number < 4 else "latest",
    )  # fmt: skip
    Layer.objects.filter(export=export).update(
        used_at=now if number != 3 else None,
        observed_used_bytes=(number + 1) ** 4 * 9 * MIB if number != 3 else 196 * 1024,
    )
    settle(image)
    if number in {0, 1, 4}:
        Session.objects.create(
            iqn=export.iqn, handle="1", image=image, initiator_name=export.initiator_name,
            address=f"10.20.0.{60 + number}", started_at=now - timedelta(hours=2, minutes=11 * number),
        )  # fmt: skip


def _keep_aside(image: Image, device: Device) -> None:
    export = Export.objects.select_related("layer", "image", "device").get(device=device)
    with transaction.atomic():
        lineage.refresh(export, Version.objects.get(image=image, number=4))
    Export.objects.filter(pk=export.pk).update(follows="latest")
    settle(image)


def _jobs(image: Image, now: datetime) -> None:
    newest = Version.objects.get(image=image, number=4)
    Version.objects.filter(pk=newest.pk).update(sha256="")
    Job.objects.create(
        image=image, version=newest, kind=JobKind.CHECKSUM, state=JobState.RUNNING, created_by="admin",
        done_bytes=21 * GIB, total_bytes=32 * GIB, started_at=now - timedelta(seconds=40),
    )  # fmt: skip
    Job.objects.create(
        image=image, version=Version.objects.get(image=image, number=3), kind=JobKind.SQUASH,
        created_by="j.weber", total_bytes=32 * GIB,
    )  # fmt: skip
    Job.objects.create(
        image=image, kind=JobKind.EXPORT, state=JobState.FAILED, created_by="j.weber",
        done_bytes=3 * GIB, total_bytes=32 * GIB, started_at=now - timedelta(hours=3), finished_at=now,
        last_error="The connection ended after 3.0 GiB; download it again.",
    )  # fmt: skip
