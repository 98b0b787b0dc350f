"""The order in which the guest loads kernel modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from netboot_site.errors import UnavailableError
from netboot_site.modules import in_load_order


def write_module(folder: Path, name: str, depends: str) -> None:
    path = folder / "kernel" / f"{name}.ko"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x7fELF\0license=GPL\0depends=" + depends.encode() + b"\0retpoline=Y\0")


def test_what_a_module_needs_is_loaded_before_it_and_once(tmp_path: Path) -> None:
    write_module(tmp_path, "iscsi_tcp", "libiscsi_tcp,libiscsi,scsi_transport_iscsi")
    write_module(tmp_path, "libiscsi_tcp", "libiscsi")
    write_module(tmp_path, "libiscsi", "scsi_transport_iscsi")
    write_module(tmp_path, "scsi_transport_iscsi", "")
    names = [path.stem for path in in_load_order(tmp_path, ["iscsi_tcp", "libiscsi"])]
    assert names == ["scsi_transport_iscsi", "libiscsi", "libiscsi_tcp", "iscsi_tcp"]


def test_dashes_and_underscores_are_one(tmp_path: Path) -> None:
    write_module(tmp_path, "virtio-net", "net-failover")
    write_module(tmp_path, "net_failover", "")
    assert [path.stem for path in in_load_order(tmp_path, ["virtio_net"])] == ["net_failover", "virtio-net"]


def test_a_module_that_the_kernel_lacks_is_named(tmp_path: Path) -> None:
    write_module(tmp_path, "iscsi_tcp", "libiscsi")
    with pytest.raises(UnavailableError, match="no module libiscsi"):
        in_load_order(tmp_path, ["iscsi_tcp"])
