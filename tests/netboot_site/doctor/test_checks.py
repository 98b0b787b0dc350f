"""Boot files, storage, workers and clocks: a sentence for each thing that can be amiss."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bootflow.dnsmasq import ARM64_LOADER, BIOS_LOADER, UEFI_FALLBACK_LOADER, UEFI_LOADER
from netboot_site.doctor.boot_files import BootFiles, judge_boot_files, read_boot_files
from netboot_site.doctor.clock import Clock, judge_clock, judge_drifts, read_clock
from netboot_site.doctor.findings import Finding
from netboot_site.doctor.place import Beat
from netboot_site.doctor.storage import judge_data_path, judge_storage
from netboot_site.doctor.workers import (
    judge_database,
    judge_processes,
    judge_redis,
    judge_workers,
)
from netboot_site.formats import GIB
from netboot_site.host import FileSystem
from tests.netboot_site.doctor.places import FILE_SYSTEM, checked, facts, node, only, place, rows

LOADERS = frozenset({BIOS_LOADER, UEFI_LOADER, UEFI_FALLBACK_LOADER})
NONE: frozenset[str] = frozenset()


def by_key(findings: list[Finding]) -> dict[str, Finding]:
    found = {finding.key: checked(finding) for finding in findings}
    assert len(found) == len(findings), "two findings share a key"
    return found


def file_system(**changes: Any) -> FileSystem:
    return FileSystem(**{**FILE_SYSTEM, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "key", "state", "what"),
    [
        (BootFiles(LOADERS, NONE, ""), "loader-bios", "good", "undionly.kpxe: served as installed."),
        (BootFiles(LOADERS, NONE, ""), "loader-uefi", "good", "snponly.efi and ipxe.efi: served as "),
        (BootFiles(LOADERS, NONE, ""), "loader-arm64", "good", "Not installed; no other machine misses it. "),
        (BootFiles(LOADERS, NONE, ""), "waiting-system", "good", "What it is made of is there."),
        (BootFiles(NONE, NONE, ""), "loader-bios", "bad", "undionly.kpxe is not installed on this host."),
        (
            BootFiles(NONE, NONE, ""), "loader-uefi", "bad",
            "snponly.efi and ipxe.efi is not installed on this host.",
        ),
        (
            BootFiles(LOADERS, frozenset({BIOS_LOADER}), ""), "loader-bios", "bad",
            "undionly.kpxe: what is served is missing or older than what is installed.",
        ),
        (
            BootFiles(LOADERS | {ARM64_LOADER}, NONE, ""), "loader-arm64", "good",
            "ipxe-arm64.efi: served as installed.",
        ),
        (
            BootFiles(LOADERS | {ARM64_LOADER}, frozenset({ARM64_LOADER}), ""), "loader-arm64", "bad",
            "ipxe-arm64.efi: what is served ",
        ),
        (BootFiles(LOADERS, NONE, "Packages are missing."), "waiting-system", "warning", "Packages "),
    ],
)  # fmt: skip
def test_every_architecture_has_its_loader(seen: BootFiles, key: str, state: str, what: str) -> None:
    finding = by_key(judge_boot_files(seen))[key]
    assert (finding.state, finding.what.startswith(what)) == (state, True), finding.what


def test_the_boot_files_of_this_host_are_looked_at(settings: Any, tmp_path: Any) -> None:
    settings.TFTP_PATH, settings.BOOT_FILES_PATH = tmp_path / "tftp", tmp_path / "boot"
    seen = read_boot_files()
    assert seen.stale == seen.installed, "nothing is served from an empty folder"


@pytest.mark.parametrize(
    ("changes", "state", "what"),
    [
        ({}, "good", "50.0 of 100 GiB are free."),
        ({"free_bytes": 4 * GIB}, "warning", "Only 4.0 of 100 GiB are free."),
        ({"free_bytes": GIB // 4}, "bad", "Only 0.2 of 100 GiB are free."),
        ({"free_files": 10}, "bad", "Only 10 more files can be made, though 50.0 of 100 GiB are free."),
        ({"free_files": None}, "good", "50.0 of 100 GiB are free."),
    ],
)
def test_there_is_room(changes: dict[str, Any], state: str, what: str) -> None:
    finding = checked(judge_data_path(file_system(**changes))[0])
    assert (finding.state, finding.what) == (state, what)


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        ({}, "good", "It is ext4. Holes are kept and made."),
        ({"kind": "xfs", "keeps_holes": None, "punches_holes": None}, "good", "It is xfs."),
        ({"kind": "tmpfs"}, "bad", "gone when this host restarts"),
        ({"kind": "vfat"}, "bad", "keeps no holes"),
        ({"keeps_holes": False}, "bad", "keeps no holes"),
        ({"kind": "nfs4"}, "warning", "a network file system"),
        ({"kind": "overlay"}, "warning", "a container's own layer"),
        ({"punches_holes": False}, "warning", "disks only grow"),
    ],
)
def test_the_file_system_keeps_what_it_is_given(changes: dict[str, Any], state: str, word: str) -> None:
    finding = checked(judge_data_path(file_system(**changes))[1])
    assert (finding.state, word in finding.what) == (state, True), finding.what


def test_a_folder_that_was_never_made_is_told() -> None:
    assert only(judge_data_path(None)).command == "make up"


@pytest.mark.parametrize(
    ("changes", "key", "state", "what"),
    [
        ({}, "portal-local", "good", "tgtd listens at 10.66.0.1:3260 alone."),
        (
            {"portals": ["0.0.0.0:3260", "[::]:3260"]}, "portal-local", "bad",
            "tgtd listens on every address (0.0.0.0:3260, [::]:3260), and is to listen at ",
        ),
        (
            {"portals": []}, "portal-local", "bad",
            "tgtd does not listen at 10.66.0.1:3260; it listens at none.",
        ),
        (
            {"portals": ["10.66.0.1:3260", "10.9.9.9:3260"]}, "portal-local", "warning",
            "tgtd listens at 10.9.9.9:3260 too, besides 10.66.0.1:3260.",
        ),
        ({"portals": None}, "portal-local", "bad", "The target server does not answer its worker."),
        ({}, "fuse-local", "good", "/dev/fuse can be used."),
        ({"fuse": "missing"}, "fuse-local", "warning", "/dev/fuse is not there, "),
        ({"fuse": "refused"}, "fuse-local", "warning", "/dev/fuse may not be opened by the storage user, "),
        ({"file_system": {**FILE_SYSTEM, "kind": "nfs4"}}, "file-system-local", "warning", "It is nfs4, "),
        ({"file_system": {**FILE_SYSTEM, "more": 1}}, "file-system-local", "good", "It is ext4."),
    ],
)  # fmt: skip
def test_a_storage_node_listens_where_it_is_to_and_serves_layers(
    changes: dict[str, Any], key: str, state: str, what: str
) -> None:
    findings = by_key(judge_storage(place(), [node(facts=facts(**changes))], has_overlays=False))
    assert (findings[key].state, findings[key].what.startswith(what)) == (state, True), findings[key].what


def test_layers_that_cannot_be_served_are_bad_where_machines_have_some() -> None:
    findings = by_key(judge_storage(place(), [node(facts=facts(fuse="missing"))], has_overlays=True))
    assert findings["fuse-local"].state == "bad"
    assert findings["fuse-local"].command == "sudo modprobe fuse"


def test_a_node_whose_worker_tells_nothing_is_not_known_and_one_that_is_missing_is_told() -> None:
    findings = by_key(judge_storage(place(), [node("disks-2", facts=None)], has_overlays=False))
    assert {key: str(finding.state) for key, finding in findings.items()} == {
        "portal-disks-2": "unknown", "portal-local": "bad",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("beat", "state", "what"),
    [
        (Beat(1.0, ""), "good", "Its last round ended 1 s ago."),
        (Beat(-0.2, ""), "good", "Its last round ended 0 s ago."),
        (Beat(1.0, "dnsmasq refuses it."), "warning", "It is troubled: dnsmasq refuses it."),
        (Beat(31.0, ""), "bad", "It was last seen at work 31 s ago."),
        (Beat(7200.0, "x"), "bad", "It was last seen at work 2 h ago."),
        (None, "bad", "It has not been seen at work yet."),
    ],
)
def test_a_worker_is_at_work_troubled_or_silent(beat: Beat | None, state: str, what: str) -> None:
    beats = {**rows().beats, "control": beat} if beat else {}
    finding = by_key(judge_workers(place(), rows(beats=beats)))["worker-control"]
    assert (finding.state, finding.what) == (state, what)


def test_every_node_has_its_workers_and_what_does_not_belong_here_is_not_missed() -> None:
    told = rows(nodes=(node(), node("disks-2")))
    keys = set(by_key(judge_workers(place(expected=frozenset()), told)))
    assert keys == {
        "worker-storage.local", "worker-storage.local.jobs", "worker-storage.disks-2",
        "worker-storage.disks-2.jobs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (rows(), "good"),
        ("connection refused", "bad"),
        ('connection to server on socket "..." failed: Permission denied', "unknown"),
    ],
)
def test_postgresql_answers_or_not(told: Any, state: str) -> None:
    assert only(judge_database(told)).state == state


@pytest.mark.parametrize(
    ("told", "state"), [("healthy", "good"), ("does not answer", "bad"), ("", "unknown")]
)
def test_redis_answers_or_not(told: str, state: str) -> None:
    assert only(judge_redis(told)).state == state


def test_processes_that_do_not_run_are_named() -> None:
    findings = by_key(judge_processes(place(), {"boot": "healthy", "dnsmasq": "does not run"}))
    assert findings["process-boot"].state == "good"
    assert findings["process-dnsmasq"].what == "It does not run."
    assert findings["process-dnsmasq"].command.endswith('/logs/dnsmasq.log"')


def test_processes_that_may_not_be_seen_are_not_known() -> None:
    assert {finding.state for finding in judge_processes(place(), None)} == {"unknown"}


def test_without_root_it_says_that_machines_cannot_boot() -> None:
    findings = by_key(judge_processes(place(expected=frozenset({"boot"})), {"boot": "healthy"}))
    assert (findings["process-dnsmasq"].state, findings["process-dnsmasq"].command) == ("bad", "sudo make up")


NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("clock", "state"),
    [
        (Clock(NOW, True), "good"),
        (Clock(NOW, False), "warning"),
        (Clock(NOW, None), "unknown"),
        (Clock(NOW.replace(year=1970), True), "bad"),
        (Clock(NOW.replace(year=2150), True), "bad"),
    ],
)
def test_the_clock_is_right_and_kept_so(clock: Clock, state: str) -> None:
    assert only(judge_clock(clock)).state == state


def test_the_clock_of_this_host_tells_the_time() -> None:
    assert abs((datetime.now(UTC) - read_clock().now).total_seconds()) < 5


@pytest.mark.parametrize(
    ("seconds", "state", "what"),
    [
        (0.0, "good", "They agree within 0.001 s."),
        (-1.5, "good", "They agree within 1.500 s."),
        (-3.0, "warning", "The clock of this host is 3 s behind the database's."),
        (3600.0, "bad", "The clock of this host is 3600 s ahead of the database's."),
    ],
)
def test_this_host_and_the_database_agree_on_the_time(seconds: float, state: str, what: str) -> None:
    finding = by_key(judge_drifts(rows(clock_offset_seconds=seconds)))["drift-database"]
    assert (finding.state, finding.what) == (state, what)


def test_a_storage_nodes_clock_that_differs_is_told_by_its_name() -> None:
    nodes = (node(), node("disks-2", facts=facts(clock_offset_seconds=-9.0)), node("gone", facts=None))
    findings = by_key(judge_drifts(rows(nodes=nodes)))
    assert findings["drift-disks-2"].what == (
        "The clock of the storage node disks-2 is 9 s behind the database's."
    )
    assert "drift-gone" not in findings
