"""Zip archives, as many writers make them, and as nobody should."""

from __future__ import annotations

import stat
import struct
import zipfile
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.importing.zipped import unzip
from netboot_site.errors import ValidationError

DATA = b"disk " * 5000 + b"PK\x07\x08 is no descriptor here" + bytes(3000)


class Pipe:
    """Cannot seek, so that zipfile writes descriptors behind the data."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += bytes(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


class Slow:
    """Gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._file, self._step = BytesIO(data), step

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._step))


def made(data: bytes, method: int, *, streamed: bool, zip64: bool = False, name: str = "a.img") -> bytes:
    target: Any = Pipe() if streamed else BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive, archive.open(name, "w", force_zip64=zip64) as file:
        file.write(data)
    return bytes(target.data if streamed else target.getvalue())


def read(archive: bytes, step: int = 1 << 20) -> bytes:
    return b"".join(unzip(Slow(archive, step)))


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("step", [1 << 20, 97])
def test_every_way_of_writing_one_is_read(method: int, streamed: bool, zip64: bool, step: int) -> None:
    assert read(made(DATA, method, streamed=streamed, zip64=zip64), step) == DATA


@given(st.binary(max_size=3000), st.booleans(), st.booleans(), st.integers(1, 400))
def test_what_was_packed_comes_out(data: bytes, stored: bool, streamed: bool, step: int) -> None:
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    assert read(made(data, method, streamed=streamed), step) == data


@given(st.data())
def test_a_shortened_or_changed_archive_never_gives_other_bytes_unnoticed(data: st.DataObject) -> None:
    whole = bytearray(made(DATA[:2000], zipfile.ZIP_DEFLATED, streamed=data.draw(st.booleans())))
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at:]
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(whole))
    except ValidationError:
        return
    assert found == DATA[:2000]


@given(st.binary(max_size=400))
def test_nonsense_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(ValidationError):
        read(b"PK\x03\x04" + data)


def several(*names: str, kind: int = 0) -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, (kind | 0o644) << 16
            archive.writestr(entry, b"" if name.endswith("/") else b"/etc/passwd")
    return target.getvalue()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:\\evil", "\\evil"])
def test_a_path_that_points_outside_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="points outside"):
        read(several(name))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_a_device_is_refused(kind: int) -> None:
    with pytest.raises(ValidationError, match="link or a device"):
        read(several("disk.img", kind=kind))


def test_several_files_none_and_too_many_folders_are_refused() -> None:
    with pytest.raises(ValidationError, match="several files"):
        read(several("a.img", "b.img"))
    with pytest.raises(ValidationError, match="no file"):
        read(several("folder/"))
    with pytest.raises(ValidationError, match="more than one disk"):
        read(several(*(f"{number}/" for number in range(1001))))


def test_folders_and_what_macos_adds_are_passed_over() -> None:
    assert read(several("disk/", "disk/a.img", "__MACOSX/disk/._a.img")) == b"/etc/passwd"


def test_an_encrypted_archive_and_an_unknown_method_are_refused() -> None:
    whole = bytearray(several("a.img"))
    struct.pack_into("<H", whole, 6, 1)
    with pytest.raises(ValidationError, match="encrypted"):
        read(bytes(whole))
    struct.pack_into("<HH", whole, 6, 0, 12)
    with pytest.raises(ValidationError, match="cannot be read"):
        read(bytes(whole))


def test_a_list_of_other_files_than_those_inside_is_refused() -> None:
    whole = several("a.img")
    at = whole.rindex(b"a.img")
    with pytest.raises(ValidationError, match="list of files"):
        read(whole[:at] + b"b.img" + whole[at + 5 :])
