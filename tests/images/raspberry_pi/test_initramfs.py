"""What the names in an initramfs tell, and archives that lie."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.raspberry_pi.initramfs import Initramfs, Maker, look_into, recognise
from images.raspberry_pi.unpacking import UnpackingError
from netboot_site import cpio

TOOLS = {"init", "scripts/local", "scripts/functions"}
RELEASE = "6.12.25+rpt-rpi-v8"


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "initramfs8"
    path.write_bytes(data)
    return path


def archive(*names: str) -> bytes:
    return cpio.archive([cpio.file(name, b"content") for name in names])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (TOOLS, Initramfs(Maker.INITRAMFS_TOOLS, "", False)),
        (TOOLS | {f"usr/lib/modules/{RELEASE}/x"}, Initramfs(Maker.INITRAMFS_TOOLS, RELEASE, False)),
        (TOOLS | {f"lib/modules/{RELEASE}/modules.dep"}, Initramfs(Maker.INITRAMFS_TOOLS, RELEASE, False)),
        (TOOLS | {"usr/sbin/iscsistart"}, Initramfs(Maker.INITRAMFS_TOOLS, "", False)),
        (
            TOOLS | {"usr/sbin/iscsistart", "scripts/local-top/iscsi"},
            Initramfs(Maker.INITRAMFS_TOOLS, "", True),
        ),
        ({"usr/lib/dracut/dracut-lib.sh"}, Initramfs(Maker.DRACUT, "", False)),
        ({"usr/lib/dracut/dracut-lib.sh", "usr/sbin/iscsistart"}, Initramfs(Maker.DRACUT, "", True)),
        ({"init", "bin/busybox"}, Initramfs(Maker.OTHER, "", False)),
    ],
)  # fmt: skip
def test_who_made_it_and_whether_it_can_do_iscsi(names: set[str], expected: Initramfs) -> None:
    assert recognise(names) == expected


@pytest.mark.parametrize(
    "data",
    [
        archive(*TOOLS),
        gzip.compress(archive(*TOOLS)),
        archive("kernel/firmware/x") + bytes(512) + gzip.compress(archive(*TOOLS)),
        gzip.compress(archive("init"))
        + bytes(6)
        + gzip.compress(archive("scripts/local", "scripts/functions")),
        gzip.compress(archive("init") + bytes(100) + archive("scripts/local", "scripts/functions")),
        archive(*(f"./{name}" for name in TOOLS)),
    ],
    ids=["plain", "packed", "early and packed", "two packed", "two in one", "with dots"],
)
def test_however_its_segments_are_put_together(tmp_path: Path, data: bytes) -> None:
    assert look_into(written(tmp_path, data), tmp_path).maker is Maker.INITRAMFS_TOOLS


def harmed(at: int, data: bytes) -> bytes:
    good = archive(*TOOLS)
    return good[:at] + data + good[at + len(data) :]


@pytest.mark.parametrize(
    "data",
    [
        b"noise",
        archive(*TOOLS)[:200],
        harmed(0, b"080702"),
        harmed(94, b"FFFFFFFF"),
        harmed(94, b"00000000"),
        harmed(54, b"7FFFFFFF"),
        harmed(54, b"ZZZZZZZZ"),
        b"".join(archive("init") for _ in range(20)),
        archive("init") + b"noise",
    ],
    ids=["noise", "cut", "magic", "long name", "no name", "long file", "no number", "many", "noise behind"],
)
def test_an_archive_that_lies_is_refused_in_words(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnpackingError, match=r"^it "):
        look_into(written(tmp_path, data), tmp_path)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(at=st.integers(0, 600), change=st.binary(min_size=1, max_size=8))
def test_whatever_is_changed_it_ends(tmp_path: Path, at: int, change: bytes) -> None:
    try:
        found = look_into(written(tmp_path, harmed(at, change)), tmp_path)
    except UnpackingError:
        return
    assert found.maker in Maker
