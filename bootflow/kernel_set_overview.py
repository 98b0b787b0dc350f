"""What pages read of kernel sets; a fixed number of queries, whatever the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from bootflow.models import KernelSet, KernelSetFile
from bootflow.raspberry_pi.config import render_config
from bootflow.raspberry_pi.kernels import kernel_of
from bootflow.raspberry_pi.models import Family, missing_files
from devices.models import Device, DeviceType
from images.models import BlobPart, BootFile, BootFiles, BootFilesState

DEVICES_SHOWN = 3
CONFIG = "config.txt"


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


def folders_of(files: Iterable[SetFile]) -> list[Folder]:
    """Files by folder, the top one first."""
    found: dict[str, list[SetFile]] = {}
    for file in files:
        found.setdefault(file.path.rpartition("/")[0], []).append(file)
    return [Folder(name, found[name]) for name in sorted(found)]


@dataclass(frozen=True, slots=True)
class Model:
    """A family of boards, and which files it would ask for in vain."""

    name: str
    missing: list[str]

    @property
    def short(self) -> str:
        """As people call it: Pi 4, CM4."""
        return self.name.replace("Raspberry ", "").replace("Compute Module ", "CM")


@dataclass(frozen=True)
class SetOverview:
    """A kernel set with its files, and what it can boot."""

    kernel_set: KernelSet
    files: list[SetFile]
    config: str = ""  # the text of its config.txt
    boot_files: BootFiles | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def folders(self) -> list[Folder]:
        """The files by folder, the top one first."""
        return folders_of(self.files)

    @cached_property
    def models(self) -> list[Model]:
        """All families of boards, those that it boots first; none while it has no files."""
        if not self.files:
            return []
        paths = [file.path for file in self.files]
        needs_initramfs = bool(self.kernel_set.image_id)  # without one nothing logs in to the disk
        config = self._config_of_trees(paths, over_iscsi=needs_initramfs)
        found = [
            Model(family, missing_files(paths, family, config=config, initramfs=needs_initramfs))
            for family in Family
        ]
        return sorted(found, key=lambda model: len(model.missing))

    def _config_of_trees(self, paths: list[str], *, over_iscsi: bool) -> str:
        """What a device's config.txt will say, since that decides which files are asked for."""
        row, facts = self.kernel_set, self.boot_files.facts if self.boot_files else {}
        urls = row.kernel_url, row.initramfs_url or ""
        return render_config(
            self.config, kernel_of(self.config, paths, facts, urls=urls, over_iscsi=over_iscsi)
        )

    @property
    def boots(self) -> list[Model]:
        """The families that find all that they need."""
        return [model for model in self.models if not model.missing]

    @property
    def lacking(self) -> list[Model]:
        """The families that would ask for something in vain."""
        return [model for model in self.models if model.missing]

    @property
    def nearest(self) -> Model | None:
        """Of a set that boots none of them, the family that lacks least."""
        return self.models[0] if self.models and not self.boots else None

    @property
    def state(self) -> str:
        """As boot files have it; `empty` or `incomplete` for one that nobody can boot from yet."""
        if self.boot_files is not None and self.boot_files.state != BootFilesState.READY:
            return self.boot_files.state
        if self.kernel_set.image_id and self.boot_files is None:
            return BootFilesState.WAITING
        if not self.files:
            return "empty"
        return BootFilesState.READY if self.boots else "incomplete"


def overviews_of(kernel_sets: Iterable[KernelSet]) -> list[SetOverview]:
    """Kernel sets with their files. Four queries for all of them."""
    rows = list(kernel_sets)
    uploaded = _uploaded([row.pk for row in rows if not row.image_id])
    configs = _configs(file for files in uploaded.values() for file in files)
    read = _read([row.image_id for row in rows if row.image_id])
    partitions = _partitions([boot_files.pk for boot_files in read.values()])
    return [
        _of_image(row, read.get(row.image_id), partitions)
        if row.image_id
        else SetOverview(row, uploaded.get(row.pk, []), configs.get(_config_of(uploaded.get(row.pk, [])), ""))
        for row in rows
    ]


def _of_image(
    row: KernelSet, boot_files: BootFiles | None, partitions: dict[int, list[SetFile]]
) -> SetOverview:
    if boot_files is None:
        return SetOverview(row, [])
    facts = boot_files.facts
    warnings = [str(text) for text in facts.get("warnings", [])]
    files = partitions.get(boot_files.pk, [])
    return SetOverview(row, files, str(facts.get("config", "")), boot_files, warnings)


def _config_of(files: Iterable[SetFile]) -> str:
    return next((file.sha256 for file in files if file.path == CONFIG), "")


def _configs(files: Iterable[SetFile]) -> dict[str, str]:
    """The beginnings of all files named config.txt, by their content's digest."""
    digests = {file.sha256 for file in files if file.path == CONFIG}
    parts = BlobPart.objects.filter(blob__in=digests, number=0).values_list("blob_id", "data")
    return {digest: bytes(data).decode(errors="replace") for digest, data in parts}


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
    """The first devices that chose a set, or that boot the image that it is of; and how many there are."""
    if kernel_set.image_id:
        rows = Device.objects.filter(export__image=kernel_set.image_id)
    else:
        rows = Device.objects.filter(boot_plan__kernel_set=kernel_set, device_type=DeviceType.RASPI)
    return list(rows.order_by("name", "mac")[:DEVICES_SHOWN]), rows.count()
