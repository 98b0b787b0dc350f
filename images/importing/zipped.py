"""Reads the one disk out of a zip archive while the archive comes in, front to end.

Names inside are looked at and never used: no file of that name is made, no link is followed.
The format is PKWARE's APPNOTE.TXT 6.3; its sections stand at what they explain.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from netboot_site.errors import ValidationError

CHUNK_BYTES = 1024 * 1024
MOST_ENTRIES = 1000  # folders count; an archive with one disk has few
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"  # 4.3.7, 4.3.12, 4.3.16
_END64, _LOCATOR64, _DESCRIPTOR = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"  # 4.3.14, 4.3.15, 4.3.9
_ENCRYPTED = 1 | 1 << 6 | 1 << 13  # 4.4.4: general purpose bits
_HAS_DESCRIPTOR = 1 << 3
_STORED, _DEFLATED = 0, 8  # 4.4.5
_UNKNOWN_32 = 0xFFFFFFFF
_ZIP64 = 1  # 4.5.3: the extra field's number
_UNIX, _MACOS = 3, 19  # 4.4.2: hosts whose external attributes hold a mode
_NO_DISK = b"__MACOSX/"  # resource forks, which macOS adds by itself


class Source(Protocol):
    """A file, or a pipe."""

    def read(self, size: int, /) -> bytes | None:
        """At most that many bytes; none at the end."""


def damaged(why: str) -> ValidationError:
    """What is said of an archive that cannot be read to its end."""
    return ValidationError(f"This zip file is damaged or cut off: {why}.")


class Reader:
    """Bytes in order, with a look ahead."""

    def __init__(self, source: Source) -> None:
        self._source, self._held = source, b""

    def some(self) -> bytes:
        """Whatever comes next; nothing at the end."""
        held, self._held = self._held, b""
        return held or self._source.read(CHUNK_BYTES) or b""

    def give_back(self, data: bytes) -> None:
        """It will be read again."""
        self._held = data + self._held

    def peek(self, size: int) -> bytes:
        """The next bytes, or as many as there are."""
        while len(self._held) < size and (more := self._source.read(CHUNK_BYTES)):
            self._held += more
        return self._held[:size]

    def exactly(self, size: int) -> bytes:
        """So many bytes. Raises ValidationError where it ends before."""
        data = self.peek(size)
        if len(data) < size:
            raise damaged("it ends too early")
        self._held = self._held[size:]
        return data


@dataclass(slots=True)
class Entry:
    """A file or folder, as the header before its bytes tells of it."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    seen_crc: int = 0
    seen_bytes: int = 0

    @property
    def is_folder(self) -> bool:
        """4.3.8: nothing else of it tells."""
        return self.name.endswith(b"/")

    @property
    def is_disk(self) -> bool:
        """Whether its bytes are wanted."""
        return not self.is_folder and not self.name.startswith(_NO_DISK)

    def count(self, data: bytes) -> bytes:
        """The same bytes, accounted for."""
        self.seen_crc = zlib.crc32(data, self.seen_crc)
        self.seen_bytes += len(data)
        return data


@dataclass(slots=True)
class Directory:
    """What the headers said, to be compared with the list at the archive's end."""

    names: list[bytes] = field(default_factory=list)
    listed: list[bytes] = field(default_factory=list)
    disks: int = 0


def unzip(source: Source) -> Iterator[bytes]:
    """The bytes of the one disk in it. Raises ValidationError, at the latest at the archive's end."""
    reader, directory = Reader(source), Directory()
    while (signature := reader.exactly(4)) != _END:
        if signature == _LOCAL:
            entry = _entry(reader, directory)
            for data in _unpacked(reader, entry):
                if entry.is_disk and data:
                    yield data
        elif signature == _CENTRAL:
            _listed(reader, directory)
        elif signature == _END64:
            reader.exactly(min(struct.unpack("<Q", reader.exactly(8))[0], CHUNK_BYTES))
        elif signature == _LOCATOR64:
            reader.exactly(16)
        else:
            raise damaged("there is no header where one belongs")
    _check_end(reader, directory)


def _entry(reader: Reader, directory: Directory) -> Entry:
    """4.3.7. Raises ValidationError for what is not wanted in an archive of one disk."""
    flags, method, crc, packed, size, name_length, extra_length = struct.unpack(
        "<2xHH4xIIIHH", reader.exactly(26)
    )
    entry = Entry(reader.exactly(name_length), flags, method, crc, packed, size)
    _read_zip64(entry, reader.exactly(extra_length))
    _check_entry(entry)
    directory.names.append(entry.name)
    directory.disks += entry.is_disk
    if directory.disks > 1:
        raise ValidationError(
            "This zip file holds several files; import one that holds nothing but the disk."
        )
    if len(directory.names) > MOST_ENTRIES:
        raise ValidationError("This zip file holds more than one disk.")
    return entry


def _read_zip64(entry: Entry, extra: bytes) -> None:
    """4.5.3: sizes that did not fit into the header."""
    while len(extra) >= 4:
        number, length = struct.unpack_from("<HH", extra)
        if number == _ZIP64 and length >= 16 and len(extra) >= 20:
            size, packed = struct.unpack_from("<QQ", extra, 4)
            entry.size_bytes = size if entry.size_bytes == _UNKNOWN_32 else entry.size_bytes
            entry.packed_bytes = packed if entry.packed_bytes == _UNKNOWN_32 else entry.packed_bytes
        extra = extra[4 + length :]


def _check_entry(entry: Entry) -> None:
    if entry.flags & _ENCRYPTED:
        raise ValidationError("This zip file is encrypted; unpack it first and import the disk itself.")
    if entry.method not in {_STORED, _DEFLATED}:
        raise ValidationError("This zip file is packed in a way that cannot be read; pack it with `deflate`.")
    parts = entry.name.replace(b"\\", b"/").split(b"/")
    if entry.name.startswith((b"/", b"\\")) or b".." in parts or b":" in parts[0] or b"\0" in entry.name:
        raise ValidationError("A path in this zip file points outside of it.")


def _unpacked(reader: Reader, entry: Entry) -> Iterator[bytes]:
    """The entry's bytes; whether they are right is known behind the last one."""
    described = bool(entry.flags & _HAS_DESCRIPTOR)
    if entry.method == _DEFLATED:
        packed = yield from _inflated(reader, entry)
    elif described and not entry.packed_bytes:
        yield from _stored_to_descriptor(reader, entry)
        packed = entry.seen_bytes
    else:
        packed = yield from _stored(reader, entry)
    if described:
        _read_descriptor(reader, entry, packed)
    elif (entry.size_bytes, entry.packed_bytes) != (entry.seen_bytes, packed):
        raise damaged("a file in it has another size than its header says")
    if entry.crc != entry.seen_crc:
        raise damaged("a checksum is wrong")


def _inflated(reader: Reader, entry: Entry) -> Generator[bytes, None, int]:
    engine, packed = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not engine.eof:
        data = engine.unconsumed_tail or reader.some()
        if not data:
            raise damaged("it ends too early")
        packed += 0 if engine.unconsumed_tail else len(data)
        try:
            yield entry.count(engine.decompress(data, CHUNK_BYTES))
        except zlib.error as error:
            raise damaged("its bytes are no deflate stream") from error
    reader.give_back(engine.unused_data)
    return packed - len(engine.unused_data)


def _stored(reader: Reader, entry: Entry) -> Generator[bytes, None, int]:
    left = entry.packed_bytes
    while left:
        data = reader.some()
        if not data:
            raise damaged("it ends too early")
        reader.give_back(data[left:])
        data = data[:left]
        left -= len(data)
        yield entry.count(data)
    return entry.packed_bytes


def _stored_to_descriptor(reader: Reader, entry: Entry) -> Iterator[bytes]:
    """Written as a stream and not packed, so that only a descriptor that fits tells where it ends."""
    while (data := reader.peek(CHUNK_BYTES)) and len(data) >= len(_DESCRIPTOR):
        at = data.find(_DESCRIPTOR)
        if at == 0:
            if _descriptor_length(reader, entry, entry.seen_bytes):
                return
            at = data.find(_DESCRIPTOR, 1)
        yield entry.count(reader.exactly(at if at > 0 else len(data) - len(_DESCRIPTOR) + 1))
    raise damaged("it ends too early")


def _read_descriptor(reader: Reader, entry: Entry, packed: int) -> None:
    length = _descriptor_length(reader, entry, packed)
    if not length:
        raise damaged("a checksum or a size is wrong")
    reader.exactly(length)
    entry.crc = entry.seen_crc


def _descriptor_length(reader: Reader, entry: Entry, packed: int) -> int:
    """4.3.9: with or without its signature, sizes of 8 or 4 bytes: whichever tells what was counted."""
    head = reader.peek(24)
    start = len(_DESCRIPTOR) if head.startswith(_DESCRIPTOR) else 0
    wide = struct.pack("<IQQ", entry.seen_crc, packed, entry.seen_bytes)
    narrow = struct.pack("<III", entry.seen_crc, packed & _UNKNOWN_32, entry.seen_bytes & _UNKNOWN_32)
    for found in (wide, narrow):
        if head[start : start + len(found)] == found:
            return start + len(found)
    return 0


def _listed(reader: Reader, directory: Directory) -> None:
    """4.3.12: only here it is told what is a link."""
    host, name_length, extra_length, comment_length, attributes = struct.unpack(
        "<xB22xHHH4xI4x", reader.exactly(42)
    )
    directory.listed.append(reader.exactly(name_length))
    reader.exactly(extra_length + comment_length)
    kind = stat.S_IFMT(attributes >> 16) if host in {_UNIX, _MACOS} else 0
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise ValidationError("This zip file holds a link or a device, which is not followed; pack the disk.")


def _check_end(reader: Reader, directory: Directory) -> None:
    """4.3.16, the archive's last record."""
    (comment_length,) = struct.unpack("<16xH", reader.exactly(18))
    reader.exactly(comment_length)
    if reader.some():
        raise damaged("there are bytes behind its end")
    if sorted(directory.names) != sorted(directory.listed):
        raise damaged("its list of files is not what it holds")
    if not directory.disks:
        raise ValidationError("This zip file holds no file.")
