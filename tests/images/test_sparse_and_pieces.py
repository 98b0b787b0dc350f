"""The sparse writer, and what an upload's headers say."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.pieces import Piece, parse_piece, parse_sha256
from images.sparse import BLOCK_BYTES, PIECES_BEHIND, PartFile, WriteBehind, data_runs
from netboot_site.errors import ValidationError

# Disks as they are: long stretches of zeros, stretches of data, neither aligned to anything.
stretches = st.lists(st.tuples(st.booleans(), st.integers(1, 3 * BLOCK_BYTES)), max_size=6)


def body_of(parts: list[tuple[bool, int]]) -> bytes:
    return b"".join((b"\xa5" if full else b"\0") * length for full, length in parts)


@given(stretches)
def test_the_runs_hold_every_byte_that_is_not_zero(parts: list[tuple[bool, int]]) -> None:
    data = body_of(parts)
    rebuilt = bytearray(len(data))
    for start, end in data_runs(data):
        assert start % BLOCK_BYTES == 0
        rebuilt[start:end] = data[start:end]
    assert bytes(rebuilt) == data
    assert all(data[start:end].count(0) < end - start for start, end in data_runs(data))


@given(st.lists(stretches, max_size=4))
def test_a_file_written_in_pieces_is_what_was_sent(pieces: list[list[tuple[bool, int]]]) -> None:
    path = Path(f"/dev/shm/nb-sparse-{os.getpid()}")
    bodies = [body_of(parts) for parts in pieces]
    position = 0
    for body in bodies:
        with PartFile(path, position) as part:
            part.write(body)
            part.flush_behind()
            part.flush()
            position = part.position
            assert part.durable == position
    assert (path.read_bytes() if bodies else b"") == b"".join(bodies)
    path.unlink(missing_ok=True)


def test_a_file_of_zeros_takes_no_room(tmp_path: Path) -> None:
    with PartFile(tmp_path / "part", 0) as part:
        for _ in range(64):
            part.write(bytes(1024 * 1024))
        part.flush()
    status = (tmp_path / "part").stat()
    assert (status.st_size, status.st_blocks) == (64 * 1024 * 1024, 0)
    assert status.st_mode & 0o777 == 0o600


@given(st.lists(stretches, max_size=3 * PIECES_BEHIND))
def test_what_is_written_behind_is_there_at_the_end(pieces: list[list[tuple[bool, int]]]) -> None:
    path = Path(f"/dev/shm/nb-behind-{os.getpid()}")
    bodies = [body_of(parts) for parts in pieces]
    with PartFile(path, 0) as part:
        with WriteBehind(part) as behind:
            for body in bodies:
                behind.write(body)
        assert part.position == len(b"".join(bodies))
        part.flush()
    assert path.read_bytes() == b"".join(bodies)
    path.unlink()


@pytest.mark.parametrize("more", [0, 1, 3 * PIECES_BEHIND])
def test_after_a_piece_that_failed_none_is_written_and_it_is_told(
    more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        monkeypatch.undo()
        raise OSError(errno.ENOSPC, "full")

    def write(part: PartFile) -> None:
        with WriteBehind(part) as behind:
            for _ in range(1 + more):
                behind.write(b"piece")

    with PartFile(tmp_path / "part", 0) as part:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="full"):
            write(part)
        assert (part.position, (tmp_path / "part").stat().st_size) == (0, 0)


def test_what_went_wrong_meanwhile_is_told_and_what_came_before_it_is_written(tmp_path: Path) -> None:
    def write(part: PartFile) -> None:
        with WriteBehind(part) as behind:
            behind.write(b"piece")
            raise ValueError("meanwhile")

    with PartFile(tmp_path / "part", 0) as part:
        with pytest.raises(ValueError, match="meanwhile"):
            write(part)
        assert part.position == len(b"piece")


def test_one_body_without_a_range_is_the_whole() -> None:
    piece = parse_piece("5", "")
    assert piece == Piece(0, 5, 5)
    assert piece.is_whole


@given(st.integers(0, 10**15), st.integers(1, 10**15), st.integers(0, 10**15))
def test_every_range_that_can_be_is_read(start: int, length: int, rest: int) -> None:
    piece = parse_piece(str(length), f"bytes {start}-{start + length - 1}/{start + length + rest}")
    assert (piece.start, piece.end, piece.total) == (start, start + length, start + length + rest)
    assert piece.is_last == (rest == 0)


@given(st.text(max_size=40), st.text(min_size=1, max_size=60))
def test_headers_full_of_nonsense_are_refused_or_read(length: str, content_range: str) -> None:
    try:
        piece = parse_piece(length, content_range)
    except ValidationError:
        return
    assert 0 <= piece.start < piece.end <= piece.total


@pytest.mark.parametrize("text", ["abc", "0" * 63, "0" * 65, "g" * 64])
def test_a_digest_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_sha256(text)


def test_a_digest_may_be_written_large_or_left_out() -> None:
    assert parse_sha256("A" * 64) == "a" * 64
    assert parse_sha256("") == ""
