"""cmdline.txt of a device: ONE line, of the disk's own parameters and of ours. Pure functions.

The disk's own line is hostile input: what it says is never a second line, and never changes where the
device finds its disk. Parameters: initramfs-tools-core(7), dracut.cmdline(7), open-iscsi's README.Debian.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from netboot_site.errors import ValidationError

LINE_MAX_BYTES = 2047  # arm64's COMMAND_LINE_SIZE is 2048, with the NUL at its end
FILE_MAX_BYTES = LINE_MAX_BYTES + 1  # and the line's end
_DISK_LUN = 1  # LUN 0 is tgt's controller
_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_OURS = re.compile(
    r"ip|nfsroot|nfsaddrs|nbdroot|boot|bootif|netroot|rd_neednet|iscsi|iscsi_.*|rd_iscsi.*|netboot(_.*)?"
)
_FIRST_BOOT = re.compile(r"firstboot|init_resize|firstrun", re.IGNORECASE)
_STABLE_ROOT = re.compile(r"(PARTUUID|PARTLABEL|UUID|LABEL)=[^/\s]+", re.IGNORECASE)
_SIGNS = re.compile(r"[!#-~]+")  # printable ASCII without the space and the quote


@dataclass(frozen=True, slots=True)
class Target:
    """Where the device finds its disk, and as whom it logs in."""

    iqn: str
    address: str
    port: int
    initiator: str
    username: str
    secret: str


@dataclass(frozen=True, slots=True)
class Ours:
    """What the segment that we added to an initramfs is told."""

    url: str
    mac: str


def escape(value: str) -> str:
    """A value as it stands in a parameter: the only way for text into the line. Raises ValidationError."""
    if not _SIGNS.fullmatch(value):
        raise ValidationError(
            "A value of a kernel's command line is printable ASCII without spaces and quotes."
        )
    return value


def words(text: str) -> list[str]:
    """The parameters of a command line that anybody may have written, up to what is meant for init."""
    found: list[str] = []
    for word in _WORD.findall("".join(sign if sign.isprintable() else " " for sign in text)):
        if "--" in re.split(r'[\s"]+', word):  # the kernel takes its quotes off first
            break
        if word.isascii():
            found.append(word)
    return found


def render_cmdline(
    base: str, target: Target, *, initramfs: Collection[str], ours: Ours | None, root: str = ""
) -> str:
    """The line of a device whose root is on its iSCSI disk. Raises ValidationError if it is too long.

    `initramfs` says how each initramfs does iSCSI: `added` (by our segment), `open-iscsi`, `dracut`.
    `root` is where the disk's root is, if its own line says that by a device's name.
    """
    kept = [word for word in words(base) if not is_ours(word)]
    made = [*_with_root(kept, root), "ip=dhcp"]
    if set(initramfs) != {"dracut"}:
        made += _iscsi(target)
    if "dracut" in initramfs:
        made += _dracut(target)
    if "added" in initramfs and ours is not None:
        made += ["boot=netboot", f"netboot.url={escape(ours.url)}", f"netboot.mac={escape(ours.mac)}"]
    return _one_line(made)


def render_plain(base: str) -> str:
    """The line of a device that has no disk of ours: as its kernel set says."""
    return _one_line(words(base))


def masked(line: str, secret: str) -> str:
    """The line for a person's eyes."""
    return line.replace(secret, "***") if secret else line


def is_ours(word: str) -> bool:
    """Whether a parameter of the disk's own line would speak of what is ours to say.

    A shell in the initramfs takes words out of quotes, too.
    """
    return any(_speaks_of_ours(part) for part in re.split(r'[\s"]+', word) if part)


def _speaks_of_ours(part: str) -> bool:
    name, sign, value = part.partition("=")
    key = name.lower().replace("-", "_").replace(".", "_")
    if _OURS.fullmatch(key):
        return True
    if key == "root":
        return not sign or value.lower().startswith(("iscsi:", "/dev/nfs", "nfs", "nbd", "live:", "http"))
    return key == "init" and bool(_FIRST_BOOT.search(value))


def _with_root(kept: Iterable[str], root: str) -> list[str]:
    """A root that is named by its device, as on an SD card, is somewhere else on an iSCSI disk."""
    made = list(kept)
    if not _STABLE_ROOT.fullmatch(root):
        return made
    named = [word for word in made if word.startswith("root=")]
    if any(_STABLE_ROOT.fullmatch(word.removeprefix("root=").strip('"')) for word in named):
        return made
    return [word for word in made if word not in named] + [f"root={escape(root)}"]


def _iscsi(target: Target) -> list[str]:
    return [
        f"iscsi_initiator={escape(target.initiator)}",
        f"iscsi_target_name={escape(target.iqn)}",
        f"iscsi_target_ip={escape(target.address)}",
        f"iscsi_target_port={target.port}",
        "iscsi_target_group=1",
        f"iscsi_username={escape(target.username)}",
        f"iscsi_password={escape(target.secret)}",
    ]


def _dracut(target: Target) -> list[str]:
    login = f"{escape(target.username)}:{escape(target.secret)}"
    return [
        f"netroot=iscsi:{login}@{escape(target.address)}::{target.port}:{_DISK_LUN}:{escape(target.iqn)}",
        f"rd.iscsi.initiator={escape(target.initiator)}",
        "rd.iscsi.param=node.session.timeo.replacement_timeout=86400",
        "rd.neednet=1",
    ]


def _one_line(made: Iterable[str]) -> str:
    line = " ".join(made)
    if len(line.encode()) > LINE_MAX_BYTES:
        raise ValidationError(
            f"The command line would have {len(line.encode())} bytes, and a kernel reads {LINE_MAX_BYTES}: "
            f"shorten that of the kernel set or of the image's cmdline.txt."
        )
    return line
