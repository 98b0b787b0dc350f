"""Raspberry Pis as a lab has them: what their firmware fetched, and how their boots went."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from bootflow.models import Boot, BootEvent, BootPlan, KernelSet, KernelSetFile, PiTree, Stage
from devices.models import Device
from images.models import Blob, BootFile, BootFiles, Export, Image, Layer
from images.services.blobs import store_blob

PI_MAC = "dc:a6:32:7c:20:9d"
FOLDER = "9ffefdef"
# What a Pi 4 asks for: (file, bytes, seconds); None: looked for, and rightly not there.
FIRMWARE: list[tuple[str, int | None, float]] = [
    ("start4.elf", 2_251_392, 0.21), ("config.txt", 1_318, 0.004), ("vl805.sig", None, 0),
    ("pieeprom.sig", None, 0), ("recover4.elf", None, 0), ("recovery.elf", None, 0),
    ("fixup4.dat", 5_433, 0.005), ("dt-blob.bin", None, 0), ("bootcfg.txt", None, 0),
    ("bcm2711-rpi-4-b.dtb", 55_948, 0.012), ("overlays/overlay_map.dtb", 5_259, 0.005),
    ("overlays/vc4-kms-v3d-pi4.dtbo", 3_913, 0.004), ("cmdline.txt", 402, 0.003),
    ("armstub8-gic.bin", None, 0),
]  # fmt: skip
KERNEL: list[tuple[str, int | None, float]] = [
    ("kernel8.img", 9_372_219, 0.88), ("initramfs8", 13_871_104, 1.31),
]  # fmt: skip
FIRST_FILE_AFTER = 3.4


def pi_boot(
    start: datetime, *, mac: str = PI_MAC, outcome: str = "ok", upto: float = 99.0, reason: str = ""
) -> Boot:
    """The boot of a Pi 4 from its image, until `upto` seconds after power-on."""
    events = [event for event in _events(start) if (event.at - start).total_seconds() <= upto]
    last = events[-1].at
    boot = Boot.objects.create(
        mac=mac, started_at=start, last_event_at=last, finished_at=last if outcome else None,
        stage=max((event.stage for event in events), key=list(Stage).index), outcome=outcome, reason=reason,
    )  # fmt: skip
    for event in events:
        event.boot = boot
    BootEvent.objects.bulk_create(events)
    return boot


def _events(start: datetime) -> list[BootEvent]:
    events = [
        _event(start, Stage.DHCP, "discover", 0.0, "The Raspberry Pi asked for an address and was offered "
               "10.20.0.71.", {"seconds": 0.002}),
    ]  # fmt: skip
    now = FIRST_FILE_AFTER
    for stage, files in ((Stage.FIRMWARE, FIRMWARE), (Stage.TFTP, KERNEL)):
        for file, size, seconds in files:
            now += seconds + 0.02
            events.append(_file(start, stage, now, file, size, seconds))
    for stage, kind, after, detail in (
        (Stage.SCRIPT, "script", 5.2, "to boot from its disk signage (overlay on version 2)"),
        (Stage.ISCSI, "login", 5.9, "logged in to its disk"),
        (Stage.OS, "login", 15.4, "the operating system has taken over its disk"),
    ):  # fmt: skip
        events.append(_event(start, stage, kind, now + after, detail, {"seconds": 0.006}))
    return events


def _file(
    start: datetime, stage: Stage, after: float, file: str, size: int | None, seconds: float
) -> BootEvent:
    path = f"{FOLDER}/{file}"
    if size is None:
        return _event(start, stage, "file-probed", after, f"Looked for {path}.",
                      {"file": path, "absent": True, "role": "firmware"})  # fmt: skip
    facts = {"file": path, "bytes": size, "seconds": seconds, "role": "firmware"}
    return _event(start, stage, "file", after, f"Fetched {path} by TFTP.", facts)


def _event(
    start: datetime, stage: Stage, kind: str, after: float, detail: str, facts: dict[str, object]
) -> BootEvent:
    at = start + timedelta(seconds=after)
    return BootEvent(stage=stage, kind=kind, at=at, detail=detail, facts=facts)


MIB = 1024**2
SERIALS = {8: "9ffefdef", 9: "b38c70a1", 10: "5c2e91d7"}
TREES = ["bcm2710-rpi-3-b.dtb", "bcm2710-rpi-3-b-plus.dtb", "bcm2711-rpi-4-b.dtb", "bcm2711-rpi-400.dtb",
         "bcm2711-rpi-cm4.dtb"]  # fmt: skip
SIZES = {
    "bootcode.bin": 52_476, "start.elf": 2_979_264, "fixup.dat": 7_265, "start4.elf": 2_251_392,
    "fixup4.dat": 5_433, "config.txt": 1_318, "cmdline.txt": 168, "kernel8.img": 9_372_219,
    "initramfs8": 13_871_104, **dict.fromkeys(TREES, 55_948),
}  # fmt: skip
PI_5 = {"bcm2712-rpi-5-b.dtb": 78_911, "kernel_2712.img": 9_401_774, "initramfs_2712": 13_902_336}
OVERLAYS = [
    "act-led", "disable-bt", "disable-wifi", "dwc2", "gpio-fan", "hifiberry-dac", "i2c-rtc", "imx219",
    "miniuart-bt", "pwm", "spi0-1cs", "uart1", "vc4-fkms-v3d", "vc4-kms-v3d", "vc4-kms-v3d-pi4", "w1-gpio",
]  # fmt: skip
FACTS = {
    "kernels": [
        {"file": "kernel8.img", "release": "6.12.25+rpt-rpi-v8", "bits": 64},
        {"file": "kernel_2712.img", "release": "6.12.25+rpt-rpi-2712", "bits": 64},
    ],
    "initramfs": [
        {"file": "initramfs8", "release": "6.12.25+rpt-rpi-v8", "iscsi": "added"},
        {"file": "initramfs_2712", "release": "6.12.25+rpt-rpi-2712", "iscsi": "added"},
    ],
    "root": "PARTUUID=8a3c9f21-02", "config": "auto_initramfs=1\narm_64bit=1\ndtoverlay=vc4-kms-v3d\n",
    "cmdline": "console=serial0,115200 console=tty1 root=PARTUUID=8a3c9f21-02 rootfstype=ext4 rootwait quiet",
    "warnings": ["/etc/fstab names partitions of an SD card; the Pi sees a copy without them."],
}  # fmt: skip


def pi_device(device: Device, number: int) -> None:
    """A device of the lab as a Pi has told of itself; not saved."""
    model = device.facts["product"]
    device.mac = f"dc:a6:32:7c:20:{0x9D + number - 8:02x}"
    device.serial = SERIALS[number]
    device.facts = {
        "model": model, "board_revision": "d04170" if "Pi 5" in model else "d03114", "memory": "8192",
        "bootloader": "a bootloader EEPROM that tells its board (option 97 by FourCC)",
    }  # fmt: skip


def fill_pis(devices: dict[str, Device], now: datetime) -> None:
    """An image of Raspberry Pi OS with its kernel set, a set that somebody uploads, and trees."""
    image = Export.objects.get(device=devices["signage-entrance"]).image
    Image.objects.filter(pk=image.pk).update(name="Raspberry Pi OS Lite, signage")
    _partition(Layer.objects.get(image=image), now)
    KernelSet.objects.create(name=image.id, image=image, is_of_image=True)
    own = KernelSet.objects.create(name="rpi-6.6", cmdline="root=/dev/nfs nfsroot=10.20.0.9:/pi ip=dhcp rw")
    for path in [*SIZES, *[f"overlays/{name}.dtbo" for name in OVERLAYS[:5]]]:
        KernelSetFile.objects.create(kernel_set=own, path=path, blob=_blob(path, SIZES.get(path, 2_315)))
    config = store_blob(source=b"[all]\narm_64bit=1\nauto_initramfs=1\ndtparam=audio=on\n")
    KernelSetFile.objects.filter(kernel_set=own, path="config.txt").update(blob=config)
    _trees(devices, image, own, now)


def _partition(layer: Layer, now: datetime) -> None:
    read = BootFiles.objects.create(
        layer=layer, wanted_at=now - timedelta(days=2), read_at=now - timedelta(days=2), state="ready",
        facts=FACTS,
    )  # fmt: skip
    files = {**SIZES, **PI_5, **{f"overlays/{name}.dtbo": 1_100 + 97 * len(name) for name in OVERLAYS}}
    for path, size in {**files, "overlays/overlay_map.dtb": 5_259, "overlays/README": 261_113}.items():
        BootFile.objects.create(boot_files=read, path=path, blob=_blob(f"6.12/{path}", size))


def _blob(name: str, size_bytes: int) -> Blob:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Blob.objects.get_or_create(sha256=digest, defaults={"size_bytes": size_bytes})[0]


def _trees(devices: dict[str, Device], image: Image, own: KernelSet, now: datetime) -> None:
    entrance, canteen = devices["signage-entrance"], devices["signage-canteen"]
    gateway = devices["sensor-gateway"]
    for device, boots in ((entrance, f"{image.id} over iSCSI"), (canteen, "signage-canteen-disk over iSCSI")):
        PiTree.objects.create(
            device=device, state="ready", names=[device.serial, device.mac.replace(":", "-")], boots=boots,
            digest="3f9ac1", observed_at=now,
        )  # fmt: skip
    PiTree.objects.create(
        device=gateway, state="incomplete", names=[gateway.serial, gateway.mac.replace(":", "-")],
        boots="The kernel set rpi-6.6", digest="77ab01",
        missing=["bcm2712-rpi-5-b.dtb or bcm2712d0-rpi-5-b.dtb"], observed_at=now,
    )  # fmt: skip
    BootPlan.objects.create(
        device=entrance,
        config_additions=[
            {"name": "gpu_mem", "value": "128"}, {"name": "dtoverlay", "value": "disable-bt"},
            {"name": "hdmi_force_hotplug", "value": "1"},
        ],
    )  # fmt: skip
    BootPlan.objects.create(device=gateway, kernel_set=own)
