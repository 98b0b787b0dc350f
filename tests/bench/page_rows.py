"""Rows for the measurement of pages, made through Django: `python -m tests.bench.page_rows DEVICES EVENTS`.

Prints what the measurement needs to ask for pages: a session, a token, and the address of each page.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from bootflow.models import Boot, BootEvent, KernelSet, Outcome, Stage  # noqa: E402
from devices.models import Device, Group  # noqa: E402
from images.models import Export, ExportState, Image, ImageState, StorageNode  # noqa: E402
from netboot_site.auth import create_token  # noqa: E402
from netboot_site.formats import GIB  # noqa: E402
from tests.browser.every_page import addresses  # noqa: E402

STAGES = (Stage.DHCP, Stage.DHCP, Stage.TFTP, Stage.DHCP, Stage.SCRIPT, Stage.SCRIPT, Stage.ISCSI, Stage.OS)
REASON = "loader fetched, no script asked for within 30 s: the machine reached TFTP but not HTTP port 8080"
TABLES = (
    "bootflow_bootevent, bootflow_boot, images_export, images_image, images_storagenode, devices_device,"
    " devices_group, auth_user"
)
BATCH = 5000


def fill(devices: int, images: int, boots: int, events: int) -> None:
    """A site of this size, in place of what was there."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLES} CASCADE")
    KernelSet.objects.get_or_create(name="default", defaults={"is_default": True})
    now = timezone.now()
    machines = make_devices(devices, now)
    make_disks(machines, images)
    make_boots(machines, boots, events, now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def make_devices(count: int, now: datetime) -> list[Device]:
    """A twentieth of them unknown."""
    rooms = Group.objects.bulk_create([Group(name=f"Room {n}") for n in range(max(1, count // 200))])
    rows = [
        Device(
            mac="52:54:00:{:02x}:{:02x}:{:02x}".format(*n.to_bytes(3)), name=f"lab-{n:05}", device_type="x64",
            group=rooms[n % len(rooms)], firmware="uefi", serial=f"CZC{n}", last_seen_at=now,
            facts={"manufacturer": "Dell Inc.", "product": "OptiPlex 7010"},
            state="discovered" if n % 20 == 19 else "enrolled",
        )
        for n in range(count)
    ]  # fmt: skip
    return Device.objects.bulk_create(rows, batch_size=BATCH)


def make_disks(machines: list[Device], count: int) -> None:
    """Each image is one device's own."""
    node = StorageNode.objects.create(
        name="local", portal_address="10.66.0.1", observed_capacity_bytes=9000 * GIB,
        observed_free_bytes=5000 * GIB, observed_used_bytes=2000 * GIB, observed_at=timezone.now(),
        observed_target_server="ready",
    )  # fmt: skip
    made = Image.objects.bulk_create([
        Image(id=f"disk-{n}", name=f"Disk {n}", size_bytes=32 * GIB, device_type="x64", node=node,
              state=ImageState.READY, observed_used_bytes=3 * GIB)
        for n in range(count)
    ])  # fmt: skip
    Export.objects.bulk_create([
        Export(image=image, device=device, chap_username=image.id, chap_secret="0" * 12,
               observed_state=ExportState.READY)
        for image, device in zip(made, machines, strict=False)
    ])  # fmt: skip


def make_boots(machines: list[Device], count: int, events: int, now: datetime) -> None:
    """Newest first among the machines in turn; one of seven failed, one of a hundred goes on."""
    rows = []
    for n in range(count):
        began = now - timedelta(minutes=n)
        goes_on = n < len(machines) and n % 100 == 50
        failed = not goes_on and n % 7 == 3
        outcome = Outcome.RUNNING if goes_on else Outcome.FAILED if failed else Outcome.OK
        ended = None if goes_on else began + timedelta(seconds=30 + n % 11)
        rows.append(
            Boot(
                mac=machines[n % len(machines)].mac, started_at=began, last_event_at=ended or began,
                finished_at=ended, stage=Stage.TFTP if failed else Stage.OS, outcome=outcome,
                reason=REASON if failed else "",
            )
        )  # fmt: skip
    Boot.objects.bulk_create(rows, batch_size=BATCH)
    each = events // count
    for first in range(0, count, BATCH // 10):
        BootEvent.objects.bulk_create([
            BootEvent(boot=boot, at=boot.started_at + timedelta(seconds=3 * turn), kind="file",
                      stage=STAGES[min(turn * len(STAGES) // each, len(STAGES) - 1)],
                      detail="snponly.efi", facts={"bytes": 159_744, "seconds": 0.3})
            for boot in rows[first : first + BATCH // 10]
            for turn in range(each)
        ])  # fmt: skip


def where() -> dict[str, str]:
    """Address -> pattern of every page for one of each kind of row."""
    known = Device.objects.exclude(state="discovered").order_by("pk")[:1]
    unknown = Device.objects.filter(state="discovered")[:1]
    failed = Boot.objects.filter(outcome=Outcome.FAILED)[:1] or Boot.objects.all()[:1]
    return addresses({
        "mac": [device.mac for device in (*known, *unknown)], "image_id": ["disk-0"], "node": ["local"],
        "boot_id": [boot.pk for boot in failed], "name": ["default"],
        "groups/number": [Group.objects.all()[0].pk],
    })  # fmt: skip


def main() -> None:
    devices, events = int(sys.argv[1]), int(sys.argv[2])
    boots = max(1, events // 10 if events < 1_000_000 else events // 100)
    fill(devices, max(1, devices // 10), boots, events)
    user = User.objects.create_superuser("bench", password="not used: the session is made here")
    session = SessionStore()
    session.update({
        "_auth_user_id": str(user.pk), "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": user.get_session_auth_hash(),
    })  # fmt: skip
    session.create()
    token = create_token(user=user, name="bench", scope="full")[1]
    found = {"session": session.session_key, "token": token, "pages": where()}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
