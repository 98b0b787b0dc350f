"""What the doctor finds in the believable lab: mostly well, with one thing of each kind that is not."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone

from netboot_site.doctor.boot_files import BootFiles, judge_boot_files
from netboot_site.doctor.clock import Clock, judge_clock, judge_drifts
from netboot_site.doctor.examination import Report
from netboot_site.doctor.findings import Finding
from netboot_site.doctor.firewall import SUBJECT as FIREWALL
from netboot_site.doctor.links import Link, judge_links
from netboot_site.doctor.place import Beat, Look, Node, Place, Rows
from netboot_site.doctor.ports import judge_ports, wanted_ports
from netboot_site.doctor.reach import Reached, judge_reach
from netboot_site.doctor.sockets import Holder, Listening
from netboot_site.doctor.storage import judge_data_path, judge_storage
from netboot_site.doctor.wire import judge_wire
from netboot_site.doctor.workers import judge_database, judge_processes, judge_redis, judge_workers
from netboot_site.formats import GIB
from netboot_site.health import HEALTHY
from netboot_site.host import FileSystem

_PROGRAMS = frozenset({"boot", "storage-http", "worker-control", "recorder", "dnsmasq"})
_PLACE = Place("enp2s0", "10.20.0.1", "proxy", _PROGRAMS, "local", 8000, 30000, 8080, 3260)
_FILES = {"kind": "xfs", "capacity_bytes": 1788 * GIB, "free_bytes": 541 * GIB, "free_files": 10**8}
_FACTS = {
    "portals": ["10.20.0.1:3260"], "targets": 14, "fuse": "", "clock_offset_seconds": 0.0008,
    "file_system": {**_FILES, "keeps_holes": True, "punches_holes": True},
}  # fmt: skip
_NODE = Node("local", "storage.local", "10.20.0.1:3260", "ready", "", _FACTS)
_ROUTER = {
    "address": "10.20.0.254", "mac": "e8:df:70:1c:22:9b", "ours": False, "hands_out_addresses": True,
    "answers_pxe": False, "answers": [],
}  # fmt: skip
_KINDS = {"BIOS PC": "undionly.kpxe", "UEFI PC": "snponly.efi", "Raspberry Pi": ""}
_OURS = {
    "address": "10.20.0.1", "mac": "e8:df:70:1c:22:01", "ours": True, "hands_out_addresses": False,
    "answers_pxe": True, "answers": [{"client": kind, "boot_file": file} for kind, file in _KINDS.items()],
}  # fmt: skip
_BEATS = ("control", "recorder", "storage.local", "storage.local.jobs")
_ROWS = Rows("15.8", 0.0006, {name: Beat(1.0, "") for name in _BEATS}, (_NODE,), Look(40.0, (_ROUTER, _OURS)))
_STRANGER = Holder(True, "0.0.0.0", 69, "root", "in.tftpd", 812, "tftpd-hpa.service", is_ours=False)


def _findings() -> Iterator[Finding]:
    wanted = wanted_ports(_PLACE, has_further_networks=False)
    held = [
        Holder(port.is_udp, port.address, port.number, "netboot", port.program, 7, is_ours=True)
        for port in wanted
        if port.number != 69
    ]
    yield from judge_links(_PLACE, {"enp2s0": Link(True, True, ("10.20.0.1/24",))})
    yield from judge_ports(wanted, Listening((*held, _STRANGER)))
    yield from judge_reach(_PLACE, [_NODE], Reached("", "the server refuses: file not found", {"local": ""}))
    yield from judge_wire(_PLACE, _ROWS.look)
    yield FIREWALL.unknown("Only root may read the firewall's rules.")
    yield from judge_boot_files(
        BootFiles(frozenset({"undionly.kpxe", "snponly.efi", "ipxe.efi"}), frozenset(), "")
    )
    yield from judge_data_path(FileSystem(**_FILES))  # type: ignore[arg-type]
    yield from judge_storage(_PLACE, [_NODE], has_overlays=True)
    yield from judge_database(_ROWS)
    yield from judge_redis(HEALTHY)
    yield from judge_processes(_PLACE, {})
    yield from judge_workers(_PLACE, _ROWS)
    yield from judge_clock(Clock(timezone.now(), is_kept=False))
    yield from judge_drifts(_ROWS)


def examine(*, ask_wire: bool = False) -> Report:
    """As the doctor's own."""
    return Report(timezone.now(), 0.074, tuple(_findings()))
