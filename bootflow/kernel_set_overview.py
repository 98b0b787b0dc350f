"""What pages read of kernel sets; a fixed number of queries, whatever the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bootflow.models import BootPlan, KernelSet, KernelSetFile
from devices.models import Device
from images.models import BootFile, BootFiles, BootFilesState

DEVICES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class SetFile:
    """One file of a set."""

    path: str
    size_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """Without its folder."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Folder:
    """The files that lie directly in one folder; the top one has no name."""

    name: str
    files: list[SetFile]

    @property
    def size_bytes(self) -> int:
        """All of them together."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class SetOverview:
    """A kernel set with its files, and what it can boot."""

    kernel_set: KernelSet
    files: list[SetFile]
    boot_files: BootFiles | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def folders(self) -> list[Folder]:
        """The files by folder, the top one first."""
        found: dict[str, list[SetFile]] = {}
        for file in self.files:
            found.setdefault(file.path.rpartition("/")[0], []).append(file)
        return [Folder(name, found[name]) for name in sorted(found)]

    @property
    def state(self) -> str:
        """As boot files have it; `empty` for a set that nobody has filled."""
        if self.boot_files is not None:
            return self.boot_files.state
        if self.kernel_set.image_id:
            return BootFilesState.WAITING
        return BootFilesState.READY if self.files else "empty"


def overviews_of(kernel_sets: Iterable[KernelSet]) -> list[SetOverview]:
    """Kernel sets with their files. Three queries for all of them."""
    rows = list(kernel_sets)
    uploaded = _uploaded([row.pk for row in rows])
    read = _read([row.image_id for row in rows if row.image_id])
    partitions = _partitions([boot_files.pk for boot_files in read.values()])
    return [_overview(row, uploaded, read, partitions) for row in rows]


def _overview(
    row: KernelSet,
    uploaded: dict[str, list[SetFile]],
    read: dict[str, BootFiles],
    partitions: dict[int, list[SetFile]],
) -> SetOverview:
    boot_files = read.get(row.image_id or "")
    if boot_files is None:
        return SetOverview(row, [] if row.image_id else uploaded.get(row.pk, []))
    warnings = [str(text) for text in boot_files.facts.get("warnings", [])]
    return SetOverview(row, partitions.get(boot_files.pk, []), boot_files, warnings)


def _uploaded(names: list[str]) -> dict[str, list[SetFile]]:
    found: dict[str, list[SetFile]] = {}
    rows = KernelSetFile.objects.filter(kernel_set__in=names)
    for name, path, size, digest in rows.values_list("kernel_set_id", "path", "blob__size_bytes", "blob_id"):
        found.setdefault(name, []).append(SetFile(path, size, digest))
    return found


def _read(images: list[str]) -> dict[str, BootFiles]:
    """Of each image the boot partition that was read last of its head and versions, a whole one first."""
    found: dict[str, BootFiles] = {}
    rows = BootFiles.objects.filter(layer__image__in=images, layer__device=None).select_related("layer")
    for row in sorted(rows, key=lambda row: (row.state == BootFilesState.READY, row.layer.number)):
        found[row.layer.image_id] = row
    return found


def _partitions(numbers: list[int]) -> dict[int, list[SetFile]]:
    found: dict[int, list[SetFile]] = {}
    rows = BootFile.objects.filter(boot_files__in=numbers)
    for number, path, size, digest in rows.values_list(
        "boot_files_id", "path", "blob__size_bytes", "blob_id"
    ):
        found.setdefault(number, []).append(SetFile(path, size, digest))
    return found


def devices_with(kernel_set: KernelSet) -> tuple[list[Device], int]:
    """The first devices that chose a set, and how many there are."""
    plans = BootPlan.objects.filter(kernel_set=kernel_set).select_related("device")
    rows = plans.order_by("device__name", "device__mac")
    return [plan.device for plan in rows[:DEVICES_SHOWN]], rows.count()
