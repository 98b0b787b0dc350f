"""What each kind of machine is answered, by a real dnsmasq to byte-level clients in network namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootflow.dhcp_lab import SERVER, Client, Lab, fetch, lab, real_dnsmasq_is_here
from tests.bootflow.running import LOADERS, Running, network, running_dnsmasq, wait_for

pytestmark = [
    pytest.mark.real_dnsmasq,
    pytest.mark.skipif(not real_dnsmasq_is_here(), reason="needs root, dnsmasq and iproute2"),
]

SCRIPT = "http://10.66.0.1:8080/boot/boot.ipxe"
HTTP_LOADER = "http://10.66.0.1:8080/boot/files/loaders/snponly.efi"
PI_MENU = b"Raspberry Pi Boot   "
USE_THE_FILE = bytes.fromhex("06 01 08")  # PXE 2.1, discovery control: no menu, load the named file


def pxe(architecture: int) -> str:
    return f"PXEClient:Arch:{architecture:05d}:UNDI:002001"


def pi_id(four_cc: bytes) -> bytes:
    return b"\0" + four_cc + bytes.fromhex("1401c0000101a8329ffefdef")


FEATURES = bytes.fromhex("b105018086100e130101")
CLIENTS = {
    "BIOS PC": Client("52:54:00:00:00:01", pxe(0), 0),
    "UEFI PC (7)": Client("52:54:00:00:00:02", pxe(7), 7),
    "UEFI PC (9)": Client("52:54:00:00:00:03", pxe(9), 9),
    "iPXE on BIOS": Client("52:54:00:00:00:04", pxe(0), 0, b"iPXE", features=FEATURES),
    "iPXE on UEFI": Client("52:54:00:00:00:05", pxe(7), 7, b"iPXE", features=FEATURES),
    "iPXE by its user class alone": Client("52:54:00:00:00:14", pxe(0), 0, b"iPXE"),
    "iPXE by option 175 alone": Client("52:54:00:00:00:15", pxe(0), 0, features=FEATURES),
    "iPXE on a Pi": Client("dc:a6:32:00:00:15", pxe(11), 11, b"iPXE", features=FEATURES),
    "Pi 3": Client("b8:27:eb:00:00:06", pxe(0), 0, machine_id=b"\0" + b"\x44" * 16),
    "Pi 4": Client("dc:a6:32:00:00:07", pxe(0), 0, machine_id=pi_id(b"RPi4")),
    "Pi 5": Client("2c:cf:67:00:00:08", pxe(0), 0, machine_id=pi_id(b"RPi5")),
    "Pi 5 with a MAC of its owner's": Client("02:00:00:00:00:08", pxe(0), 0, machine_id=pi_id(b"RPi5")),
    "Pi 4 that tells its serial only": Client(
        "dc:a6:32:00:00:17", pxe(0), 0, machine_id=b"\0" + b"\x9f" * 16
    ),
    "UEFI HTTP boot": Client("52:54:00:00:00:0a", "HTTPClient:Arch:00016:UNDI:003001", 16),
    "ordinary system": Client("52:54:00:00:00:09", "systemd"),
    "ordinary system on a Pi": Client("dc:a6:32:00:00:09", "dhcpcd-9.4.1:Linux"),
}
# File, vendor class, and what option 43 holds.
IPXE = (SCRIPT, b"PXEClient", USE_THE_FILE)
PI = ("", b"PXEClient", PI_MENU)
EXPECTED_OF_SERVER = {
    "BIOS PC": ("undionly.kpxe", b"PXEClient", USE_THE_FILE),
    "UEFI PC (7)": ("snponly.efi", b"PXEClient", USE_THE_FILE),
    "UEFI PC (9)": ("snponly.efi", b"PXEClient", USE_THE_FILE),
    **{name: IPXE for name in CLIENTS if name.startswith("iPXE")},
    **{name: PI for name in CLIENTS if name.startswith("Pi ")},
    "UEFI HTTP boot": (HTTP_LOADER, b"HTTPClient", b""),
    "ordinary system": ("", b"", b""),
    "ordinary system on a Pi": ("", b"", b""),
}
EXPECTED_OF_PROXY = {
    "BIOS PC": ("undionly.kpxe", b"PXEClient", b"iPXE"),
    # Told on port 4011.
    "UEFI PC (7)": ("", b"PXEClient", b""),
    "UEFI PC (9)": ("", b"PXEClient", b""),
    **{name: (SCRIPT, b"PXEClient", b"") for name in CLIENTS if name.startswith("iPXE")},
    **{name: PI for name in CLIENTS if name.startswith("Pi ")},
    "UEFI HTTP boot": (HTTP_LOADER, b"HTTPClient", b""),
}


@pytest.fixture(scope="module")
def wire() -> Iterator[Lab]:
    with lab() as one:
        yield one


@pytest.fixture(scope="module")
def server(wire: Lab) -> Iterator[Running]:
    with running_dnsmasq(wire, network("server")) as one:
        yield one


class TestServer:
    """DHCP_MODE=server: nobody else hands out addresses."""

    @pytest.mark.parametrize("name", EXPECTED_OF_SERVER)
    def test_each_kind_of_machine_is_offered_an_address_and_what_it_can_start(
        self, name: str, wire: Lab, server: Running
    ) -> None:
        client, (file, vendor_class, menu) = CLIENTS[name], EXPECTED_OF_SERVER[name]
        offer = wire.wire.discover(client)
        assert offer is not None, "no offer"
        assert offer.yiaddr.startswith("10.66.0.1"), offer
        assert (offer.boot_name, offer.vendor_class, offer.siaddr) == (file, vendor_class, SERVER)
        assert menu in offer.options.get(43, b"")
        assert (43 in offer.options) == bool(vendor_class)
        answer = wire.wire.request(client, offer.yiaddr)
        assert answer is not None
        assert (answer.options[53], answer.boot_name) == (b"\5", file)

    def test_an_offer_does_not_wait_for_a_ping(self, wire: Lab, server: Running) -> None:
        assert wire.wire.discover(Client("52:54:00:00:77:01", pxe(0), 0), seconds=0.5) is not None

    def test_a_pi_is_told_the_tftp_server_in_option_66_too(self, wire: Lab, server: Running) -> None:
        offer = wire.wire.discover(CLIENTS["Pi 3"])
        assert offer is not None
        assert offer.options[66].rstrip(b"\0") == SERVER.encode()

    def test_ipxe_need_not_wait_for_a_proxys_answer(self, wire: Lab, server: Running) -> None:
        offer = wire.wire.discover(CLIENTS["iPXE on BIOS"])
        assert offer is not None
        assert b"\xb0\x01\x01" in offer.options[175]  # no-pxedhcp = 1

    @pytest.mark.parametrize("name", LOADERS)
    def test_the_loaders_come_whole_by_tftp(self, name: str, wire: Lab, server: Running) -> None:
        assert len(fetch(wire.client, name)) == LOADERS[name] + len(name)

    @pytest.mark.parametrize("name", ["no-such-file", "../dnsmasq.conf", "/etc/passwd"])
    def test_nothing_else_does(self, name: str, wire: Lab, server: Running) -> None:
        assert fetch(wire.client, name) == b""

    def test_it_runs_as_an_ordinary_user_with_three_capabilities(self, server: Running) -> None:
        process_id = server.server.observe().process_id
        status = Path(f"/proc/{process_id}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert "0" not in fields["Uid"].split()
        wanted = 1 << 10 | 1 << 12 | 1 << 13  # capabilities(7): net_bind_service, net_admin, net_raw
        assert int(fields["CapEff"], 16) == wanted
        assert int(fields["CapBnd"], 16) == wanted


@pytest.fixture(scope="class")
def proxy(wire: Lab, server: Running) -> Iterator[Running]:
    server.serve(network("proxy"))
    yield server
    server.serve(network("server"))


class TestProxy:
    """DHCP_MODE=proxy: another server hands out the addresses."""

    @pytest.mark.parametrize("name", EXPECTED_OF_PROXY)
    def test_each_kind_of_machine_is_told_what_it_can_start_and_given_no_address(
        self, name: str, wire: Lab, proxy: Running
    ) -> None:
        file, vendor_class, menu = EXPECTED_OF_PROXY[name]
        offer = wire.wire.discover(CLIENTS[name])
        assert offer is not None, "no offer"
        assert (offer.boot_name, offer.vendor_class) == (file, vendor_class)
        assert (offer.siaddr, offer.yiaddr) == (SERVER, "0.0.0.0")
        assert menu in offer.options.get(43, b"")

    @pytest.mark.parametrize("name", ["ordinary system", "ordinary system on a Pi"])
    def test_an_ordinary_system_is_not_answered(self, name: str, wire: Lab, proxy: Running) -> None:
        assert wire.wire.discover(CLIENTS[name], seconds=1) is None

    @pytest.mark.parametrize("name", ["UEFI PC (7)", "UEFI PC (9)"])
    def test_uefi_is_told_its_loader_on_port_4011(self, name: str, wire: Lab, proxy: Running) -> None:
        answer = wire.wire.boot_server(CLIENTS[name])
        assert answer is not None, "no answer on port 4011"
        assert (answer.boot_name, answer.siaddr) == ("snponly.efi", SERVER)

    def test_a_bios_that_chose_from_the_menu_is_told_its_loader_on_port_4011(
        self, wire: Lab, proxy: Running
    ) -> None:
        item = bytes.fromhex("47 04 80 00 00 00 ff")  # PXE 2.1: boot item, type 0x8000
        answer = wire.wire.boot_server(CLIENTS["BIOS PC"], item)
        assert answer is not None, "no answer on port 4011"
        assert (answer.boot_name, answer.siaddr) == ("undionly.kpxe", SERVER)

    def test_ipxe_is_told_its_script_on_port_4011_too(self, wire: Lab, proxy: Running) -> None:
        answer = wire.wire.boot_server(CLIENTS["iPXE on UEFI"])
        assert answer is not None
        assert answer.boot_name == SCRIPT

    def test_the_menu_of_a_bios_has_one_item_and_waits_for_no_key(self, wire: Lab, proxy: Running) -> None:
        offer = wire.wire.discover(CLIENTS["BIOS PC"])
        assert offer is not None
        menu = offer.options[43]
        prompt = menu[menu.index(b"\x0a\x04") + 2]  # PXE 2.1: the prompt's time limit; 255 waits for ever
        assert prompt == 0
        assert menu.count(b"iPXE") == 1


class TestOff:
    """DHCP_MODE=off: another program does all of it."""

    def test_nobody_is_answered_and_no_file_is_served(self, wire: Lab, server: Running) -> None:
        server.serve()
        assert wire.wire.discover(CLIENTS["BIOS PC"], seconds=1) is None
        with pytest.raises(TimeoutError):
            fetch(wire.client, "undionly.kpxe")
        server.serve(network("server"))


class TestInterfaces:
    """Interfaces come and go."""

    def test_an_interface_that_comes_later_or_is_made_anew_is_served(
        self, server: Running, wire: Lab
    ) -> None:
        with lab(wire.server, "nblate") as late:
            wait_for(lambda: late.wire.discover(CLIENTS["BIOS PC"], seconds=0.3) is None, 5)
            server.serve(network("server", "nblate"))
            assert late.wire.discover(CLIENTS["BIOS PC"]) is not None
        with lab(wire.server, "nblate") as again:
            wait_for(lambda: again.wire.discover(CLIENTS["BIOS PC"], seconds=0.5), 10)
        server.serve(network("server"))
