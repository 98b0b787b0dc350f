"""Raspberry Pis as a lab has them: what their firmware fetched, and how their boots went."""

from __future__ import annotations

from datetime import datetime, timedelta

from bootflow.models import Boot, BootEvent, Stage

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


def pi_boot(start: datetime, *, mac: str = PI_MAC, outcome: str = "ok", upto: float = 99.0) -> Boot:
    """The boot of a Pi 4 from its image, until `upto` seconds after power-on."""
    events = [event for event in _events(start) if (event.at - start).total_seconds() <= upto]
    last = events[-1].at
    boot = Boot.objects.create(
        mac=mac, started_at=start, last_event_at=last, finished_at=last if outcome else None,
        stage=max((event.stage for event in events), key=list(Stage).index), outcome=outcome,
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
        return _event(start, stage, "file-probed", after, f"Looked for {path}.", {"file": path})
    facts = {"file": path, "bytes": size, "seconds": seconds}
    return _event(start, stage, "file", after, f"Fetched {path} by TFTP.", facts)


def _event(
    start: datetime, stage: Stage, kind: str, after: float, detail: str, facts: dict[str, object]
) -> BootEvent:
    at = start + timedelta(seconds=after)
    return BootEvent(stage=stage, kind=kind, at=at, detail=detail, facts=facts)
