"""Which shared libraries a program names, read from its ELF file: for programs of another architecture.

Only what we fetched ourselves is read with it: little-endian files of 64 bits (elf(5)).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from netboot_site.errors import UnavailableError

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB = 1, 5
_ENTRY_BYTES = 16  # Elf64_Dyn


def is_elf(path: Path) -> bool:
    """Whether it is a program or a library, for whatever machine."""
    with path.open("rb") as reader:
        return reader.read(4) == b"\x7fELF"


def needed(data: bytes) -> list[str]:
    """The libraries' names, in the program's order; none for a static program or a script."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    segments = list(_segments(data))
    dynamic = [
        entry for kind, at, _, size in segments if kind == _PT_DYNAMIC for entry in _dynamic(data, at, size)
    ]
    table = next((value for tag, value in dynamic if tag == _DT_STRTAB), 0)
    strings = _file_offset(segments, table)
    return [_text(data, strings + value) for tag, value in dynamic if tag == _DT_NEEDED]


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Kind, place in the file, address and size of each."""
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, _, at, address, _, length = struct.unpack_from("<IIQQQQ", data, start + number * size)
        yield kind, at, address, length


def _dynamic(data: bytes, at: int, size: int) -> Iterator[tuple[int, int]]:
    for place in range(at, at + size, _ENTRY_BYTES):
        yield struct.unpack_from("<qQ", data, place)


def _file_offset(segments: Iterable[tuple[int, int, int, int]], address: int) -> int:
    for kind, at, start, size in segments:
        if kind == _PT_LOAD and start <= address < start + size:
            return at + address - start
    return address


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def with_libraries(programs: Iterable[Path], libraries: Mapping[str, Path]) -> dict[str, Path]:
    """Each library that the programs need, and that those need, by its name, from those at hand.

    The dynamic linker itself is not among them. Raises UnavailableError for one that is missing.
    """
    found: dict[str, Path] = {}
    waiting = list(programs)
    while waiting:
        for name in needed(waiting.pop().read_bytes()):
            if name in found or name.startswith("ld-linux"):
                continue
            if name not in libraries:
                raise UnavailableError(f"Debian's package with the library {name} is missing.")
            found[name] = libraries[name]
            waiting.append(libraries[name])
    return found
