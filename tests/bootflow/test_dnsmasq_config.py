"""dnsmasq's configuration: whole files against tests/golden/dnsmasq, and what cannot get into one."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.dnsmasq import DhcpMode, DnsmasqConfig, ServedNetwork, escape, parse_pool, render
from bootflow.raspberry_pi.identity import is_pi_mac, mac_patterns
from netboot_site.errors import ValidationError

GOLDEN = Path(__file__).parent.parent / "golden" / "dnsmasq"
POOL = IPv4Address("10.66.0.100"), IPv4Address("10.66.0.150")
SERVER = ServedNetwork("eth0", IPv4Address("10.66.0.1"), DhcpMode.SERVER, 24, POOL)
PROXY = ServedNetwork("eth0", IPv4Address("10.66.0.1"), DhcpMode.PROXY, 24)
DEMO_POOL = IPv4Address("10.77.0.2"), IPv4Address("10.77.0.9")
DEMO = ServedNetwork("nbdemo0", IPv4Address("10.77.0.1"), DhcpMode.SERVER, 28, DEMO_POOL)
CASES = {
    "server": ((SERVER,), True),
    "proxy": ((PROXY,), False),
    "off": ((), False),
    "off-with-a-further-network": ((DEMO,), False),
    "proxy-with-a-further-network": ((PROXY, DEMO), False),
    "server-before-its-interface-is-there": (
        (ServedNetwork("eth0", IPv4Address("10.66.0.1"), DhcpMode.SERVER, None, POOL),),
        True,
    ),
}


def rendered(
    networks: tuple[ServedNetwork, ...], authoritative: bool = False, has_arm64: bool = False
) -> str:
    folder, tftp = Path("/srv/netboot/dnsmasq"), Path("/srv/netboot/tftp")
    return render(DnsmasqConfig(networks, 8080, folder, tftp, authoritative, has_arm64))


@pytest.mark.parametrize("name", CASES)
def test_the_whole_file_is_as_reviewed(name: str) -> None:
    assert rendered(*CASES[name]) == (GOLDEN / f"{name}.conf").read_text()


@pytest.mark.real_dnsmasq
@pytest.mark.parametrize("name", CASES)
def test_dnsmasq_itself_accepts_the_file(name: str) -> None:
    done = subprocess.run(
        ["dnsmasq", "--test", f"--conf-file={GOLDEN / name}.conf"], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr


def test_off_serves_nothing_at_all() -> None:
    lines = rendered(()).splitlines()
    assert not [line for line in lines if line.startswith(("dhcp", "interface", "enable-tftp"))]


def test_only_a_server_is_authoritative() -> None:
    assert "dhcp-authoritative" not in rendered((PROXY, DEMO))


def test_the_loader_for_arm64_is_named_only_where_it_is_installed() -> None:
    assert "ipxe-arm64.efi" not in rendered((SERVER,))
    assert "dhcp-boot=tag:pcefia64,tag:eth0,ipxe-arm64.efi,,10.66.0.1" in rendered((SERVER,), has_arm64=True)


def test_every_network_names_its_own_address_to_its_machines() -> None:
    text = rendered((PROXY, DEMO))
    assert "dhcp-boot=tag:ipxe,tag:eth0,http://10.66.0.1:8080/boot/boot.ipxe,,10.66.0.1" in text
    assert "dhcp-boot=tag:ipxe,tag:nbdemo0,http://10.77.0.1:8080/boot/boot.ipxe,,10.77.0.1" in text


def test_a_pi_is_told_apart_before_its_architecture() -> None:
    lines = rendered((SERVER,)).splitlines()
    assert "tag-if=set:pcbios,tag:bios,tag:!rpi,tag:!ipxe" in lines
    assert lines.index("dhcp-mac=set:rpi,b8:27:eb:*:*:*") < lines.index(
        "dhcp-match=set:bios,option:client-arch,0"
    )


def test_no_host_record_and_no_tag_in_one() -> None:
    # dnsmasq 2.90 crashes at SIGHUP once a dynamic host record with set: has been matched.
    assert "dhcp-host=" not in rendered((SERVER, DEMO))


@pytest.mark.parametrize(
    ("first", "last"),
    [("10.67.0.100", "10.67.0.150"), ("10.66.0.100", "10.66.1.5"), ("9.0.0.1", "10.66.0.9")],
)
def test_a_pool_outside_our_network_is_refused(first: str, last: str) -> None:
    pool = IPv4Address(first), IPv4Address(last)
    with pytest.raises(ValidationError, match=r"does not lie in 10\.66\.0\.0/24"):
        rendered((ServedNetwork("eth0", IPv4Address("10.66.0.1"), DhcpMode.SERVER, 24, pool),))


def test_a_pool_that_holds_our_own_address_is_refused() -> None:
    pool = IPv4Address("10.66.0.1"), IPv4Address("10.66.0.9")
    with pytest.raises(ValidationError, match="our own address"):
        rendered((ServedNetwork("eth0", IPv4Address("10.66.0.1"), DhcpMode.SERVER, 24, pool),))


def test_a_server_without_a_pool_is_refused() -> None:
    with pytest.raises(ValidationError, match="DHCP_RANGE"):
        rendered((ServedNetwork("eth0", IPv4Address("10.66.0.1"), DhcpMode.SERVER, 24),))


@pytest.mark.parametrize("name", ["", "eth0,lo", "eth0\nport=53", "e" * 16, "*", "eth 0", "-x"])
def test_what_is_no_interface_does_not_get_into_the_file(name: str) -> None:
    with pytest.raises(ValidationError, match="no name of a network interface"):
        rendered((ServedNetwork(name, IPv4Address("10.66.0.1"), DhcpMode.PROXY, 24),))


@pytest.mark.parametrize("text", ["", "10.66.0.9", "10.66.0.9,x", "10.66.0.9,10.66.0.2", "::1,::2", "a,b,c"])
def test_what_is_no_pool_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match=r"10\.66\.0\.100,10\.66\.0\.200"):
        parse_pool(text)


def test_a_pool_may_have_spaces() -> None:
    assert parse_pool("10.66.0.100, 10.66.0.150") == POOL


@given(st.text(max_size=80))
def test_escaped_text_is_one_quoted_value_on_one_line(text: str) -> None:
    try:
        value = escape(text)
    except ValidationError:
        assert not text.isprintable()
        return
    assert "\n" not in value
    inner = value[1:-1].replace("\\\\", "").replace('\\"', "")
    assert value[0] == value[-1] == '"'
    assert '"' not in inner
    assert "\\" not in inner


def test_a_value_longer_than_dnsmasqs_line_is_refused() -> None:
    with pytest.raises(ValidationError):
        escape("x" * 901)


@pytest.mark.parametrize("mac", ["b8:27:eb:00:00:01", "f0:40:af:9c:00:01", "8c:1f:64:34:af:ff"])
def test_a_pis_address_is_known(mac: str) -> None:
    assert is_pi_mac(mac)


@pytest.mark.parametrize("mac", ["52:54:00:00:00:01", "f0:40:af:8c:00:01", "8c:1f:64:34:bf:ff"])
def test_another_address_is_no_pis(mac: str) -> None:
    assert not is_pi_mac(mac)


def test_a_block_that_ends_inside_an_octet_is_spelled_out() -> None:
    patterns = mac_patterns()
    assert "f0:40:af:90:*:*" in patterns
    assert "8c:1f:64:34:af:*" in patterns
    assert len(patterns) == 9 + 16 + 16
