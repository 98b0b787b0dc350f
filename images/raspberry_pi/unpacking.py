"""Unpacks what the parts of a boot partition are packed with, a bounded amount of it: all is hostile."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netboot_site.system import look_with

_XZ_MEMORY_BYTES = 128 * 1024**2  # of a decoder: xz -9 needs 65 MiB (xz(1))
_PROGRAM_SECONDS = 30.0
_GZIP, _XZ, _ZSTD, _LZ4 = b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x02\x21\x4c\x18"
_LZ4_CHUNK_BYTES = 8 * 1024**2  # lz4's frame format, "legacy frame": unpacked size of a chunk


class UnpackingError(Exception):
    """It is damaged, or unpacks to more than is allowed."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came out, and how many of the packed bytes it took."""

    data: bytes
    taken_bytes: int


def unpack(packed: bytes, most_bytes: int, work: Path) -> Unpacked | None:
    """The first stream of what may go on with something else; None if it is not packed.

    Raises UnpackingError.
    """
    for magic, unpacker in _UNPACKERS.items():
        if packed.startswith(magic):
            found = unpacker(packed, most_bytes, work)
            if len(found.data) > most_bytes:
                raise UnpackingError(f"it unpacks to more than {most_bytes // 1024**2} MiB")
            return found
    return None


def unpack_whole(packed: bytes, most_bytes: int, work: Path) -> bytes:
    """A file's content, packed or not. Raises UnpackingError."""
    found = unpack(packed, most_bytes, work)
    return packed if found is None else found.data


def _gzip(packed: bytes, most_bytes: int, _work: Path) -> Unpacked:
    decoder = zlib.decompressobj(wbits=31)  # zlib's manual: gzip's header and trailer only
    try:
        data = decoder.decompress(packed, most_bytes + 1)
    except zlib.error as error:
        raise UnpackingError("it is damaged") from error
    if not decoder.eof and len(data) <= most_bytes:
        raise UnpackingError("it is cut off")
    return Unpacked(data, len(packed) - len(decoder.unused_data))


def _xz(packed: bytes, most_bytes: int, _work: Path) -> Unpacked:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)
    try:
        data = decoder.decompress(packed, most_bytes + 1)
    except lzma.LZMAError as error:
        raise UnpackingError("it is damaged") from error
    if not decoder.eof and len(data) <= most_bytes:
        raise UnpackingError("it is cut off")
    return Unpacked(data, len(packed) - len(decoder.unused_data))


def _zstd(packed: bytes, most_bytes: int, work: Path) -> Unpacked:
    end = _zstd_end(packed)
    return Unpacked(_by_program(["zstd", "-dcq"], packed[:end], most_bytes, work), end)


def _lz4(packed: bytes, most_bytes: int, work: Path) -> Unpacked:
    end = _lz4_end(packed)
    return Unpacked(_by_program(["lz4", "-dcq"], packed[:end], most_bytes, work), end)


def _by_program(argv: list[str], packed: bytes, most_bytes: int, work: Path) -> bytes:
    part = work / "packed"
    part.write_bytes(packed)
    try:
        data = look_with([*argv, str(part)], max_bytes=most_bytes + 1, timeout_seconds=_PROGRAM_SECONDS)
    finally:
        part.unlink()
    if not data:
        raise UnpackingError("it is damaged")
    return data


def _zstd_end(packed: bytes) -> int:
    """Where the frame ends (RFC 8878, section 3.1.1): the program would not say. Raises UnpackingError."""
    try:
        descriptor = packed[4]
        is_single, has_checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
        size_bytes = (is_single, 2, 4, 8)[descriptor >> 6]
        at = 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3] + size_bytes
        is_last = False
        while not is_last:
            header = packed[at] | packed[at + 1] << 8 | packed[at + 2] << 16
            is_last, kind = bool(header & 1), header >> 1 & 3
            at += 3 + (1 if kind == 1 else header >> 3)
    except IndexError as error:
        raise UnpackingError("it is cut off") from error
    return at + 4 * has_checksum


def _lz4_end(packed: bytes) -> int:
    """Where the chunks of the legacy frame end: at the file's end, or before what can be none."""
    at = len(_LZ4)
    while at + 4 <= len(packed):
        size = struct.unpack_from("<I", packed, at)[0]
        if not 0 < size <= _LZ4_CHUNK_BYTES + _LZ4_CHUNK_BYTES // 255 + 16:
            break
        at += 4 + size
    if at > len(packed):
        raise UnpackingError("it is cut off")
    return at


_UNPACKERS: dict[bytes, Callable[[bytes, int, Path], Unpacked]] = {
    _GZIP: _gzip, _XZ: _xz, _ZSTD: _zstd, _LZ4: _lz4,
}  # fmt: skip
