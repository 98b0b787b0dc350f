"""The DHCP server's port: one suite for the fake and for the real dnsmasq."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootflow.ports import DhcpServer
from netboot_site.errors import ValidationError
from tests.bootflow.dhcp_lab import lab, real_dnsmasq_is_here
from tests.bootflow.fakes import FakeDhcpServer
from tests.bootflow.running import network, running_dnsmasq, wait_for

real = pytest.param(
    "real",
    marks=[
        pytest.mark.real_dnsmasq,
        pytest.mark.skipif(not real_dnsmasq_is_here(), reason="needs root, dnsmasq and iproute2"),
    ],
)
ACCEPTED = "port=0\nbind-dynamic\n"


@pytest.fixture(params=["fake", real])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[DhcpServer, str]]:
    """A running server, and a configuration that it accepts."""
    if request.param == "fake":
        yield FakeDhcpServer(config=ACCEPTED), ACCEPTED + "# changed\n"
        return
    with lab() as wire, running_dnsmasq(wire, network("server")) as one:
        yield one.server, one.config(network("proxy"))


def test_a_running_server_shows_its_configuration_and_its_process(server: Any) -> None:
    observed = server[0].observe()
    assert observed.config.startswith(("port=0", "# Written"))
    assert observed.process_id
    assert observed.is_current


def test_a_new_configuration_is_in_place_but_not_served_before_a_restart(server: Any) -> None:
    one, config = server
    before = one.observe().process_id
    one.install(config)
    observed = one.observe()
    assert observed.config == config
    assert (observed.process_id, observed.is_current) == (before, False)


def test_after_a_restart_it_serves_the_new_configuration_with_a_new_process(server: Any) -> None:
    one, config = server
    before = one.observe().process_id
    one.install(config)
    one.restart()
    wait_for(lambda: one.observe().is_current)
    assert one.observe().process_id != before


def test_a_configuration_that_is_refused_leaves_the_old_one_in_place_and_in_service(server: Any) -> None:
    one, _ = server
    before = one.observe()
    with pytest.raises(ValidationError, match="refuses"):
        one.install("port=0\nno-such-option=1\n")
    assert one.observe() == before


def test_no_path_of_the_server_is_in_what_a_refusal_says(server: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        server[0].install("no-such-option\n")
    assert "/" not in str(refusal.value)


def test_a_restart_of_what_does_not_run_does_nothing(server: Any) -> None:
    one, _ = server
    one.restart()
    one.restart()
    wait_for(lambda: one.observe().is_current)


@pytest.mark.real_dnsmasq
@pytest.mark.skipif(not real_dnsmasq_is_here(), reason="needs root, dnsmasq and iproute2")
def test_dnsmasq_that_was_killed_ends_its_keeper_for_the_supervisor_to_start_anew() -> None:
    with lab() as wire, running_dnsmasq(wire, network("server")) as one:
        process_id = one.server.observe().process_id
        assert process_id
        os.kill(process_id, signal.SIGKILL)
        assert one.keeper.wait(10) != 0


@pytest.mark.real_dnsmasq
@pytest.mark.skipif(not real_dnsmasq_is_here(), reason="needs root, dnsmasq and iproute2")
def test_dnsmasq_goes_when_its_keeper_is_killed() -> None:
    with lab() as wire, running_dnsmasq(wire, network("server")) as one:
        process_id = one.server.observe().process_id
        one.keeper.kill()
        one.keeper.wait(10)
        wait_for(lambda: not Path(f"/proc/{process_id}").exists())
        assert one.server.observe().process_id is None


def test_a_pid_that_another_program_has_now_is_not_taken_for_dnsmasq(tmp_path: Path) -> None:
    from bootflow.adapters import Dnsmasq

    (tmp_path / "dnsmasq.pid").write_text(f"{os.getpid()}\n")
    assert Dnsmasq(tmp_path).observe().process_id is None
    Dnsmasq(tmp_path).restart()  # would end this very test


@pytest.mark.parametrize("text", ["", "x", "-1", "99999999999", "12 13"])
def test_a_pid_file_with_nonsense_in_it_names_no_process(tmp_path: Path, text: str) -> None:
    from bootflow.adapters import Dnsmasq

    (tmp_path / "dnsmasq.pid").write_text(text)
    assert Dnsmasq(tmp_path).observe().process_id is None
