"""What we say that dnsmasq answers is what a real dnsmasq answers, field by field and option by option."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bootflow.dhcp_answer import Asker, DhcpAnswer, answers_of
from tests.bootflow.dhcp_lab import Answer, Client, Lab, lab, real_dnsmasq_is_here
from tests.bootflow.running import Running, network, running_dnsmasq
from tests.bootflow.test_dnsmasq_answers import CLIENTS

pytestmark = [
    pytest.mark.real_dnsmasq,
    pytest.mark.skipif(not real_dnsmasq_is_here(), reason="needs root, dnsmasq and iproute2"),
]
ASKED = [
    "BIOS PC", "UEFI PC (7)", "UEFI PC (9)", "iPXE on BIOS", "iPXE on UEFI", "Pi 3", "Pi 4", "Pi 5",
    "UEFI HTTP boot",
]  # fmt: skip


@pytest.fixture(scope="module")
def wire() -> Iterator[Lab]:
    with lab() as one:
        yield one


@pytest.fixture(scope="module")
def running(wire: Lab) -> Iterator[Running]:
    with running_dnsmasq(wire, network("server")) as one:
        yield one


@pytest.fixture(scope="module", params=["server", "proxy"])
def serving(request: pytest.FixtureRequest, wire: Lab, running: Running) -> tuple[Lab, str]:
    running.serve(network(request.param))
    return wire, running.config(network(request.param))


def asker_of(client: Client) -> Asker:
    return Asker(
        mac=client.mac, vendor_class=client.vendor_class, architecture=client.architecture or 0,
        user_class=client.user_class.decode(), machine_id=client.machine_id, is_ipxe=bool(client.features),
        wants=frozenset(client.wants),
    )  # fmt: skip


def seen(answer: Answer) -> tuple[str, str, dict[int, bytes]]:
    return answer.file, answer.siaddr, answer.options


def foretold(answer: DhcpAnswer) -> tuple[str, str, dict[int, bytes]]:
    return answer.file, answer.next_server, {option.number: option.octets for option in answer.options}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_foretold_is_what_dnsmasq_says(name: str, serving: tuple[Lab, str]) -> None:
    wire, config = serving
    client = CLIENTS[name]
    told = answers_of(config, "nbserver", asker_of(client))
    offer = wire.wire.discover(client)
    assert offer is not None, "no offer"
    assert foretold(told[0]) == seen(offer)
    assert bool(told[0].address) == (offer.yiaddr != "0.0.0.0")
    if len(told) > 1:
        second = wire.wire.boot_server(client)
        assert second is not None, "nothing on port 4011"
        assert foretold(told[1]) == seen(second)
