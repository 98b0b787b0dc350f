"""What the firmware adds to a device tree before it starts the kernel: who the board is.

Format: Devicetree Specification 0.4, chapter 5 (flattened devicetree).
"""

from __future__ import annotations

import struct

from tests.system.boots.pi.boards import Board

_HEADER = struct.Struct(">10I")
_BEGIN_NODE, _END_NODE, _PROPERTY, _END = (struct.pack(">I", code) for code in (1, 2, 3, 9))
_MAGIC = 0xD00DFEED


def with_board(tree: bytes, board: Board) -> bytes:
    """The tree with the serial in its root, and the board's revision and serial below /system."""
    names = bytearray()
    serial = board.serial.rjust(16, "0").encode() + b"\0"
    root = _property("serial-number", serial, names, tree)
    system = (
        _BEGIN_NODE
        + b"system\0\0"
        + b"".join(
            (
                _property("linux,revision", struct.pack(">I", board.revision), names, tree),
                _property("linux,serial", int(board.serial, 16).to_bytes(8, "big"), names, tree),
            )
        )
    )
    return _rebuilt(tree, root, system + _END_NODE, bytes(names))


def _property(name: str, value: bytes, names: bytearray, tree: bytes) -> bytes:
    """One property, its name appended to `names`, which will stand behind the tree's own strings."""
    strings_size = _HEADER.unpack_from(tree)[8]
    offset = strings_size + len(names)
    names += name.encode() + b"\0"
    padded = value + bytes(-len(value) % 4)
    return _PROPERTY + struct.pack(">II", len(value), offset) + padded


def _rebuilt(tree: bytes, properties: bytes, node: bytes, names: bytes) -> bytes:
    magic, _, at, strings_at, reserved_at, version, last, cpu, strings_size, size = _HEADER.unpack_from(tree)
    assert magic == _MAGIC, "no device tree"
    structure, strings = tree[at : at + size], tree[strings_at : strings_at + strings_size]
    begin = len(_BEGIN_NODE) + 4  # the root's name is empty
    end = structure.rindex(_END_NODE + _END)
    structure = structure[:begin] + properties + structure[begin:end] + node + structure[end : end + 8]
    reserved = tree[reserved_at : reserved_at + 16 * (_reservations(tree, reserved_at) + 1)]
    offset = _HEADER.size + len(reserved)
    total = offset + len(structure) + len(strings) + len(names)
    header = _HEADER.pack(magic, total, offset, offset + len(structure), _HEADER.size, version, last, cpu,
                          len(strings) + len(names), len(structure))  # fmt: skip
    return header + reserved + structure + strings + names


def _reservations(tree: bytes, at: int) -> int:
    """Entries of the memory reservation block, without the empty one that ends it."""
    count = 0
    while struct.unpack_from(">QQ", tree, at + 16 * count) != (0, 0):
        count += 1
    return count
