"""The single steps of convergence. Each carries the group it belongs to; an empty one is the whole node's.

The steps of a group are carried out one after the other, and the first that fails ends them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from images.ports import Disk, LayerFile


@dataclass(frozen=True, slots=True)
class CreateRaw:
    """A new, empty, sparse disk."""

    group: str
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class GrowRaw:
    """A larger file; its first bytes stay."""

    group: str
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CreateLayer:
    """An empty layer over its parent."""

    group: str
    path: str
    size_bytes: int
    parent: LayerFile


@dataclass(frozen=True, slots=True)
class GrowLayer:
    """A larger virtual size of a layer that is not being served."""

    group: str
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """Nothing writes to this layer any more, and nothing may from now on."""

    group: str
    path: str


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """The file of a layer that is to go."""

    group: str
    path: str


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    """The folder of an image that is to go, with all in it."""

    group: str
    image_id: str


@dataclass(frozen=True, slots=True)
class Serve:
    """Start a process that makes a chain appear as a plain file."""

    group: str
    name: str
    chain: tuple[LayerFile, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Let an empty layer take the writes of a disk that is being served; its reader notices nothing."""

    group: str
    name: str
    top: LayerFile


@dataclass(frozen=True, slots=True)
class Stop:
    """End the process that serves under this name."""

    group: str
    name: str


@dataclass(frozen=True, slots=True)
class SetReady:
    """Whether the whole server takes logins."""

    ready: bool
    group: str = ""


@dataclass(frozen=True, slots=True)
class AddPortal:
    """Where initiators reach the server."""

    portal: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class DeletePortal:
    """A portal that nobody wants, such as the wildcard address that tgtd falls back to."""

    portal: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class CreateTarget:
    group: str
    tid: int
    iqn: str


@dataclass(frozen=True, slots=True)
class DeleteTarget:
    """Refused by the server itself while somebody is logged in, unless the disk behind it is dead."""

    group: str
    tid: int
    dead: bool = False


@dataclass(frozen=True, slots=True)
class CreateDisk:
    group: str
    tid: int
    disk: Disk


@dataclass(frozen=True, slots=True)
class DescribeDisk:
    group: str
    tid: int
    disk: Disk


@dataclass(frozen=True, slots=True)
class CreateAccount:
    group: str
    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeleteAccount:
    """An account that is bound to no target any more."""

    group: str
    name: str


@dataclass(frozen=True, slots=True)
class BindAccount:
    group: str
    tid: int
    name: str


@dataclass(frozen=True, slots=True)
class Allow:
    group: str
    tid: int
    initiator_name: str


FileAction = CreateRaw | GrowRaw | RemoveFile | RemoveFolder
LayerAction = CreateLayer | GrowLayer | Freeze | Serve | Snapshot | Stop
TargetAction = (
    CreateTarget
    | DeleteTarget
    | CreateDisk
    | DescribeDisk
    | CreateAccount
    | DeleteAccount
    | BindAccount
    | Allow
)
ServerAction = SetReady | AddPortal | DeletePortal
Action = FileAction | LayerAction | TargetAction | ServerAction
