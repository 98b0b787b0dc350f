"""The played firmware writes into the device tree who the board is, and changes nothing else."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.system.boots.pi.boards import PI_3B, PI_5, Board
from tests.system.boots.pi.device_tree import with_board

BOARD = Board(PI_3B, "b8:27:eb:9d:c1:5a", "ba9dc15a")


def small_tree() -> bytes:
    """`/ { model = "x"; memory { reg = <1>; }; };` with one reserved region."""
    strings = b"model\0reg\0"
    structure = (
        struct.pack(">II", 1, 0)
        + struct.pack(">III4s", 3, 2, 0, b"x\0\0\0")
        + struct.pack(">I8s", 1, b"memory\0\0")
        + struct.pack(">IIII", 3, 4, 6, 1)
        + struct.pack(">III", 2, 2, 9)
    )
    reserved = struct.pack(">QQQQ", 0x1000, 0x2000, 0, 0)
    at, total = 40 + len(reserved), 40 + len(reserved) + len(structure) + len(strings)
    header = (0xD00DFEED, total, at, at + len(structure), 40, 17, 16, 0, len(strings), len(structure))
    return struct.pack(">10I", *header) + reserved + structure + strings


def read(tree: bytes) -> dict[str, bytes]:
    """Every property by its path."""
    header = struct.unpack_from(">10I", tree)
    assert header[1] == len(tree)
    return dict(_walk(tree, header[2], header[3]))


def _walk(tree: bytes, at: int, strings: int) -> Iterator[tuple[str, bytes]]:
    path: list[str] = []
    while (code := struct.unpack_from(">I", tree, at)[0]) != 9:
        at += 4
        if code == 1:
            name = tree[at : tree.index(b"\0", at)].decode()
            path.append(name)
            at += (len(name) + 4) // 4 * 4
        elif code == 2:
            path.pop()
        elif code == 3:
            size, offset = struct.unpack_from(">II", tree, at)
            name = tree[strings + offset : tree.index(b"\0", strings + offset)].decode()
            yield "/".join([*path, name]), tree[at + 8 : at + 8 + size]
            at += 8 + (size + 3) // 4 * 4


def test_the_serial_and_the_revision_stand_where_linux_looks_for_them() -> None:
    found = read(with_board(small_tree(), BOARD))
    assert found["/serial-number"] == b"00000000ba9dc15a\0"
    assert found["/system/linux,revision"] == bytes.fromhex("00a02082")
    assert found["/system/linux,serial"] == bytes.fromhex("00000000ba9dc15a")


def test_what_was_there_is_there_still() -> None:
    before, after = read(small_tree()), read(with_board(small_tree(), BOARD))
    assert before == {"/model": b"x\0", "/memory/reg": bytes.fromhex("00000001")}
    assert {path: after[path] for path in before} == before


def test_reserved_memory_stays_reserved() -> None:
    changed = with_board(small_tree(), BOARD)
    assert changed[40:72] == small_tree()[40:72]


def test_a_serial_of_sixteen_digits_is_kept_whole() -> None:
    board = Board.numbered(PI_5, 1)
    assert read(with_board(small_tree(), board))["/serial-number"] == board.serial.encode() + b"\0"
