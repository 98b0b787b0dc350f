"""The single steps of convergence. Each carries the image it serves; an empty one serves all."""

from __future__ import annotations

from dataclasses import dataclass, field

from images.ports import Disk


@dataclass(frozen=True, slots=True)
class CreateHead:
    """A new, empty, sparse disk."""

    image_id: str
    generation: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class GrowHead:
    """A larger file; its first bytes stay."""

    image_id: str
    generation: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RemoveHead:
    """The file of an older content."""

    image_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class RemoveFiles:
    """The image's folder, with all in it."""

    image_id: str


@dataclass(frozen=True, slots=True)
class SetReady:
    """Whether the whole server takes logins."""

    ready: bool
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class AddPortal:
    """Where initiators reach the server."""

    portal: str
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class DeletePortal:
    """A portal that nobody wants, such as the wildcard address that tgtd falls back to."""

    portal: str
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class CreateTarget:
    image_id: str
    tid: int
    iqn: str


@dataclass(frozen=True, slots=True)
class DeleteTarget:
    """Refused by the server itself while somebody is logged in."""

    image_id: str
    tid: int


@dataclass(frozen=True, slots=True)
class CreateDisk:
    image_id: str
    tid: int
    disk: Disk


@dataclass(frozen=True, slots=True)
class DescribeDisk:
    image_id: str
    tid: int
    disk: Disk


@dataclass(frozen=True, slots=True)
class CreateAccount:
    image_id: str
    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeleteAccount:
    """An account that is bound to no target any more."""

    image_id: str
    name: str


@dataclass(frozen=True, slots=True)
class BindAccount:
    image_id: str
    tid: int
    name: str


@dataclass(frozen=True, slots=True)
class Allow:
    image_id: str
    tid: int
    initiator_name: str


Action = (
    CreateHead
    | GrowHead
    | RemoveHead
    | RemoveFiles
    | SetReady
    | AddPortal
    | DeletePortal
    | CreateTarget
    | DeleteTarget
    | CreateDisk
    | DescribeDisk
    | CreateAccount
    | DeleteAccount
    | BindAccount
    | Allow
)
