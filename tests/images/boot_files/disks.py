"""Disks of Raspberry Pis for tests of all around the reading: their boot partition is a line of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from django.utils import timezone

from images import services
from images.models import BootFiles, Image, Layer
from images.raspberry_pi.initiator import Initiator
from images.raspberry_pi.reading import BootBundle, BootFacts, Report
from netboot_site.errors import ValidationError

SIZE = 16 * 1024 * 1024
MARK = b"boot:"
DAMAGED = b"damaged"
LINE = 64


def boot_partition(kernel: str) -> bytes:
    """What the fake reader finds a kernel in."""
    return (MARK + kernel.encode()).ljust(LINE, b"\0")


class FakeReader:
    """Stands for images.raspberry_pi.reading: it reads the first bytes of a disk, in three steps."""

    def __init__(self) -> None:
        self.disks: list[Path] = []
        self.during: Callable[[Path], None] = lambda work: None

    def __call__(
        self, disk: Path, work: Path, initiator: Initiator | None, report: Report
    ) -> BootBundle | None:
        self.disks.append(disk)
        with disk.open("rb") as file:
            line = file.read(LINE).rstrip(b"\0")
        report(1, 3)
        self.during(work)
        report(2, 3)
        if line.startswith(DAMAGED):
            raise ValidationError("The boot partition is damaged.")
        return bundle(work, line.removeprefix(MARK)) if line.startswith(MARK) else None


def bundle(work: Path, kernel: bytes) -> BootBundle:
    """A kernel, and an overlay that all disks have."""
    (work / "kernel8.img").write_bytes(kernel)
    (work / "vc4.dtbo").write_bytes(b"the same everywhere")
    facts: BootFacts = {
        "cmdline": "console=serial0,115200 root=PARTUUID=6c586e13-02", "config": "arm_64bit=1\n",
        "kernels": [{"file": "kernel8.img", "release": kernel.decode(), "bits": 64}],
        "initramfs": [], "root": "PARTUUID=6c586e13-02", "warnings": ["It has no initramfs."],
    }  # fmt: skip
    return BootBundle({"kernel8.img": work / "kernel8.img", "overlays/vc4.dtbo": work / "vc4.dtbo"}, facts)


def import_disk(image: Image, data: bytes, images_path: Path) -> Layer:
    """New content, as the last steps of an import bring it."""
    image.refresh_from_db()
    number = services.take_layer_number(image=image)
    path = images_path / image.pk / f"head-{number}.raw"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.truncate(SIZE)
    services.replace_content(image=image, number=number, size_bytes=SIZE)
    return Layer.objects.get(image=image, number=number)


def files_of(layer: Layer) -> Mapping[str, bytes] | None:
    """What counts as a layer's boot files now; None: it has no row."""
    row = BootFiles.objects.filter(layer=layer.pk).first()
    return row and {
        path: b"".join(services.blob_pieces(sha256=sha256))
        for path, sha256 in row.files.values_list("path", "blob_id")
    }


def kernel_of(layer: Layer) -> str | None:
    """The kernel that a machine would boot with this disk."""
    found = (files_of(layer) or {}).get("kernel8.img")
    return found.decode() if found is not None else None


def row_of(layer: Layer) -> BootFiles:
    return BootFiles.objects.get(layer=layer.pk)


def make_old(layer: Layer) -> None:
    """As if it had been read two hours ago."""
    ago = timezone.now() - 2 * services.boot_files.RETRY_AFTER
    BootFiles.objects.filter(layer=layer.pk).update(read_at=ago, wanted_at=ago)
