"""What rows say of Raspberry Pis' trees, read in a fixed number of queries, whatever their number.

Contents of sets are read only when they are new: a boot partition is another one when it was read again, an
uploaded set when one of its files is younger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max
from django.db.models.fields.json import KT

from bootflow.models import BootPlan, KernelSet, KernelSetFile, PiTree
from bootflow.raspberry_pi.trees import CMDLINE, CONFIG, FileSet
from devices.models import Device, DeviceState, DeviceType
from images.lineage import Candidate
from images.models import BootFile, BootFiles, BootFilesState, Channel, Export, Version
from images.services.blobs import blob_pieces

OWN_TEXT_MAX_BYTES = 64 * 1024
# Put together here: with all of these joined, a planner that knows nothing of the tables yet (they have
# just been filled) took 40 times as long.
_DEVICE_COLUMNS = ("pk", "mac", "name", "serial", "channel", "group__channel")
_PLAN_COLUMNS = ("kernel_set_id", "config_additions", "bootloader_update")
_EXPORT_COLUMNS = (
    "pk", "mode", "persistence", "follows", "version_id", "layer_id", "handed_out_at", "observed_stale",
    "chap_username", "chap_secret", "image_id", "image__generation", "image__node__portal_address",
    "image__node__portal_port", "layer__base_version_id", "layer__used_at",
)  # fmt: skip
TOLD_FIELDS = ("state", "names", "digest", "boots", "missing", "last_error")


@dataclass(frozen=True, slots=True)
class Partition:
    """The boot partition of one layer, as it was last read. `device`: whose overlay the layer is."""

    pk: int
    layer: int
    image_id: str
    number: int
    device: int | None
    state: str
    read_at: datetime | None
    last_error: str

    @property
    def is_ready(self) -> bool:
        """Whether its files are there."""
        return self.state == BootFilesState.READY and self.read_at is not None


@dataclass(frozen=True, slots=True)
class SetRow:
    """A kernel set; `stamp` changes with its uploaded files."""

    name: str
    kernel_url: str
    initramfs_url: str
    cmdline: str
    is_default: bool
    is_of_image: bool
    image_id: str | None
    stamp: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a set or partition, with what was learnt from them. `key` tells states apart."""

    key: tuple[Any, ...]
    file_set: FileSet
    config: str = ""
    cmdline: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(slots=True)
class Snapshot:
    """All rows that decide, at one moment. `told`: what each device's PiTree says, which decides nothing."""

    devices: list[dict[str, Any]]
    sets: dict[str, SetRow]
    partitions: dict[int, Partition]  # by layer
    candidates: dict[str, list[Candidate]]
    version_layers: dict[int, int]
    channels: dict[str, dict[str, int]]
    told: dict[int, dict[str, Any]] = field(default_factory=dict, compare=False)

    @property
    def default_set(self) -> SetRow | None:
        """What a device without a choice or an image's own boots with."""
        return next((row for row in self.sets.values() if row.is_default), None)

    def set_of(self, image_id: str | None) -> SetRow | None:
        """The kernel set that is an image's boot partition."""
        return next((row for row in self.sets.values() if image_id and row.image_id == image_id), None)

    def shown_partition(self, image_id: str) -> Partition | None:
        """What stands for an image's set where no disk decides: of head and versions the latest whole one."""
        rows = [one for one in self.partitions.values() if one.image_id == image_id and one.device is None]
        return max(rows, key=lambda one: (one.is_ready, one.number), default=None)


def load() -> Snapshot:
    """Read them. Eight queries."""
    versions, layers = _versions()
    devices, told = _devices()
    return Snapshot(
        devices=devices,
        sets={row.name: row for row in _sets()},
        partitions={row.layer: row for row in _partitions()},
        candidates=versions,
        version_layers=layers,
        channels=_channels(),
        told=told,
    )


class ContentsCache:
    """Contents of sets, remembered as long as they are what they were."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Contents] = {}
        self._used: set[tuple[Any, ...]] = set()

    def of_partition(self, row: Partition) -> Contents:
        """The files of a boot partition."""
        return self._get(("partition", row.pk, row.read_at), lambda key: _read_partition(key, row.pk))

    def of_set(self, row: SetRow) -> Contents:
        """The files that people put into a set."""
        return self._get(("set", row.name, *row.stamp), lambda key: _read_set(key, row.name))

    def forget_unused(self) -> None:
        """Drop what was not asked for since the last time."""
        self._found = {key: found for key, found in self._found.items() if key in self._used}
        self._used.clear()

    def _get(self, key: tuple[Any, ...], read: Any) -> Contents:
        self._used.add(key)
        if key not in self._found:
            self._found[key] = read(key)
        return self._found[key]


def _devices() -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """Each with its plan and its export, by names as a join would give them."""
    rows = Device.objects.filter(device_type=DeviceType.RASPI, state=DeviceState.ENROLLED).order_by("mac")
    devices = list(rows.values(*_DEVICE_COLUMNS, model=KT("facts__model")))
    pis = {"device__device_type": DeviceType.RASPI}  # there may be far more PCs
    plans = _by(
        BootPlan.objects.filter(**pis).values("device_id", *_PLAN_COLUMNS), "device_id", "boot_plan__"
    )
    exports = _by(Export.objects.filter(**pis).values("device_id", *_EXPORT_COLUMNS), "device_id", "export__")
    no_plan, no_export = _none("boot_plan__", _PLAN_COLUMNS), _none("export__", _EXPORT_COLUMNS)
    for device in devices:
        device |= plans.get(device["pk"], no_plan)
        device |= exports.get(device["pk"], no_export)
    told = {row.pop("device_id"): row for row in PiTree.objects.values("device_id", *TOLD_FIELDS)}
    return devices, told


def _by(rows: Iterable[Any], key: str, prefix: str) -> dict[Any, dict[str, Any]]:
    return {row.pop(key): {f"{prefix}{name}": value for name, value in row.items()} for row in rows}


def _none(prefix: str, columns: Iterable[str]) -> dict[str, Any]:
    return {f"{prefix}{name}": None for name in columns}


def _sets() -> Iterable[SetRow]:
    rows = KernelSet.objects.annotate(
        files_count=Count("files"), files_last=Max("files__pk"), files_at=Max("files__updated_at")
    )
    for row in rows.values_list(
        "name", "kernel_url", "initramfs_url", "cmdline", "is_default", "is_of_image", "image_id",
        "files_count", "files_last", "files_at",
    ):  # fmt: skip
        name, kernel, initramfs, cmdline, is_default, is_of_image, image_id, *stamp = row
        yield SetRow(name, kernel, initramfs or "", cmdline, is_default, is_of_image, image_id, tuple(stamp))


def _partitions() -> Iterable[Partition]:
    rows = BootFiles.objects.annotate(image=F("layer__image_id"))
    for row in rows.values_list(
        "pk", "layer_id", "image", "layer__number", "layer__device_id", "state", "read_at", "last_error"
    ):
        yield Partition(*row)


def _versions() -> tuple[dict[str, list[Candidate]], dict[int, int]]:
    found: dict[str, list[Candidate]] = defaultdict(list)
    layers: dict[int, int] = {}
    rows = Version.objects.filter(image__device_type=DeviceType.RASPI)
    for image_id, pk, number, frozen_at, layer in rows.values_list(
        "image_id", "pk", "number", "layer__observed_frozen_at", "layer_id"
    ):
        found[image_id].append(Candidate(pk, number, frozen_at is not None))
        layers[pk] = layer
    return found, layers


def _channels() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    rows = Channel.objects.filter(image__device_type=DeviceType.RASPI)
    for image_id, name, version in rows.values_list("image_id", "name", "version_id"):
        found[image_id][name] = version
    return found


def _read_partition(key: tuple[Any, ...], pk: int) -> Contents:
    files = dict(BootFile.objects.filter(boot_files=pk).values_list("path", "blob_id"))
    facts = BootFiles.objects.filter(pk=pk).values_list("facts", flat=True).first() or {}
    config, cmdline = str(facts.get("config") or ""), str(facts.get("cmdline") or "")
    return Contents(key, FileSet.of(files), config, cmdline, facts)


def _read_set(key: tuple[Any, ...], name: str) -> Contents:
    files = dict(KernelSetFile.objects.filter(kernel_set=name).values_list("path", "blob_id"))
    return Contents(key, FileSet.of(files), _text(files, CONFIG), _text(files, CMDLINE))


def _text(files: Mapping[str, str], path: str) -> str:
    """The beginning of a text that somebody uploaded; the firmware reads no more of it."""
    if path not in files:
        return ""
    piece = next(iter(blob_pieces(sha256=files[path])), b"")
    return piece[:OWN_TEXT_MAX_BYTES].decode("utf-8", "replace").replace("\0", "")
