"""Another boot network is chosen while everything runs: it starts again there, or it is said why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netboot_site.errors import UnavailableError
from netboot_site.network_file import KeptChoice, keep
from netboot_site.runtime import configuration, launcher, logs, network, preflight, supervision
from netboot_site.runtime.first_look import look_first
from netboot_site.runtime.launcher import Launcher, Plan, StopAsked, environment, launch
from netboot_site.runtime.layout import Account, Accounts
from netboot_site.runtime.network import BootEndpoint
from tests.netboot_site.test_runtime_launcher import signals_and_umask_come_back

__all__ = ["signals_and_umask_come_back"]
HOME, AWAY = BootEndpoint("eth0", "192.168.7.2"), BootEndpoint("eth1", "192.168.8.2")
PERSON = Account("jo", 1000, 1000)
PEOPLE = Accounts(PERSON, PERSON, PERSON)


@pytest.fixture
def here(instance: Accounts, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host with two networks; nothing is set in the environment."""
    settings.BOOT_INTERFACE = settings.BOOT_ADDRESS = ""
    settings.NETWORK_FIXED = []

    def resolve(interface: str, address: str) -> BootEndpoint:
        if interface not in ("", "eth0", "eth1"):
            raise UnavailableError(f"there is no interface {interface} here")
        return AWAY if interface == "eth1" else HOME

    monkeypatch.setattr(network, "resolve", resolve)
    monkeypatch.setattr(preflight, "check_disk", lambda path: [])
    monkeypatch.setattr(preflight, "check_ports", lambda ports: [])
    return settings


def chosen(here: Any, interface: str, mode: str = "proxy", pool: str = "") -> None:
    keep(here.NETWORK_CHOICE_PATH, KeptChoice(interface, mode, pool))


class TestFirstLook:
    """What is settled before anything starts."""

    def test_the_chosen_interface_is_taken(self, here: Any) -> None:
        assert look_first()[1] == HOME
        chosen(here, "eth1")
        assert look_first()[1] == AWAY

    @pytest.mark.parametrize("variable", ["BOOT_INTERFACE", "BOOT_ADDRESS"])
    def test_the_environment_comes_first(self, here: Any, variable: str) -> None:
        chosen(here, "eth1")
        here.NETWORK_FIXED = [variable]
        assert look_first()[1] == HOME

    def test_a_storage_node_has_no_choice(self, here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        chosen(here, "eth1")
        here.STORAGE_ONLY, here.SECRET_KEY_IS_KEPT = True, True
        monkeypatch.setattr(preflight, "check_shared", lambda variables: [])
        assert look_first()[1] == HOME

    def test_a_chosen_pool_is_checked_like_a_given_one(self, here: Any) -> None:
        chosen(here, "eth1", "server", "192.168.8.1,192.168.8.9")
        with pytest.raises(UnavailableError, match=r"holds our own address 192\.168\.8\.2"):
            look_first()

    @pytest.mark.parametrize(("mode", "ports"), [("off", set()), ("server", {67}), ("proxy", {67, 4011})])
    def test_ports_are_those_of_the_chosen_mode(self, here: Any, mode: str, ports: set[int]) -> None:
        chosen(here, "eth0", mode)
        found = configuration.ports(HOME, privileged=True)
        assert {port.number for port in found if port.shared} == ports

    def test_programs_are_told_which_variables_are_set(self, here: Any) -> None:
        plan = Plan(PEOPLE, AWAY, [])
        assert environment(plan)["NETWORK_FIXED"] == ""
        here.NETWORK_FIXED = ["DHCP_MODE", "DHCP_RANGE"]
        assert environment(plan)["NETWORK_FIXED"] == "DHCP_MODE,DHCP_RANGE"


class Supervisor:
    """Lives for so many looks; at one of them a person has just chosen."""

    def __init__(self, looks: int, choose: Callable[[], None] = lambda: None) -> None:
        self.looks, self.choose = looks, choose

    def poll(self) -> int | None:
        self.looks -= 1
        self.choose()
        if self.looks < 0:
            raise StopAsked
        return None


@pytest.fixture
def run(here: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs a launcher whose starts come out as listed; tells where it started and what it said."""
    told: list[str] = []

    def run_it(*starts: Any) -> list[str]:
        left = list(starts)

        def start(self: Launcher, plan: Plan) -> None:
            told.append(f"(start at {plan.endpoint.interface})")
            found = left.pop(0)
            if isinstance(found, Exception):
                raise found
            self._supervisor = found

        monkeypatch.setattr(Launcher, "_start", start)
        monkeypatch.setattr(launcher, "prepare", lambda accounts, endpoint, say: Plan(PEOPLE, endpoint, []))
        monkeypatch.setattr(launcher.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(logs, "rotate_nginx_logs", lambda: None)
        monkeypatch.setattr(supervision, "former_session", lambda: None)
        monkeypatch.setattr(supervision, "stop_program", lambda *words: None)
        monkeypatch.setattr(supervision, "stop", lambda process: told.append("(stop)"))
        told.append(launch(told.append))
        return told

    return run_it


END = ["stopping ...", "(stop)", "stopped.", ""]
MOVED = "the boot network is now eth1: starting again at 192.168.8.2 ..."


def test_everything_is_stopped_and_starts_again_on_the_chosen_interface(
    here: Any, run: Callable[..., list[str]]
) -> None:
    told = run(Supervisor(9, lambda: chosen(here, "eth1")), Supervisor(3))
    assert told == ["(start at eth0)", MOVED, "(stop)", "(start at eth1)", *END]


def test_another_mode_on_the_same_interface_restarts_nothing(
    here: Any, run: Callable[..., list[str]]
) -> None:
    told = run(Supervisor(3, lambda: chosen(here, "eth0", "off")))
    assert told == ["(start at eth0)", *END]


def test_an_interface_that_is_gone_is_said_once_and_nothing_stops(
    here: Any, run: Callable[..., list[str]]
) -> None:
    told = run(Supervisor(5, lambda: chosen(here, "eth9")))
    refused = "The boot network that was chosen cannot be used:\nthere is no interface eth9 here"
    assert told == ["(start at eth0)", refused, *END]


def test_a_port_that_is_taken_there_is_found_before_anything_stops(
    here: Any, run: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        preflight, "check_ports", lambda ports: asked.extend(ports) or ["TCP port 3260 is taken."]
    )
    told = run(Supervisor(5, lambda: chosen(here, "eth1")))
    assert told[1] == "The boot network that was chosen cannot be used:\nTCP port 3260 is taken."
    assert told[2:] == END
    assert {(port.address, port.number) for port in asked} == {("192.168.8.2", here.ISCSI_PORT)}


def test_what_does_not_come_up_there_runs_here_again(here: Any, run: Callable[..., list[str]]) -> None:
    first = Supervisor(9, lambda: chosen(here, "eth1"))
    told = run(first, UnavailableError("tgtd did not start."), Supervisor(3))
    back = "tgtd did not start.\nIt cannot run at 192.168.8.2; going back to 192.168.7.2 ..."
    again = ["(start at eth1)", back, "(stop)", "(start at eth0)"]
    assert told == ["(start at eth0)", MOVED, "(stop)", *again, *END]


def test_what_comes_up_nowhere_ends_with_its_reason(here: Any, run: Callable[..., list[str]]) -> None:
    first = Supervisor(9, lambda: chosen(here, "eth1"))
    told = run(first, UnavailableError("No room there."), UnavailableError("No room here."))
    assert told[-1] == "No room here."
