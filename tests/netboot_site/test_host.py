"""What the host is like: file systems as /proc and the kernel tell them, and clocks."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from netboot_site import host
from netboot_site.host import clock_offset_seconds, is_clock_kept, kind_of, look_at_folder

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /tmp rw,nosuid shared:2 - tmpfs tmpfs rw
31 22 0:44 / /srv/net\\040boot rw - nfs4 10.0.0.9:/export rw,vers=4.2
40 22 254:1 / /srv/disks rw - xfs /dev/vdb rw
41 22 0:50 / /srv/disks rw - overlay overlay rw,lowerdir=/a,upperdir=/b
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/srv", "ext4"),
        ("/tmp/a/b", "tmpfs"),
        ("/tmpfiles", "ext4"),
        ("/srv/net boot", "nfs4"),
        ("/srv/disks/images", "overlay"),
    ],
)
def test_a_folder_lies_in_what_was_mounted_last_over_it(folder: str, kind: str) -> None:
    assert kind_of(Path(folder), MOUNTS) == kind


def test_a_real_folder_tells_its_room_and_keeps_holes(tmp_path: Path) -> None:
    found = look_at_folder(tmp_path)
    assert found.kind not in ("", "unknown")
    assert 0 < found.free_bytes < found.capacity_bytes
    assert found.free_files is None or found.free_files > 0
    assert (found.keeps_holes, found.punches_holes) == (True, True)
    assert list(tmp_path.iterdir()) == [], "the trial leaves nothing"


def test_a_folder_that_is_not_ours_to_write_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(host.tempfile, "TemporaryFile", refuse)
    found = look_at_folder(tmp_path)
    assert (found.keeps_holes, found.punches_holes) == (None, None)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        look_at_folder(tmp_path / "none")


def test_the_kernel_says_whether_somebody_keeps_the_clock() -> None:
    assert is_clock_kept() in (True, False, None)


@pytest.mark.django_db
def test_the_database_of_this_host_has_this_hosts_clock() -> None:
    assert abs(clock_offset_seconds()) < 1
