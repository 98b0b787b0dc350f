"""What a disk comes as, by its first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.importing.formats import RAW, check_unpacked, is_container, is_stream, recognise
from netboot_site.errors import ValidationError


@pytest.mark.parametrize(
    ("start", "name"),
    [(b"\xfd7zXZ\x00", "xz"), (b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"),
     (b"PK\x03\x04", "zip"), (b"QFI\xfb\0\0\0\3", "qcow2"), (b"KDMV", "vmdk"), (b"vhdxfile", "vhdx"),
     (b"conectix", "vhd"),
     (b"<<< any words >>>".ljust(64, b"\0") + b"\x7f\x10\xda\xbe", "vdi")],
)  # fmt: skip
def test_formats_that_are_read(start: bytes, name: str) -> None:
    assert recognise(start + bytes(100)) == name
    assert is_stream(name) != is_container(name)


@pytest.mark.parametrize(
    "start", [b"\xeb\x63\x90GRUB", bytes(512), b"\xfa\xb8\x00\x10", b"EFI PART", b"QF", b"", b"json:{}"]
)
def test_everything_else_is_a_raw_disk(start: bytes) -> None:
    assert recognise(start) == RAW
    assert not is_stream(RAW)
    assert not is_container(RAW)
    check_unpacked(start, "xz")


@pytest.mark.parametrize(
    "start", [b"BZh9", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a", b"COWD", b"# Disk DescriptorFile\n", b"PK\x05\x06",
              bytes(257) + b"ustar\x0000"]
)  # fmt: skip
def test_what_cannot_be_read_is_refused_and_told_what_can(start: bytes) -> None:
    with pytest.raises(ValidationError, match="qcow2"):
        recognise(start)


@given(st.binary(max_size=600))
def test_any_bytes_have_a_format_or_are_refused(data: bytes) -> None:
    try:
        name = recognise(data)
    except ValidationError:
        return
    assert [name == RAW, is_stream(name), is_container(name)].count(True) == 1
