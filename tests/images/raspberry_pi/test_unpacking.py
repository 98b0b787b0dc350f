"""Packed files: each kind, cut off, damaged, going on with something else, without end."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.raspberry_pi.unpacking import UnpackingError, unpack, unpack_whole

MIB = 1024**2
PACKERS = {
    "gzip": ["gzip", "-nc"],
    "xz": ["xz", "-c", "--check=crc32"],
    "zstd": ["zstd", "-qc"],
    "zstd without checksum": ["zstd", "-qc", "--no-check"],
    "zstd in large blocks": ["zstd", "-qc", "-19", "--long=24"],
    "lz4": ["lz4", "-qlc"],
}
# Words and noise, more than one block of each kind.
DATA = b"".join(
    random.Random(1).choice([b"Raspberry ", b"Pi\n", random.Random(2).randbytes(99)]) for _ in range(9000)
)


def packed(kind: str, data: bytes = DATA) -> bytes:
    return subprocess.run(PACKERS[kind], input=data, capture_output=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("rest", [b"", bytes(8), bytes(8) + b"070701"], ids=["nothing", "zeros", "a segment"])
def test_a_stream_is_unpacked_and_its_end_found(tmp_path: Path, kind: str, rest: bytes) -> None:
    stream = packed(kind)

    found = unpack(stream + rest, 64 * MIB, tmp_path)

    assert found is not None
    assert found.data == DATA
    assert found.taken_bytes == len(stream)
    assert list(tmp_path.iterdir()) == [], "something was left behind"


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize(
    "data", [b"x", bytes(5 * MIB), random.Random(3).randbytes(300_000)], ids=["short", "zeros", "noise"]
)
def test_blocks_of_every_kind_are_walked(tmp_path: Path, kind: str, data: bytes) -> None:
    stream = packed(kind, data)

    found = unpack(stream + bytes(8), 64 * MIB, tmp_path)

    assert found is not None
    assert (found.data == data, found.taken_bytes) == (True, len(stream))


@pytest.mark.parametrize("kind", PACKERS)
def test_a_stream_that_is_cut_off_is_refused(tmp_path: Path, kind: str) -> None:
    stream = packed(kind)

    with pytest.raises(UnpackingError, match=r"cut off|damaged"):
        unpack(stream[: len(stream) * 2 // 3], 64 * MIB, tmp_path)


@pytest.mark.parametrize("kind", PACKERS)
def test_more_than_is_allowed_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnpackingError, match="more than 4 MiB"):
        unpack(packed(kind, bytes(32 * MIB)), 4 * MIB, tmp_path)


@pytest.mark.parametrize("data", [b"", b"MZ", b"070701", b"\0\0\0\0"])
def test_what_is_not_packed_is_given_back(tmp_path: Path, data: bytes) -> None:
    assert unpack(data, MIB, tmp_path) is None
    assert unpack_whole(data, MIB, tmp_path) == data


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    st.sampled_from([b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x02\x21\x4c\x18"]),
    st.binary(max_size=200),
)
def test_anything_behind_a_magic_is_refused_or_unpacked(tmp_path: Path, magic: bytes, rest: bytes) -> None:
    try:
        found = unpack(magic + rest, MIB, tmp_path)
    except UnpackingError:
        return
    assert found is not None
    assert found.taken_bytes <= len(magic + rest)
