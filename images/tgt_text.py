"""Reads `tgtadm --op show --mode target`: a tree by indentation, turned into `Target`s by exact names.

Whatever does not fit the grammar is an error: acting on half an answer could tear down a disk in use.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from images.ports import Login, Lun, Target
from netboot_site.errors import UnavailableError

INDENT = 4
_TARGET = re.compile(r"Target (\d+): (.+)")
_INITIATOR = re.compile(r"(.*?) alias: .*")
# An initiator says its alias itself (RFC 3720, section 12.7); tgtd prints it as it came, line breaks and all.
_ALIAS = re.compile(
    r"(?s)(\n {12}Initiator: [^\n]*? alias: ).*?"
    r"(?=\n {12}Connection: |\n {8}I_T nexus: |\n {4}LUN information:\n)"
)
_SIZE = re.compile(r"(\d+) MB, .*")


@dataclass(slots=True)
class Node:
    """A line and the lines below it that stand further in."""

    text: str
    below: list[Node] = field(default_factory=list)

    @property
    def value(self) -> str:
        """What follows the first `: `, or nothing."""
        return self.text.partition(": ")[2]

    def values(self) -> dict[str, str]:
        """The `key: value` lines below."""
        return dict(self._pair(node.text) for node in self.below)

    def section(self, title: str) -> list[Node]:
        """The lines below the line that reads `title:`."""
        found = [node for node in self.below if node.text == f"{title}:"]
        if len(found) != 1:
            raise UnavailableError(f"The target server's list has {len(found)} blocks {title!r} in a target.")
        return found[0].below

    @staticmethod
    def _pair(text: str) -> tuple[str, str]:
        key, _, value = text.partition(":")
        return key, value.strip()


def parse_tree(text: str) -> list[Node]:
    """The lines of `text` as trees. Raises UnavailableError where a line stands at no level."""
    if text and not text.endswith("\n"):
        raise UnavailableError("The target server's list of targets was cut off.")
    root = Node("")
    path = [root]
    for line in text.split("\n")[:-1]:  # not splitlines(): a name may hold what Unicode calls a line's end
        level, rest = divmod(len(line) - len(line.lstrip(" ")), INDENT)
        if rest or level >= len(path) or not line.strip(" "):
            raise UnavailableError("The target server's list of targets cannot be read.")
        node = Node(line.strip(" "))
        path[level].below.append(node)
        path[level + 1 :] = [node]
    return root.below


# A quiet server answers the same text each second; a thousand targets are not read anew each time.
@functools.lru_cache(maxsize=1)
def parse_targets(text: str) -> tuple[Target, ...]:
    """All targets of the list. Raises UnavailableError for anything that is no such list."""
    targets = tuple(_target(node) for node in parse_tree(_ALIAS.sub(r"\1none", text)))
    unlike = min(len({target.tid for target in targets}), len({target.iqn for target in targets}))
    if unlike < len(targets):
        raise UnavailableError(
            "The target server's list names a target twice; an initiator may have forged it."
        )
    return targets


def _target(node: Node) -> Target:
    match = _TARGET.fullmatch(node.text)
    if match is None:
        raise UnavailableError("The target server's list of targets cannot be read.")
    return Target(
        tid=int(match[1]),
        iqn=match[2],
        luns=tuple(_luns(node)),
        logins=tuple(_login(nexus) for nexus in node.section("I_T nexus information")),
        accounts=tuple(_incoming(node.section("Account information"))),
        acl=tuple(entry.text for entry in node.section("ACL information")),
    )


def _luns(target: Node) -> Iterator[Lun]:
    """Every unit but tgtd's controller, which is LUN 0 of each target."""
    for node in target.section("LUN information"):
        values = node.values()
        if values.get("Type") == "controller":
            continue
        size = _SIZE.fullmatch(values.get("Size", ""))
        if not node.text.startswith("LUN: ") or not node.value.isdecimal() or size is None:
            raise UnavailableError("The target server's list of disks cannot be read.")
        yield Lun(
            number=int(node.value),
            path=values.get("Backing store path", ""),
            size_mb=int(size[1]),
            scsi_id=values.get("SCSI ID", ""),
            serial=values.get("SCSI SN", ""),
            backing=values.get("Backing store type", ""),
            online=values.get("Online") == "Yes",
            thin=values.get("Thin-provisioning") == "Yes",
            readonly=values.get("Readonly") == "Yes",
        )


def _login(nexus: Node) -> Login:
    values = nexus.values()
    initiator = _INITIATOR.fullmatch(values.get("Initiator", ""))
    if not nexus.text.startswith("I_T nexus: ") or initiator is None:
        raise UnavailableError("The target server's list of sessions cannot be read.")
    connections = [node for node in nexus.below if node.text.startswith("Connection:")]
    addresses = [node.values().get("IP Address", "") for node in connections]
    return Login(nexus.value, initiator[1], tuple(address for address in addresses if address))


def _incoming(entries: list[Node]) -> Iterator[str]:
    """The accounts that prove the initiator; `(outgoing)` marks the other direction."""
    return (entry.text for entry in entries if not entry.text.endswith(" (outgoing)"))
