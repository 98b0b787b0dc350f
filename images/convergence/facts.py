"""What convergence compares: what should be (from the database) and what is (files, targets, layers)."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from images.models import ImageState, LayerFormat, LayerState
from images.ports import Disk, LayerFile, Served, ServerView, Target

LUN = 1  # tgtd's LUN 0 is its controller
_SERIAL_LENGTH = 36  # tgtd keeps that much of scsi_id and scsi_sn (SCSI_SN_LEN, usr/target.h)
_PRODUCT_LENGTH = 16  # SPC-4, section 6.6.2


@dataclass(frozen=True, slots=True)
class Access:
    """The one device that may have the disk, and its CHAP account."""

    device: str  # as the pages call it
    initiator_name: str
    chap_username: str
    chap_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What earlier rounds wrote about an image, to tell what is news."""

    error: str = ""
    generation: int | None = None
    used_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class WantedLayer:
    """A layer as the database has it, with what earlier rounds wrote about it."""

    pk: int
    image_id: str
    number: int
    path: str
    format: str = LayerFormat.RAW
    parent: int | None = None
    size_bytes: int = 0
    state: str = LayerState.READY
    frozen: bool = False
    used: bool = False
    seen_size_bytes: int = 0  # what a head was last seen to hold: it never shrinks
    seen_frozen: bool = False
    seen_used_bytes: int | None = None
    error: str = ""
    version: int | None = None  # the key of the version that names it
    version_error: str = ""

    @property
    def is_raw(self) -> bool:
        """Whether tgtd can export it as it is."""
        return self.format == LayerFormat.RAW

    @property
    def file(self) -> LayerFile:
        """As the store of layers knows it."""
        return LayerFile(self.path, self.format)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image as the database has it."""

    image_id: str
    state: ImageState
    generation: int
    size_bytes: int
    head: WantedLayer | None = None
    layers: tuple[WantedLayer, ...] = ()
    recorded: Recorded = Recorded()
    import_error: str = ""  # why its last import failed

    @property
    def seen_size_bytes(self) -> int:
        """What its head was last seen to hold."""
        return self.head.seen_size_bytes if self.head else 0


@dataclass(frozen=True, slots=True)
class Following:
    """What an overlay's next boot depends on."""

    export_id: int
    persistence: str
    follows: str
    pinned: int | None
    base_version: int | None
    requested_at: datetime | None = None
    handed_out: bool = False
    stale: bool = False


@dataclass(frozen=True)
class Door:
    """A target that should be, and what stands behind it: one export, or an image that nobody has."""

    key: str  # of the group of its steps
    image_id: str
    iqn: str
    top: WantedLayer
    identity: str  # of its disk; no other door has it
    served_as: str = ""  # the name under which a layer that is not raw is served
    access: Access | None = None
    export_id: int | None = None
    export_state: str = ""
    export_error: str = ""
    export_layer: int | None = None  # the number of the layer that was seen behind it
    following: Following | None = None

    @property
    def size_mb(self) -> int:
        """The size as tgtd shows it."""
        return (self.top.size_bytes + 500_000) // 1_000_000

    @property
    def initiator_name(self) -> str:
        """Who may come in."""
        return self.access.initiator_name if self.access else ""

    def disk(self, path: str) -> Disk:
        """Its identity in the guest: the same wherever and whenever it is exported."""
        return Disk(path, "NETBOOT", self.image_id[:_PRODUCT_LENGTH], self.serial, self.serial)

    @property
    def serial(self) -> str:
        """Its identity, shortened where it is too long for a serial number."""
        if len(self.identity) <= _SERIAL_LENGTH:
            return self.identity
        image_id, dot, device = self.identity.partition(".")
        room = _SERIAL_LENGTH - 9 - len(dot + device)
        return f"{image_id[:room]}.{zlib.crc32(image_id.encode()):08x}{dot}{device}"


@dataclass(frozen=True)
class Desired:
    """All that should be on this storage node."""

    prefix: str
    portal: str
    images: tuple[Wanted, ...] = ()
    doors: tuple[Door, ...] = ()

    @cached_property
    def device_names(self) -> Mapping[str, str]:
        """What the pages call the devices of our exports, by initiator name."""
        return {door.access.initiator_name: door.access.device for door in self.doors if door.access}

    @cached_property
    def layers(self) -> Mapping[int, WantedLayer]:
        """All layers by key."""
        return {layer.pk: layer for want in self.images for layer in want.layers}

    @cached_property
    def by_path(self) -> Mapping[str, WantedLayer]:
        """All layers by their file."""
        return {layer.path: layer for want in self.images for layer in want.layers}

    @cached_property
    def children(self) -> Mapping[int, tuple[WantedLayer, ...]]:
        """The layers that stand right on a layer, those that are to go included."""
        found: dict[int, list[WantedLayer]] = defaultdict(list)
        for want in self.images:
            for layer in want.layers:
                if layer.parent is not None:
                    found[layer.parent].append(layer)
        return {parent: tuple(layers) for parent, layers in found.items()}

    @cached_property
    def doors_by_iqn(self) -> Mapping[str, Door]:
        """All doors by their target's name."""
        return {door.iqn: door for door in self.doors}

    @cached_property
    def heads(self) -> Mapping[str, Door]:
        """The doors to heads, by image."""
        return {door.image_id: door for door in self.doors if door.key == door.image_id}

    @cached_property
    def served_names(self) -> frozenset[str]:
        """Who layers are to be served for."""
        return frozenset(door.served_as for door in self.doors if door.served_as)

    @cached_property
    def door_layers(self) -> frozenset[int]:
        """Layers that are the private top of a device's disk; their own door makes them."""
        return frozenset(door.top.pk for door in self.doors if door.key != door.image_id)

    def chain(self, top: WantedLayer) -> Iterator[WantedLayer]:
        """A layer, the one under it, and so on down."""
        current: WantedLayer | None = top
        while current is not None:
            yield current
            current = self.layers.get(current.parent) if current.parent is not None else None


@dataclass(frozen=True, slots=True)
class LayerSeen:
    """A layer's file."""

    size_bytes: int  # of the disk that it describes
    used_bytes: int = 0
    sealed: bool = False  # nobody may open it for writing any more


@dataclass(frozen=True, slots=True)
class Room:
    """The disk that holds the images."""

    capacity_bytes: int
    free_bytes: int
    reserve_bytes: int  # below this much free room nothing new is started


@dataclass(frozen=True)
class Observed:
    """All that is. No server: it does not answer. No `served`: the store of layers does not."""

    server: ServerView | None
    files: Mapping[int, LayerSeen]  # by the layer's key
    served: Mapping[str, Served] | None = field(default_factory=dict)
    folders: frozenset[str] = frozenset()  # of images that are to go, those that are there still
    strangers: Mapping[str, str] = field(default_factory=dict)  # devices logged in whose disk it is no longer
    room: Room | None = None

    def target(self, iqn: str) -> Target | None:
        """The target of exactly that name."""
        return self.targets.get(iqn)

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """All targets by name."""
        return {target.iqn: target for target in self.server.targets} if self.server else {}

    @cached_property
    def exporters(self) -> Mapping[str, tuple[Target, ...]]:
        """The targets that export a file, by its path."""
        found: dict[str, list[Target]] = defaultdict(list)
        for target in self.targets.values():
            for lun in target.luns:
                found[lun.path].append(target)
        return {path: tuple(targets) for path, targets in found.items()}

    @cached_property
    def served_tops(self) -> Mapping[str, tuple[Served, ...]]:
        """What is served, by the path of the layer that takes its writes."""
        found: dict[str, list[Served]] = defaultdict(list)
        for served in (self.served or {}).values():
            found[served.top].append(served)
        return {path: tuple(all_served) for path, all_served in found.items()}

    @cached_property
    def served_paths(self) -> Mapping[str, Served]:
        """What is served, by the plain file it appears as."""
        return {served.path: served for served in (self.served or {}).values() if served.path}

    def serving(self, name: str) -> Served | None:
        """What is served for a name."""
        return (self.served or {}).get(name)

    def top_of(self, target: Target) -> list[str]:
        """The files that its initiators' writes go to."""
        paths = (lun.path for lun in target.luns)
        return [self.served_paths[path].top if path in self.served_paths else path for path in paths]
