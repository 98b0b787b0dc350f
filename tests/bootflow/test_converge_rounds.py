"""Rounds of the converger from any state to the wanted one, and then nothing more to do."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.convergence import Install, Restart, apply, converge, desired_config, plan
from bootflow.models import BootNetwork
from bootflow.ports import ObservedDhcp
from netboot_site.errors import ValidationError
from tests.bootflow.fakes import LOADERS, FakeDhcpServer, FakeHost

configs = st.sampled_from(["a", "b", "", "a\n"])
process_ids = st.none() | st.integers(1, 9)
observations = st.builds(ObservedDhcp, st.none() | configs, process_ids, st.booleans())


@given(configs, observations)
def test_a_plan_installs_before_it_restarts_and_never_without_need(desired: str, now: ObservedDhcp) -> None:
    actions = plan(desired, now)
    assert actions in ([], [Restart()], [Install(desired), Restart()])
    assert (Install(desired) in actions) == (now.config != desired)
    if now.config == desired and (now.is_current or now.process_id is None):
        assert actions == []


@given(configs, st.none() | configs, process_ids, st.none() | configs)
def test_one_round_reaches_what_is_wanted_and_the_next_does_nothing(
    desired: str, config: str | None, process_id: int | None, served: str | None
) -> None:
    server = FakeDhcpServer(config=config, process_id=process_id)
    server.served = served
    apply(plan(desired, server.observe()), server)
    assert server.config == desired
    assert process_id is None or server.served == desired
    assert plan(desired, server.observe()) == []
    assert server.restarts <= 1


@pytest.fixture
def network(settings: Any, db: None) -> Any:
    settings.DHCP_MODE, settings.DHCP_RANGE = "proxy", ""
    settings.BOOT_INTERFACE, settings.BOOT_ADDRESS = "eth0", "10.66.0.1"
    return settings


PREFIXES = {("eth0", IPv4Address("10.66.0.1")): 24}


def further(interface: str, number: int, **changes: Any) -> BootNetwork:
    given = {
        "address": f"10.77.{number}.1", "first_address": f"10.77.{number}.10",
        "last_address": f"10.77.{number}.20", **changes,
    }  # fmt: skip
    return BootNetwork.objects.create(interface=interface, **given)


def test_the_same_rows_make_the_same_file_in_whatever_order_they_came(network: Any) -> None:
    files = []
    for order in ((1, 2, 3), (3, 1, 2)):
        BootNetwork.objects.all().delete()
        for number in order:
            further(f"nb{number}", number)
        files.append(desired_config(PREFIXES, has_arm64=False))
    assert files[0] == files[1]


def test_a_further_network_on_the_main_interface_does_not_stand_twice(network: Any) -> None:
    further("eth0", 1)
    config = desired_config(PREFIXES, has_arm64=False)
    assert config.count("interface=eth0") == 1
    assert "10.77.1.10" not in config


def test_a_further_networks_own_length_counts_until_its_interface_tells_another(network: Any) -> None:
    further("nb1", 1, prefix_length=28, first_address="10.77.1.2", last_address="10.77.1.9")
    assert "255.255.255.240" in desired_config(PREFIXES, has_arm64=False)
    told = {**PREFIXES, ("nb1", IPv4Address("10.77.1.1")): 24}
    assert "255.255.255.240" not in desired_config(told, has_arm64=False)


@pytest.mark.parametrize(
    "wrong",
    [{"first_address": "10.9.9.9"}, {"first_address": "10.77.1.30"}, {"address": "10.77.1.15"},
     {"last_address": "10.78.1.1"}],
)  # fmt: skip
def test_a_further_network_that_cannot_be_keeps_the_old_file_and_is_told(
    network: Any, wrong: dict[str, str]
) -> None:
    further("nb1", 1, **wrong)
    with pytest.raises(ValidationError):
        desired_config(PREFIXES, has_arm64=False)
    server = FakeDhcpServer(config="as it was")
    assert converge(server, FakeHost())
    assert (server.config, server.restarts) == ("as it was", 0)


def test_loaders_and_configuration_are_mended_each_for_itself(network: Any) -> None:
    network.DHCP_MODE = "both"
    host = FakeHost(installed=LOADERS[:2], stale=list(LOADERS[:2]))
    trouble = converge(FakeDhcpServer(), host)
    assert host.copied == list(LOADERS[:2]), "a wrong setting keeps no loader from being copied"
    assert trouble.startswith("Boot loaders are missing (ipxe.efi): install the Debian package ipxe.")
    assert "DHCP_MODE is proxy, server or off" in trouble
