"""An examination ends in time and says what it could not see, whatever is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from bootflow.models import BootNetwork, WireLook
from netboot_site.doctor import examination, looking
from netboot_site.doctor.doctor import Doctor
from netboot_site.doctor.examination import Report, Silent, examine, read_all
from netboot_site.doctor.findings import Finding, State
from netboot_site.doctor.place import Look, place_of, read_rows
from netboot_site.doctor.reach import Reached
from netboot_site.doctor.sockets import Listening
from netboot_site.errors import UnavailableError
from netboot_site.heartbeat import beat, tell_facts
from netboot_site.models import HostFacts
from tests.netboot_site.doctor.places import FACTS, OURS, ROUTER, checked, look, node, place, rows

TOLD = {
    "interface": "eth7", "address": "10.7.0.1", "dhcp_mode": "server", "expected": ["tgtd"],
    "node": "local", "api_port": 1, "dashboard_port": 2, "boot_http_port": 3, "iscsi_port": 4,
}  # fmt: skip


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[..., None]:
    """Readers that see a sound installation; a test replaces some."""
    settings.BOOT_INTERFACE, settings.BOOT_ADDRESS = "eth0", "10.66.0.1"

    def use(**seen: Any) -> None:
        given: dict[str, Any] = {
            "read_rows": rows(), "read_links": {}, "read_listening": Listening(), "read_rules": {},
            "read_reach": Reached("", "", {"local": ""}), "read_processes": {}, "read_redis": "healthy",
            **seen,
        }  # fmt: skip
        for name, value in given.items():
            monkeypatch.setattr(examination, name, value if callable(value) else lambda *_, v=value: v)

    use()
    return use


def fail(error: Exception) -> Callable[..., Any]:
    def raiser(*_: Any) -> Any:
        raise error

    return raiser


def by_key(report: Report) -> dict[str, Finding]:
    found = {finding.key: checked(finding) for finding in report.findings}
    assert len(found) == len(report.findings), "two findings share a key"
    return found


def test_a_reader_that_hangs_holds_up_nobody() -> None:
    never = threading.Event()
    seen = read_all({"slow": lambda: never.wait(30), "quick": lambda: 7}, 0.1)
    assert seen == {"slow": Silent("There was no answer within 0.1 s."), "quick": 7}
    never.set()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            UnavailableError("The program ip is not installed on this host."),
            "The program ip is not installed on",
        ),
        (PermissionError(13, "Permission denied"), "It cannot be seen: permission denied."),
        (OperationalError("connection refused"), "connection refused"),
        (ValueError("no JSON"), "What was seen cannot be understood."),
    ],
)
def test_a_reader_that_fails_says_why(error: Exception, why: str) -> None:
    assert read_all({"x": fail(error)}, 5)["x"].why.startswith(why)


def test_an_examination_gathers_every_check_by_group(readers: Callable[..., None]) -> None:
    report = examine()
    found = by_key(report)
    assert {"interface", "port-udp-67", "other-servers", "answers", "reach-tftp", "firewall", "loader-bios",
            "data-room", "portal-local", "fuse-local", "database", "redis", "worker-control",
            "process-dnsmasq", "clock", "drift-database"} <= set(found)  # fmt: skip
    groups = [finding.group for finding in report.findings]
    assert groups == sorted(groups, key=["Network", "Boot files", "Storage", "Services", "Time"].index)


def test_without_its_database_it_still_says_what_is_down(readers: Callable[..., None]) -> None:
    readers(read_rows=fail(OperationalError("connection refused")), read_our_variables={})
    found = by_key(examine())
    assert (found["database"].state, found["workers"].state) == ("bad", "unknown")
    assert found["redis"].state == "good"
    assert "port-tcp-8080" in found


def test_without_a_network_it_says_so_and_goes_on(readers: Callable[..., None], settings: Any) -> None:
    readers(
        read_rows=fail(OperationalError("away")),
        read_our_variables={},
        place_of=fail(UnavailableError("No.")),
    )
    found = by_key(examine())
    assert (found["interface"].state, found["interface"].what) == ("bad", "No.")
    assert "clock" in found


def test_a_user_who_may_see_nothing_is_told_no_harm(readers: Callable[..., None]) -> None:
    readers(
        read_rows=fail(OperationalError("Permission denied")), read_our_variables={},
        place_of=fail(UnavailableError("There is no default route.")),
    )  # fmt: skip
    found = by_key(examine())
    assert (found["database"].state, found["interface"].state) == ("unknown", "unknown")


def test_a_host_that_serves_disks_alone_misses_nothing_of_the_site(
    readers: Callable[..., None], settings: Any
) -> None:
    settings.STORAGE_NODE = "disks-2"
    nodes = (node("local"), node("disks-2"))
    readers(
        read_rows=rows(told=TOLD, nodes=nodes), read_processes={"storage-http": "healthy"},
        read_reach=Reached(None, None, {"local": "", "disks-2": ""}),
    )  # fmt: skip
    found = by_key(examine())
    assert {"reach-iscsi-disks-2", "portal-disks-2", "process-storage-http", "database"} <= set(found)
    assert not {"interface", "port-tcp-8080", "other-servers", "loader-bios", "process-dnsmasq"} & set(found)


def test_what_a_reader_does_not_see_is_not_known(readers: Callable[..., None]) -> None:
    readers(read_rules=fail(UnavailableError("Only root may read the firewall's rules.")))
    finding = by_key(examine())["firewall"]
    assert (finding.state, finding.what) == ("unknown", "Only root may read the firewall's rules.")


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([], "good"),
        (["good", "unknown"], "good"),
        (["unknown", "warning"], "warning"),
        (["warning", "bad"], "bad"),
    ],
)
def test_a_report_is_as_bad_as_the_worst_that_is_known(states: list[str], worst: str) -> None:
    findings = tuple(Finding("x", "Time", "x", State(state), "x.") for state in states)
    assert Report(timezone.now(), 0.1, findings).state == worst


# --- What the database tells ---


def test_the_control_worker_is_believed_before_a_shells_own_variables() -> None:
    found = place_of(TOLD, {"BOOT_INTERFACE": "eth9"})
    assert (found.interface, found.address, found.dhcp_mode, found.iscsi_port) == (
        "eth7",
        "10.7.0.1",
        "server",
        4,
    )
    assert not found.serves_boot


def test_the_launchers_variables_are_believed_where_the_worker_is_silent(
    settings: Any, tmp_path: Any
) -> None:
    settings.NETWORK_CHOICE_PATH = tmp_path / "none"
    variables = {"BOOT_INTERFACE": "eth9", "BOOT_ADDRESS": "10.9.0.1", "API_PORT": "9000",
                 "EXPECTED_SERVICES": "boot,dnsmasq"}  # fmt: skip
    found = place_of(None, variables)
    assert (found.interface, found.address, found.api_port) == ("eth9", "10.9.0.1", 9000)
    assert found.serves_boot


@pytest.mark.django_db
def test_rows_are_read_as_services_wrote_them(settings: Any) -> None:
    from images.models import StorageNode

    settings.BOOT_INTERFACE = "eth0"
    StorageNode.objects.create(name="local", portal_address="10.66.0.1", observed_target_server="ready")
    beat("control", last_error="x")
    tell_facts("storage.local", dict(FACTS))
    tell_facts("control", TOLD)
    WireLook.objects.create(interface="eth7", observed_at=timezone.now(), observed_servers=[OURS])
    BootNetwork.objects.create(
        interface="nb1", address="10.8.0.1", first_address="10.8.0.2", last_address="10.8.0.9"
    )
    found = read_rows()
    assert found.version[0].isdigit()
    assert found.beats["control"].error == "x"
    assert found.nodes[0].facts == FACTS
    assert found.told == TOLD
    assert found.look is not None
    assert found.look.servers == (OURS,)
    assert (found.has_further_networks, found.has_overlays) == (True, False)
    assert "10.8.0.1" in found.our_addresses


@pytest.mark.django_db
def test_facts_of_long_ago_are_none() -> None:
    tell_facts("control", TOLD)
    HostFacts.objects.update(observed_at=timezone.now() - timezone.timedelta(minutes=5))
    assert read_rows().told is None


# --- A look at the wire ---


def test_root_looks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking.os, "geteuid", lambda: 0)
    monkeypatch.setattr(looking, "look_now", lambda place, ours: look(ROUTER))
    assert looking.look_anew(place(), []) == look(ROUTER)


@pytest.mark.django_db
@pytest.mark.parametrize("answers", [True, False])
def test_others_let_the_control_worker_look_and_wait_for_it(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    def sleep(_: float) -> None:
        if answers:
            WireLook.objects.update(observed_at=timezone.now(), observed_servers=[ROUTER])

    monkeypatch.setattr(looking.os, "geteuid", lambda: 990)
    monkeypatch.setattr(looking, "_WORKER_WITHIN_SECONDS", 0.05)
    monkeypatch.setattr(looking.time, "sleep", sleep)
    found = looking.look_anew(place(), [])
    assert WireLook.objects.get().requested_at is not None
    assert isinstance(found, Look) == answers
    assert not answers or found.servers == (ROUTER,)  # type: ignore[union-attr]


# --- The doctor of a process ---


def test_only_one_examination_runs_at_a_time_and_everybody_gets_its_report() -> None:
    begun: list[bool] = []
    go_on = threading.Event()

    def slow(*, ask_wire: bool) -> Report:
        begun.append(ask_wire)
        go_on.wait(10)
        return Report(timezone.now(), 0.1, ())

    doctor = Doctor(slow)
    assert doctor.is_due
    doctor.start(ask_wire=True)
    doctor.start()
    while not begun:
        time.sleep(0.01)
    assert doctor.is_busy
    go_on.set()
    assert doctor.fresh() is doctor.report is not None
    assert not doctor.is_due
    assert begun == [True]
