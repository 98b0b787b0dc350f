"""What convergence compares: what should be (from the database) and what is (files, target server)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from images.models import ImageState
from images.ports import Disk, ServerView, Target

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
    """What earlier rounds wrote about an image and its export, to tell what is news."""

    error: str = ""
    generation: int | None = None
    used_bytes: int | None = None
    export_id: int | None = None
    export_state: str = ""
    export_error: str = ""


@dataclass(frozen=True)
class Wanted:
    """An image as the database has it."""

    image_id: str
    iqn: str
    state: ImageState
    path: str
    generation: int
    size_bytes: int
    seen_size_bytes: int = 0  # what its file was last seen to hold: it never shrinks
    access: Access | None = None
    recorded: Recorded = Recorded()
    import_error: str = ""  # why its last import failed

    @cached_property
    def disk(self) -> Disk:
        """Its identity in the guest: the same wherever and whenever it is exported."""
        serial = self.image_id
        if len(serial) > _SERIAL_LENGTH:
            serial = f"{serial[:27]}.{zlib.crc32(serial.encode()):08x}"
        return Disk(self.path, "NETBOOT", self.image_id[:_PRODUCT_LENGTH], serial, serial)

    @property
    def size_mb(self) -> int:
        """The size as tgtd shows it."""
        return (self.size_bytes + 500_000) // 1_000_000


@dataclass(frozen=True)
class Desired:
    """All that should be on this storage node."""

    prefix: str
    portal: str
    images: tuple[Wanted, ...] = ()

    @cached_property
    def device_names(self) -> Mapping[str, str]:
        """What the pages call the devices of our exports, by initiator name."""
        return {want.access.initiator_name: want.access.device for want in self.images if want.access}


@dataclass(frozen=True, slots=True)
class FilesSeen:
    """An image's folder."""

    head_size_bytes: int | None = None  # None: its file is not there
    used_bytes: int = 0
    superseded: tuple[int, ...] = ()  # generations older than the head whose files are still there
    anything: bool = False


@dataclass(frozen=True)
class Observed:
    """All that is. No server: it does not answer."""

    server: ServerView | None
    files: Mapping[str, FilesSeen]
    strangers: Mapping[str, str] = field(default_factory=dict)  # devices logged in whose disk it is no longer

    def target(self, iqn: str) -> Target | None:
        """The target of exactly that name."""
        return self.targets.get(iqn)

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """All targets by name."""
        return {target.iqn: target for target in self.server.targets} if self.server else {}
