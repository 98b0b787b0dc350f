"""Rows that look like a lab on an ordinary morning: for screenshots and for looking at pages."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from bootflow.models import Boot, BootEvent, BootOnce, BootPlan, Installer, KernelSet, Outcome, Stage
from devices.models import Device, DeviceState, Group
from images.models import Export, ExportState, Image, ImageState, Layer, LayerFormat, Session, StorageNode
from netboot_site.formats import GIB
from netboot_site.models import Heartbeat
from tests.browser.believable_disks import golden_image
from tests.browser.believable_network import fill_wire
from tests.browser.believable_pis import fill_pis, pi_boot, pi_device

PASSWORD = "correct horse"
MACHINES = [
    ("lab1-01", "x64", "Lab 1", "Dell Inc.", "OptiPlex 7010", "uefi"),
    ("lab1-02", "x64", "Lab 1", "Dell Inc.", "OptiPlex 7010", "uefi"),
    ("lab1-03", "x64", "Lab 1", "Dell Inc.", "OptiPlex 7010", "uefi"),
    ("lab1-04", "x64", "Lab 1", "Dell Inc.", "OptiPlex 7010", "uefi"),
    ("lab1-05", "x64", "Lab 1", "Dell Inc.", "OptiPlex 7010", "uefi"),
    ("lab1-teacher", "x64", "Lab 1", "LENOVO", "ThinkCentre M720q", "uefi"),
    ("workshop-cnc", "x86", "Workshop", "ASUSTeK", "P5G41T-M LX", "bios"),
    ("workshop-laser", "x86", "Workshop", "ASUSTeK", "P5G41T-M LX", "bios"),
    ("signage-entrance", "raspi", "Signage", "", "Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi"),
    ("signage-canteen", "raspi", "Signage", "", "Raspberry Pi 4 Model B Rev 1.5", "raspberry-pi"),
    ("sensor-gateway", "raspi", "", "", "Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi"),
    ("render-node-a", "x64", "Render farm", "Supermicro", "SYS-5019C-MR", "uefi"),
]
# stage, kind, seconds after power-on, detail, facts
GOOD_BOOT = [
    (Stage.DHCP, "discover", 0.0, "PXEClient:Arch:00007", {}),
    (Stage.DHCP, "offer", 0.1, "10.20.0.61", {}),
    (Stage.TFTP, "file", 4.2, "snponly.efi", {"bytes": 159_744, "seconds": 0.3}),
    (Stage.DHCP, "discover", 8.9, "iPXE", {}),
    (Stage.SCRIPT, "first script", 11.4, "boot.ipxe", {"seconds": 0.004}),
    (Stage.SCRIPT, "script", 11.6, "its own disk: debian-12-lab", {"seconds": 0.006}),
    (Stage.ISCSI, "login", 12.3, "iqn.2026-02.local.netboot:device.525400", {}),
    (Stage.OS, "login", 31.8, "the operating system has taken over its disk", {}),
]
NO_SCRIPT = (
    "Loader fetched, no script asked for within 30 s: the machine reached TFTP but not HTTP port 8080. "
    "Is a firewall between them?"
)
NO_TREE = (
    "bcm2712-rpi-5-b.dtb was not there (asked for as 5c2e91d7/bcm2712-rpi-5-b.dtb): it is to be added to the "
    "kernel set rpi-6.6"
)


def fill() -> None:
    """Everything."""
    User.objects.create_superuser("admin", password=PASSWORD)
    User.objects.create_user("viewer", password=PASSWORD)
    now = timezone.now()
    devices = _devices(now)
    _images(devices, now)
    fill_pis(devices, now)
    _boots(devices, now)
    _waiting(now)
    fill_wire(now)
    _rest(devices, now)


def mac_of(number: int) -> str:
    """The address of a machine of the lab."""
    return f"52:54:00:2a:1{number // 16:x}:{number % 16 + 16:02x}"


def _devices(now: datetime) -> dict[str, Device]:
    groups = {
        name: Group.objects.create(name=name) for name in ("Lab 1", "Workshop", "Signage", "Render farm")
    }
    rows = [
        Device(
            mac=mac_of(number), name=name, device_type=kind, group=groups.get(group), firmware=firmware,
            architecture="arm64" if kind == "raspi" else "x86_64", serial=f"CZC{4711 + 13 * number}Q",
            facts={"manufacturer": maker, "product": product},
            last_seen_at=now - timedelta(minutes=7 * number),
            first_seen_at=now - timedelta(days=90), state=DeviceState.ENROLLED,
        )
        for number, (name, kind, group, maker, product, firmware) in enumerate(MACHINES)
    ]  # fmt: skip
    for number in (8, 9, 10):
        pi_device(rows[number], number)
    rows[7].state = DeviceState.DISABLED
    rows[10].name = "sensor-gateway on the roof of the east wing, beside the weather station"
    return dict(zip((m[0] for m in MACHINES), Device.objects.bulk_create(rows), strict=True))


def _images(devices: dict[str, Device], now: datetime) -> None:
    node = StorageNode.objects.create(
        name=settings.STORAGE_NODE, portal_address="10.20.0.1", observed_capacity_bytes=930 * GIB,
        observed_free_bytes=541 * GIB, observed_used_bytes=212 * GIB, observed_at=now + timedelta(minutes=10),
        observed_target_server="ready", observed_reserve_bytes=GIB,
        observed_orphans=[{"name": "old-kiosk/layer-3.qcow2", "bytes": 3 * GIB}],
    )  # fmt: skip
    _own_disks(node, {name: device for name, device in devices.items() if not name.startswith("lab1")}, now)
    _other_images(node)
    for image in Image.objects.all():
        Layer.objects.create(image=image, number=1, format=LayerFormat.RAW, size_bytes=image.size_bytes)
    golden_image(node, [device for name, device in devices.items() if name.startswith("lab1")], now)


def _own_disks(node: StorageNode, devices: dict[str, Device], now: datetime) -> None:
    for number, (name, device) in enumerate(devices.items(), 6):
        image = Image.objects.create(
            id=f"{name}-disk", name=f"{name} system disk", node=node,
            size_bytes=(32 if number % 3 else 64) * GIB,
            device_type=device.device_type, state=ImageState.READY, observed_generation=1,
            observed_used_bytes=(3 + 5 * number % 17) * GIB,
        )  # fmt: skip
        if name == "sensor-gateway":
            continue
        export = Export.objects.create(
            image=image, device=device, chap_username=f"{image.id}.aa", chap_secret="0" * 12,
            observed_state=ExportState.READY, observed_at=now,
        )  # fmt: skip
        if number < 7 or number == 11:
            _session(export, f"10.20.0.{60 + number}", now - timedelta(hours=2, minutes=11 * number))


def _other_images(node: StorageNode) -> None:
    full = "The node's disk was full while the file was made; free some room and delete this image."
    more = [
        ("ubuntu-24-desktop", "Ubuntu 24.04 desktop", 64, ImageState.READY, ""),
        ("windows-11-exam", "Windows 11 for exams", 128, ImageState.IMPORTING, ""),
        ("old-kiosk", "Old kiosk disk", 16, ImageState.FAILED, full),
    ]
    for key, name, gigabytes, state, trouble in more:
        importing = state == ImageState.IMPORTING
        Image.objects.create(
            id=key, name=name, size_bytes=gigabytes * GIB, node=node, device_type="x64", state=state,
            last_error=trouble, observed_used_bytes=GIB * 4,
            upload_received_bytes=47 * GIB if importing else None,
            upload_total_bytes=128 * GIB if importing else None,
        )  # fmt: skip


def _session(export: Export, address: str, since: datetime) -> None:
    Session.objects.create(
        iqn=export.iqn, handle="1", image=export.image, initiator_name=export.initiator_name,
        address=address, started_at=since,
    )  # fmt: skip


def boot_of(
    mac: str, start: datetime, *, upto: float, outcome: str = "", reason: str = "", slow: float = 1.0
) -> Boot:
    """A boot whose events came as in GOOD_BOOT, until `upto` seconds after power-on."""
    seen = [event for event in GOOD_BOOT if event[2] <= upto]
    last = start + timedelta(seconds=seen[-1][2] * slow)
    finished = start + timedelta(seconds=upto * slow) if outcome else None
    boot = Boot.objects.create(
        mac=mac, started_at=start, last_event_at=last, finished_at=finished,
        stage=max((event[0] for event in seen), key=list(Stage).index),
        outcome=outcome, reason=reason,
    )  # fmt: skip
    BootEvent.objects.bulk_create(
        BootEvent(
            boot=boot,
            stage=stage,
            kind=kind,
            at=start + timedelta(seconds=after * slow),
            detail=detail,
            facts=facts,
        )
        for stage, kind, after, detail, facts in seen
    )
    return boot


def _boots(devices: dict[str, Device], now: datetime) -> None:
    rows = list(devices.values())
    _failures(rows, now)
    for day in (6, 5, 4, 3, 2, 1):
        for number, device in enumerate(rows[:9]):
            start = now - timedelta(days=day, minutes=3 * number)
            if device.device_type == "raspi":
                pi_boot(start, mac=device.mac)
            else:
                boot_of(device.mac, start, upto=31.8, outcome=Outcome.OK, slow=1 + (number + 3 * day) / 60)
    for day in (4, 2):
        boot_of(rows[11].mac, now - timedelta(days=day), upto=31.8, outcome=Outcome.OK, slow=1.1)
    for number, device in enumerate(rows[:6]):
        boot_of(
            device.mac,
            now - timedelta(hours=2, minutes=11 * number),
            upto=31.8,
            outcome=Outcome.OK,
            slow=1 + number / 30,
        )
    boot_of(
        rows[7].mac,
        now - timedelta(minutes=41),
        upto=11.6,
        outcome=Outcome.LOCAL,
        reason="This device is disabled.",
    )
    boot_of(
        rows[6].mac, now - timedelta(minutes=23), upto=4.3, outcome=Outcome.FAILED, reason=NO_SCRIPT, slow=8
    )
    pi_boot(now - timedelta(minutes=38), mac=rows[8].mac)
    pi_boot(now - timedelta(minutes=12), mac=rows[10].mac, upto=3.7, outcome=Outcome.FAILED, reason=NO_TREE)
    boot_of(rows[11].mac, now - timedelta(seconds=16), upto=12.3)
    boot_of(rows[3].mac, now - timedelta(seconds=64), upto=12.3, slow=2)
    pi_boot(now - timedelta(seconds=6), mac=rows[9].mac, outcome="", upto=5.2)


def _failures(rows: list[Device], now: datetime) -> None:
    """What went wrong in the days before, and a boot that took much longer than it should."""
    no_login = (
        "told to boot from debian-12-golden, but no login at the iSCSI target 10.20.0.1:3260 within 60 s: "
        "check that the machine reaches 10.20.0.1:3260, and that its iPXE knows iSCSI"
    )
    for number, (row, reason, upto) in enumerate(
        [(6, NO_SCRIPT, 4.3), (3, no_login, 11.6), (6, NO_SCRIPT, 4.3), (10, NO_TREE, 3.7),
         (4, no_login, 11.6), (6, NO_SCRIPT, 4.3), (1, "Powered on again before it booted.", 12.3)]
    ):  # fmt: skip
        start = now - timedelta(hours=9 + 13 * number)
        boot_of(rows[row].mac, start, upto=upto, outcome=Outcome.FAILED, reason=reason)
    boot_of(rows[2].mac, now - timedelta(minutes=17), upto=31.8, outcome=Outcome.OK, slow=2.6)


def _waiting(now: datetime) -> None:
    pi = {"model": "Raspberry Pi 4 Model B Rev 1.5", "board_revision": "d03115", "memory": "8192"}
    for mac, kind, firmware, serial, facts, minutes in (
        ("e4:5f:01:7c:20:9d", "raspi", "raspberry-pi", "a3f1c2d4", pi, 1),
        (
            "9c:8e:99:d2:44:1f",
            "x64",
            "uefi",
            "8CG9120QXH",
            {"manufacturer": "HP", "product": "EliteDesk 800 G4 DM 35W"},
            3,
        ),
    ):
        Device.objects.create(
            mac=mac, device_type=kind, firmware=firmware, state=DeviceState.DISCOVERED, serial=serial,
            facts=facts, first_seen_at=now - timedelta(minutes=minutes),
            last_seen_at=now - timedelta(seconds=2 * minutes),
        )  # fmt: skip


def _rest(devices: dict[str, Device], now: datetime) -> None:
    for name in ("control", "recorder", "storage.local", "storage.local.jobs"):
        Heartbeat.objects.create(name=name, beat_at=now + timedelta(minutes=10))
    kernels = KernelSet.objects.get_or_create(name="default", defaults={"is_default": True})[0]
    installer = Installer.objects.create(
        name="debian-12-netinst",
        path="debian-12",
        kernel="linux",
        initrd="initrd.gz",
        kernel_cmdline="auto=true priority=critical",
        device_type="x64",
    )
    BootPlan.objects.update_or_create(
        device=devices["lab1-05"],
        defaults={"kernel_set": kernels, "boot_once": BootOnce.INSTALLER, "boot_once_installer": installer},
    )
