"""Which boot network was chosen on a page, as a file: the launcher reads it before there is a database.

The row (bootflow.models.NetworkChoice) says what should be; convergence copies it here, whole or not at all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, Protocol

from django.conf import settings

_MOST_BYTES = 4096


class Choice(Protocol):
    """What was chosen, as row or as file."""

    @property
    def interface(self) -> str:
        """The interface that devices boot through."""

    @property
    def dhcp_mode(self) -> str:
        """`proxy`, `server` or `off`."""

    @property
    def dhcp_range(self) -> str:
        """`first,last` of the pool, or nothing."""


class KeptChoice(NamedTuple):
    """What the file says."""

    interface: str
    dhcp_mode: str
    dhcp_range: str


def is_interface_fixed() -> bool:
    """Whether the environment says it, by name or by its address."""
    return bool({"BOOT_INTERFACE", "BOOT_ADDRESS"} & set(settings.NETWORK_FIXED))


def dhcp_of(choice: Choice | None, interface: str) -> tuple[str, str]:
    """Mode and pool on this interface; a choice counts only for the interface that it was made for."""
    given = {"DHCP_MODE": str(settings.DHCP_MODE), "DHCP_RANGE": str(settings.DHCP_RANGE)}
    if choice is not None and choice.interface == interface:
        chosen = {"DHCP_MODE": choice.dhcp_mode, "DHCP_RANGE": choice.dhcp_range}
        given |= {name: value for name, value in chosen.items() if name not in settings.NETWORK_FIXED}
    return given["DHCP_MODE"], given["DHCP_RANGE"]


def kept(path: Path) -> KeptChoice | None:
    """The choice that lies there. It is another user's file to the launcher: what is no choice is none."""
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(_MOST_BYTES))
        values = [told[name] for name in KeptChoice._fields]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not all(isinstance(value, str) and len(value) <= 40 and value.isprintable() for value in values):
        return None
    return KeptChoice(*values)


def keep(path: Path, choice: Choice | None) -> bool:
    """Let the file say what the row says; whether anything had to be written."""
    wanted = None
    if choice is not None:
        wanted = KeptChoice(choice.interface, choice.dhcp_mode, choice.dhcp_range)
    if wanted == kept(path):
        return False
    if wanted is None:
        path.unlink(missing_ok=True)
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(wanted._asdict()))
    draft.chmod(0o644)
    draft.replace(path)
    return True
