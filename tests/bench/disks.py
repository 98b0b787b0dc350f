"""Measure copy-on-write disks: `python -m tests.bench.disks`.

Prints the tables for docs/PERFORMANCE.md: what takes constant time, many overlays, reading over iSCSI.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.node import Node, all_ready, make_devices, read_together, storage_node

if TYPE_CHECKING:
    from devices.models import Device
    from images.models import Export, Image

MIB = 1024**2
TIB = 1024**4
OVERLAYS = 200
READ_MIB = 128
CLIENTS = (1, 8, 32)
READ_SECONDS = 8


def constant_time(node: Node, device: Device) -> list[str]:
    """Each change of a disk of 1 TiB, from the call until its device could boot from it."""
    from images import services
    from images.models import Image, Version

    def image(name: str = "huge") -> Image:
        return Image.objects.get(pk=name)

    def whole(name: str = "huge") -> bool:
        frozen = Version.objects.filter(image_id=name, layer__observed_frozen_at=None).exists()
        return image(name).state == "ready" and not frozen

    def export() -> Export:
        return image().exports.get()

    def create() -> object:
        return services.create_image(image_id="huge", name="Huge", size_bytes=TIB, device_type="x64")

    steps: list[tuple[str, Callable[[], object], Callable[[], bool]]] = [
        ("create", create, whole),
        ("publish", lambda: services.publish_version(image=image()), whole),
        ("clone", lambda: services.clone_image(image=image(), new_id="copy", name="Copy", number=1),
         lambda: whole("copy")),
        ("roll back", lambda: services.roll_back(image=image(), number=1), whole),
        ("assign an overlay", lambda: services.assign_image(image=image(), device=device, mode="overlay"),
         lambda: all_ready([export()])),
        ("reset it", lambda: services.reset_disk(device=device), lambda: all_ready([export()])),
        ("merge it", lambda: services.merge_disk(device=device), lambda: all_ready([export()]) and whole()),
    ]  # fmt: skip
    return [f"| {name} | {_took(node, work, done):.2f} |" for name, work, done in steps]


def _took(node: Node, work: Callable[[], object], done: Callable[[], bool]) -> float:
    start = time.monotonic()
    work()
    node.converge()
    node.settle(done)
    return time.monotonic() - start


def golden(node: Node, name: str, mib: int) -> Image:
    """An image whose version 1 is full of bytes that no layer can shrink."""
    from images import services
    from images.models import Image

    services.create_image(image_id=name, name=name, size_bytes=mib * MIB, device_type="x64")
    node.settle(lambda: Image.objects.get(pk=name).state == "ready")
    fill(head_file(node, name), mib)
    services.publish_version(image=Image.objects.get(pk=name))
    node.settle(
        lambda: not Image.objects.get(pk=name).versions.filter(layer__observed_frozen_at=None).exists()
    )
    return Image.objects.get(pk=name)


def head_file(node: Node, name: str) -> Path:
    """Its raw head."""
    return node.images / name / "head-1.raw"


def fill(path: Path, mib: int) -> None:
    """Random bytes, brought to the disk."""
    with path.open("r+b") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
        file.flush()
        os.fsync(file.fileno())


def overlays(node: Node, image: Image, devices: list[Device]) -> tuple[list[Export], float]:
    """An overlay for each device, and the seconds until all can be booted from."""
    from images import services

    start = time.monotonic()
    found = [services.assign_image(image=image, device=device, mode="overlay") for device in devices]
    node.settle(lambda: all_ready(found))
    return found, time.monotonic() - start


def resident(store_run: Path) -> list[float]:
    """MiB of resident memory of each layer process."""
    sizes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and str(store_run) in _text(entry / "cmdline"):
            status = _text(entry / "status")
            if "VmRSS:" in status:
                sizes.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    return sizes


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def raw_disks(node: Node, devices: list[Device]) -> list[Export]:
    """A raw disk for each device, full of bytes."""
    from images import services
    from images.models import Image

    found = []
    for at, device in enumerate(devices):
        name = f"raw{at}"
        services.create_image(image_id=name, name=name, size_bytes=READ_MIB * MIB, device_type="x64")
        found.append(services.assign_image(image=Image.objects.get(pk=name), device=device))
    node.settle(lambda: all_ready(found))
    for at in range(len(devices)):
        fill(head_file(node, f"raw{at}"), READ_MIB)
    return found


def free_all(node: Node, exports: list[Export]) -> None:
    """Their devices are without a disk again."""
    from images import services

    node.settle(lambda: not any(services.in_use(image=export.image) for export in exports))
    for export in exports:
        services.unassign_image(image=export.image, device=export.device)
    node.converge()


def compare(node: Node, image: Image, devices: list[Device]) -> list[str]:
    """Raw disks and overlays, by as many clients, one after the other."""
    rows = []
    raws = raw_disks(node, devices)
    raw = {count: read_together(node, raws[:count], READ_SECONDS) for count in CLIENTS}
    free_all(node, raws)
    layered, _ = overlays(node, image, devices)
    for count in CLIENTS:
        read = read_together(node, layered[:count], READ_SECONDS)
        rows.append(f"| {count} | {raw[count]} | {read} | {read / raw[count]:.2f} |")
    free_all(node, layered)
    return rows


def read_once(node: Node, image: Image, devices: list[Device]) -> str:
    """How often a version is read from the disk when 30 clients read it together for the first time."""
    found, _ = overlays(node, image, devices)
    path = head_file(node, image.pk)
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    before = _read_bytes()
    read_together(node, found, READ_SECONDS)
    times = (_read_bytes() - before) / path.stat().st_size
    free_all(node, found)
    return f"| {len(found)} | {path.stat().st_size // MIB} MiB | {times:.2f} |"


def _read_bytes() -> int:
    """What all layer processes have fetched from the disk itself (proc(5), /proc/PID/io: read_bytes)."""
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and "qemu-storage-daemon" in _text(entry / "cmdline"):
            words = dict(line.split(": ") for line in _text(entry / "io").splitlines())
            total += int(words.get("read_bytes", "0"))
    return total


def say(*lines: Any) -> None:
    print("\n".join(lines), flush=True)  # noqa: T201


def main() -> None:
    """All of it."""
    with storage_node() as node:
        devices = make_devices(OVERLAYS)
        say("| change of a disk of 1 TiB | seconds until it can be booted from |", "|---|---|")
        say(*constant_time(node, devices[-1]))
        small = golden(node, "golden", READ_MIB)
        found, took = overlays(node, small, devices[:-1])
        sizes = resident(node.run)
        free_all(node, found)
        say("", "| overlays of one version | assigned and ready (s) | memory of each (MiB, mean, most) |")
        say(
            "|---|---|---|",
            f"| {len(found)} | {took:.1f} | {sum(sizes) / len(sizes):.1f}, {max(sizes):.1f} |",
        )
        say("", "| clients | raw disks MB/s | overlays MB/s | ratio |", "|---|---|---|---|")
        say(*compare(node, small, devices[: max(CLIENTS)]))
        say("", "| clients | version | times it was read from the disk |", "|---|---|---|")
        say(read_once(node, golden(node, "fresh", READ_MIB), devices[:30]))


if __name__ == "__main__":
    main()
