"""Kernel modules in the order in which they must be loaded, told by the modules themselves."""

from __future__ import annotations

import re
from pathlib import Path

from netboot_site.errors import UnavailableError

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")  # the .modinfo section, written by the kernel's modpost


def in_load_order(modules_path: Path, names: list[str]) -> list[Path]:
    """The files of the modules and of all that they need, each after what it needs.

    Raises UnavailableError for a name that this kernel does not have as a module.
    """
    files = {_spelling(path.stem): path for path in modules_path.rglob("*.ko")}
    ordered: list[Path] = []
    for name in names:
        _add(_spelling(name), files, ordered)
    return ordered


def _add(name: str, files: dict[str, Path], ordered: list[Path]) -> None:
    if name not in files:
        raise UnavailableError(f"The kernel from Debian's packages has no module {name}.")
    for needed in _needs(files[name]):
        _add(needed, files, ordered)
    if files[name] not in ordered:
        ordered.append(files[name])


def _needs(path: Path) -> list[str]:
    found = _DEPENDS.search(path.read_bytes())
    text = found.group(1).decode() if found else ""
    return [_spelling(name) for name in text.split(",") if name]


def _spelling(name: str) -> str:
    """The kernel takes - and _ in a module's name as one."""
    return name.replace("-", "_")
