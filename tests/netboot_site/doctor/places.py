"""An installation where all is well, for checks to be shown what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netboot_site.doctor.findings import Finding, State
from netboot_site.doctor.place import Beat, Look, Node, Place, Rows

EXPECTED = frozenset(
    {"boot", "storage-http", "worker-control", "worker-storage", "recorder", "tgtd", "dnsmasq"}
)
FILE_SYSTEM = {
    "kind": "ext4", "capacity_bytes": 100 * 1024**3, "free_bytes": 50 * 1024**3, "free_files": 10**6,
    "keeps_holes": True, "punches_holes": True,
}  # fmt: skip
FACTS: Mapping[str, Any] = {
    "host": "disks", "portals": ["10.66.0.1:3260"], "targets": 3, "fuse": "", "file_system": FILE_SYSTEM,
    "clock_offset_seconds": 0.01, "clock_is_kept": True,
}  # fmt: skip
OURS = {
    "address": "10.66.0.1", "mac": "52:54:00:00:00:01", "ours": True, "hands_out_addresses": False,
    "answers_pxe": True,
    "answers": [
        {"client": kind, "boot_file": file, "next_server": "10.66.0.1"}
        for kind, file in (("BIOS PC", "undionly.kpxe"), ("UEFI PC", ""), ("Raspberry Pi", ""))
    ],
}  # fmt: skip
ROUTER = {
    "address": "10.66.0.254", "mac": "52:54:00:00:00:fe", "ours": False, "hands_out_addresses": True,
    "answers_pxe": False, "answers": [],
}  # fmt: skip


def place(**changes: Any) -> Place:
    given = {
        "interface": "eth0", "address": "10.66.0.1", "dhcp_mode": "proxy",
        "expected": EXPECTED, "node": "local",
        "api_port": 8000, "dashboard_port": 30000, "boot_http_port": 8080, "iscsi_port": 3260, **changes,
    }  # fmt: skip
    return Place(**given)


def node(name: str = "local", **changes: Any) -> Node:
    given = {
        "queue": f"storage.{name}",
        "portal": "10.66.0.1:3260",
        "state": "ready",
        "error": "",
        "facts": FACTS,
    }
    return Node(name, **{**given, **changes})  # type: ignore[arg-type]


def facts(**changes: Any) -> Mapping[str, Any]:
    return {**FACTS, **changes}


def look(*servers: Mapping[str, Any], **changes: Any) -> Look:
    return Look(**{"seconds_ago": 5.0, "servers": servers, **changes})


def rows(**changes: Any) -> Rows:
    names = ("control", "recorder", "storage.local", "storage.local.jobs")
    given = {
        "version": "15.8", "clock_offset_seconds": 0.002, "beats": {name: Beat(1.0, "") for name in names},
        "nodes": (node(),), "look": look(OURS, ROUTER), **changes,
    }  # fmt: skip
    return Rows(**given)


def only(findings: list[Finding]) -> Finding:
    """The one that there is; a finding that is not good has a reason and a command."""
    (finding,) = findings
    return checked(finding)


def checked(finding: Finding) -> Finding:
    is_good = finding.state == State.GOOD
    assert finding.what.endswith((".", ").")), finding.what
    assert bool(finding.why) != is_good, finding
    assert bool(finding.command) != is_good, finding
    assert "\n" not in finding.command
    return finding
