"""What we ask of an iSCSI target server and of a store of layers, whichever they are.

One adapter each: `images/tgt.py`, `images/qemu.py`; the tests have fakes and broken ones. All of them pass
`tests/contracts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from netboot_site.errors import ConflictError


class TargetInUseError(ConflictError):
    """An initiator is logged in, so the target stays as it is."""


@dataclass(frozen=True, slots=True)
class Disk:
    """How a logical unit is to look to its initiator."""

    path: str
    vendor_id: str  # T10 vendor identification: 8 characters (SPC-4, section 6.6.2)
    product_id: str  # 16 characters (there too)
    scsi_id: str  # tgtd keeps 36 characters of this and of the serial
    serial: str


@dataclass(frozen=True, slots=True)
class Lun:
    """A logical unit, as the server shows it."""

    number: int
    path: str
    size_mb: int = 0  # decimal megabytes, rounded: all that tgtd tells
    scsi_id: str = ""
    serial: str = ""
    backing: str = ""
    online: bool = True
    thin: bool = False
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """An initiator's login; `handle` is the server's number for it."""

    handle: str
    initiator_name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A target, as the server shows it. `tid` is good for this observation only and is never stored."""

    tid: int
    iqn: str
    luns: tuple[Lun, ...] = ()
    logins: tuple[Login, ...] = ()
    accounts: tuple[str, ...] = ()
    acl: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerView:
    """All that the server holds."""

    targets: tuple[Target, ...] = ()
    accounts: frozenset[str] = frozenset()
    portals: tuple[str, ...] = ()  # but for its own private one
    ready: bool = True
    started: str = field(default="", compare=False)  # differs after each start of the server


class TargetServer(Protocol):
    """The server's verbs.

    Each raises UnavailableError when the server does not answer, ConflictError when it refuses.
    """

    def observe(self) -> ServerView:
        """Everything it holds, asked afresh."""

    def set_ready(self, *, ready: bool) -> None:
        """Let initiators log in, or answer them "try again"."""

    def add_portal(self, portal: str) -> None:
        """Listen on `address:port`."""

    def delete_portal(self, portal: str) -> None:
        """Listen there no longer."""

    def create_target(self, tid: int, iqn: str) -> None:
        """An empty target that lets nobody in. `tid` must be free."""

    def delete_target(self, tid: int, *, force: bool = False) -> None:
        """Remove a target with its units. Raises TargetInUseError if somebody is logged in.

        By force, for a target whose disk is gone, its sessions end with it.
        """

    def create_disk(self, tid: int, lun: int, disk: Disk) -> None:
        """Export a file as a logical unit."""

    def describe_disk(self, tid: int, lun: int, disk: Disk) -> None:
        """Give a logical unit its identity and let it TRIM."""

    def create_account(self, name: str, secret: str) -> None:
        """A CHAP account, bound to nothing yet."""

    def delete_account(self, name: str) -> None:
        """Forget a CHAP account that is bound to no target."""

    def bind_account(self, tid: int, name: str) -> None:
        """Ask initiators of this target for that account."""

    def allow(self, tid: int, initiator_name: str) -> None:
        """Let an initiator of that name in, from any address."""


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A layer as the store knows it: an absolute path, and `raw` or `qcow2`."""

    path: str
    format: str


@dataclass(frozen=True, slots=True)
class Served:
    """A chain of layers that a process of its own makes appear as one plain file."""

    name: str  # who it is served for: the caller's word
    path: str  # the plain file: another one after each start of its process, so that nobody keeps a dead one
    top: str  # the path of the layer that takes the writes; empty while its process cannot tell
    alive: bool  # whether its process lives and the file can be read
    writable: bool = True
    paused: bool = False  # whoever touches its file now waits until it is resumed


class LayerStore(Protocol):
    """The verbs of copy-on-write layers.

    Each raises UnavailableError when a program does not answer, ConflictError when it refuses.
    """

    def observe(self) -> Mapping[str, Served]:
        """All that is being served on this node, by name, the dead included; cheap enough for each second."""

    def create(self, path: str, size_bytes: int, parent: LayerFile) -> None:
        """An empty qcow2 layer over its parent, whole or not at all. A file that is there stays as it is."""

    def grow(self, path: str, size_bytes: int) -> None:
        """A larger virtual size of a layer that is not being served; never a smaller one."""

    def freeze(self, path: str) -> None:
        """Bring a layer to the disk and take away the right to write to it (0444)."""

    def serve(
        self, name: str, chain: Sequence[LayerFile], *, writable: bool = True, shared: bool = False
    ) -> Served:
        """Start a process that serves a chain, its top layer first.

        Whatever `name` served before is stopped. A name has at most 16 small letters, digits and `-`.
        Not writable and `shared`: another process may begin to write the top layer, as if we were not here.
        """

    def snapshot(self, name: str, top: LayerFile) -> None:
        """Let an empty layer, made over the one served now, take the writes from now on.

        No reader notices. When this returns nothing writes the former top any more. Done already: nothing.
        """

    def stop(self, name: str) -> None:
        """End the process, with everything written, and remove its file. Nothing if there is none."""

    def pause(self, *names: str) -> None:
        """Let the reads and writes of all these wait, as near to at once as can be; nothing is lost."""

    def resume(self, name: str) -> None:
        """Let them go on."""
