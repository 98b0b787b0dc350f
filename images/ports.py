"""What we ask of an iSCSI target server, whichever it is.

One adapter each: `images/tgt.py`; the tests have a fake and a broken one. All of them pass `tests/contracts`.
"""

from __future__ import annotations

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

    def delete_target(self, tid: int) -> None:
        """Remove a target with its units. Raises TargetInUseError if somebody is logged in."""

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
