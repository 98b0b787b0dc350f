"""What each Raspberry Pi is answered, octet by octet, by a real dnsmasq in both modes, beside PCs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.bootflow.dhcp_lab import SERVER, Answer, Client, Lab, fetch, lab, real_dnsmasq_is_here
from tests.bootflow.running import Running, network, running_dnsmasq
from tests.bootflow.test_dnsmasq_answers import FEATURES, HTTP_LOADER, SCRIPT, pi_id, pxe

pytestmark = [
    pytest.mark.real_dnsmasq,
    pytest.mark.skipif(not real_dnsmasq_is_here(), reason="needs root, dnsmasq and iproute2"),
]

# Parameter lists (option 55): raspberrypi/documentation, boot-net.adoc; rpi-eeprom issues 58 and 74.
ROM = bytes([43, 60, 128, 129, 130, 131, 132, 133, 134, 135, 66])
EEPROM = bytes([1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135])
PIS = {
    "Pi 2 or 3B, boot ROM": Client(
        "b8:27:eb:6c:4c:16", pxe(0), 0, machine_id=b"\0" + b"\x44" * 16, wants=ROM
    ),
    "Pi 3B+, boot ROM": Client(
        "b8:27:eb:64:24:7d", pxe(0), 0, machine_id=b"\0" + bytes.fromhex("7d246455") * 4, wants=ROM
    ),
    "Pi 4, old EEPROM": Client(
        "dc:a6:32:01:36:c2", pxe(0), 0, machine_id=b"\0" + bytes.fromhex("effdfe9f") * 4, wants=EEPROM
    ),
    "Pi 4": Client("dc:a6:32:01:36:c3", pxe(0), 0, machine_id=pi_id(b"RPi4"), wants=EEPROM),
    "Pi 5": Client("2c:cf:67:01:02:03", pxe(0), 0, machine_id=pi_id(b"RPi5"), wants=EEPROM),
    "Pi of an address that somebody named": Client(
        "02:ab:cd:01:02:03", pxe(0), 0, machine_id=b"\0" + bytes.fromhex("effdfe9f") * 4, wants=EEPROM
    ),
}
# PXE 2.1, option 43: discovery control 3, prompt (no time, "PXE"), menu (type 0, 20 octets of text).
MENU = bytes.fromhex("06 01 03  0a 04 00 50 58 45  09 17 00 00 14") + b"Raspberry Pi Boot   " + b"\xff"
PCS = {
    "BIOS PC": (Client("52:54:00:00:00:01", pxe(0), 0), "undionly.kpxe"),
    "UEFI PC": (Client("52:54:00:00:00:02", pxe(7), 7), "snponly.efi"),
    "UEFI HTTP boot": (Client("52:54:00:00:00:0a", "HTTPClient:Arch:00016:UNDI:003001", 16), HTTP_LOADER),
    "iPXE": (Client("52:54:00:00:00:04", pxe(0), 0, b"iPXE", features=FEATURES), SCRIPT),
    "Pi with UEFI firmware": (Client("dc:a6:32:01:36:c3", pxe(11), 11), "ipxe-arm64.efi"),
    "iPXE on a Pi": (Client("dc:a6:32:01:36:c3", pxe(11), 11, b"iPXE", features=FEATURES), SCRIPT),
}
SETTINGS = {"has_arm64": True, "pi_prefixes": ("02abcd",)}


@pytest.fixture(scope="module")
def wire() -> Iterator[Lab]:
    with lab() as one:
        yield one


@pytest.fixture(scope="module")
def running(wire: Lab) -> Iterator[Running]:
    with running_dnsmasq(wire, network("server")) as one:
        yield one


@pytest.fixture(scope="module", params=["server", "proxy"])
def mode(request: pytest.FixtureRequest, running: Running) -> str:
    running.serve(network(request.param), **SETTINGS)
    return str(request.param)


def header(answer: Answer, client: Client) -> dict[str, bytes]:
    """The fixed part of a BOOTREPLY (RFC 2131, figure 1)."""
    raw = answer.raw
    assert raw[:4] == bytes([2, 1, 6, 0]), "op, htype, hlen, hops"
    assert raw[28:34] == bytes.fromhex(client.mac.replace(":", ""))
    assert raw[236:240] == bytes.fromhex("63825363"), "the magic cookie"
    return {"yiaddr": raw[16:20], "siaddr": raw[20:24], "sname": raw[44:108], "file": raw[108:236]}


@pytest.mark.parametrize("name", PIS)
def test_a_pi_is_offered_what_its_firmware_looks_for(
    name: str, mode: str, wire: Lab, running: Running
) -> None:
    client, ours = PIS[name], socket.inet_aton(SERVER)
    offer = wire.wire.discover(client)
    assert offer is not None, "no offer"
    fixed = header(offer, client)
    assert fixed["siaddr"] == ours
    assert (fixed["sname"], fixed["file"]) == (bytes(64), bytes(128)), "no loader of a PC's, no overload"
    assert (fixed["yiaddr"] == bytes(4)) == (mode == "proxy")
    wanted = {53: b"\2", 54: ours, 60: b"PXEClient", 97: client.machine_id, 43: MENU}
    if mode == "server":
        wanted[66] = SERVER.encode() + b"\0"  # RFC 2132, section 2: a reader drops the NUL
    assert {code: offer.options.get(code) for code in wanted} == wanted


@pytest.mark.parametrize("name", ["Pi 3B+, boot ROM", "Pi 4, old EEPROM", "Pi 4", "Pi 5"])
def test_a_pi_that_takes_its_address_is_told_the_same_again(name: str, wire: Lab, running: Running) -> None:
    running.serve(network("server"), **SETTINGS)
    offer = wire.wire.discover(PIS[name])
    assert offer is not None
    answer = wire.wire.request(PIS[name], offer.yiaddr)
    assert answer is not None
    told = {**answer.options, 53: b"\2"}
    assert answer.options[53] == b"\5"
    assert {code: told.get(code) for code in (43, 54, 60, 66, 97)} == {
        code: offer.options.get(code) for code in (43, 54, 60, 66, 97)
    }


def test_a_proxys_answer_holds_no_option_66_and_names_us_in_three_other_places(
    wire: Lab, running: Running
) -> None:
    """dnsmasq puts no further option into a proxy's answer; a release that does so is noticed here."""
    running.serve(network("proxy"), **SETTINGS)
    client = PIS["Pi 4"]
    for offer in (wire.wire.discover(client), wire.wire.boot_server(client)):
        assert offer is not None
        assert sorted(offer.options) == [43, 53, 54, 60, 97]
        assert (offer.siaddr, offer.options[54]) == (SERVER, socket.inet_aton(SERVER))


def test_a_proxy_leaves_the_request_for_an_address_to_the_server_that_offered_it(
    wire: Lab, running: Running
) -> None:
    running.serve(network("proxy"), **SETTINGS)
    assert wire.wire.request(PIS["Pi 4"], "10.66.0.77") is None


@pytest.mark.parametrize("name", PCS)
def test_beside_pis_each_other_machine_is_told_its_own_loader(
    name: str, mode: str, wire: Lab, running: Running
) -> None:
    client, file = PCS[name]
    offer = wire.wire.discover(client)
    assert offer is not None, "no offer"
    if mode == "proxy" and client.architecture in (7, 11) and not client.user_class:
        offer = wire.wire.boot_server(client)  # UEFI asks a proxy for the file on port 4011
        assert offer is not None, "no answer on port 4011"
    assert offer.boot_name == file
    assert b"Raspberry Pi Boot" not in offer.options.get(43, b"")


def test_where_there_is_no_loader_for_arm64_a_pi_with_uefi_firmware_gets_no_other(
    wire: Lab, running: Running
) -> None:
    running.serve(network("server"))
    offer = wire.wire.discover(PCS["Pi with UEFI firmware"][0])
    assert offer is not None
    assert offer.boot_name == ""


def test_a_pi_keeps_its_answer_whatever_vendor_version_it_tells(wire: Lab, running: Running) -> None:
    """Early EEPROMs say UNDI 2.1, later ones may say anything: the class up to the architecture decides."""
    running.serve(network("server"), **SETTINGS)
    offer = wire.wire.discover(replace(PIS["Pi 4"], vendor_class="PXEClient:Arch:00000:UNDI:003016"))
    assert offer is not None
    assert offer.options[43] == MENU


@pytest.mark.parametrize(
    "path",
    ["../dnsmasq.conf", "/etc/passwd", "9ffefdef/../../dnsmasq.conf", "x" * 490, "a/" * 200, "%2e%2e/x"],
)
def test_a_path_that_leads_elsewhere_is_refused_at_once(path: str, wire: Lab, running: Running) -> None:
    assert fetch(wire.client, path) == b""
