"""What `make up` says before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from netboot_site.formats import GIB
from netboot_site.runtime import preflight
from netboot_site.runtime.preflight import Port

PORTS = {"API_PORT": 8000, "DASHBOARD_PORT": 30000, "BOOT_HTTP_PORT": 8080}


@pytest.mark.parametrize("path", ["/srv/netboot", "/home/jo/netboot-2.0/var", "/data/a+b@c~d=e_f"])
def test_an_ordinary_path_is_fine(path: str) -> None:
    assert preflight.check_path("DATA_PATH", Path(path)) == []


@pytest.mark.parametrize(
    "path", ["/my data", "/a,b", "/a$b", "/a;b", '/a"b', "/a%b", "/a\nb", "/a{b}", "/a:b"]
)
def test_a_path_that_an_engine_cannot_spell_is_refused_by_name(path: str) -> None:
    (problem,) = preflight.check_path("DATA_PATH", Path(path))
    assert problem.startswith("DATA_PATH is ")
    assert "another folder" in problem


@pytest.mark.parametrize("mode", ["proxy", "off"])
def test_only_server_mode_needs_a_range(mode: str) -> None:
    assert preflight.check_dhcp(mode, "", "192.168.7.1") == []


def test_a_good_range_is_taken() -> None:
    assert preflight.check_dhcp("server", "192.168.7.100, 192.168.7.199", "192.168.7.1") == []


@pytest.mark.parametrize(
    ("mode", "pool", "words"),
    [
        ("Proxy", "", "must be proxy, server or off"),
        ("server", "", "needs DHCP_RANGE=first,last"),
        ("server", "192.168.7.100", "write two IPv4 addresses"),
        ("server", "192.168.7.100,192.168.7.300", "write two IPv4 addresses"),
        ("server", "192.168.7.100,192.168.7.120,192.168.7.130", "write two IPv4 addresses"),
        ("server", "192.168.7.199,192.168.7.100", "first address comes after its last"),
        ("server", "192.168.7.1,192.168.7.100", "our own address 192.168.7.1"),
    ],
)
def test_dhcp_settings_that_cannot_work_are_told(mode: str, pool: str, words: str) -> None:
    (problem,) = preflight.check_dhcp(mode, pool, "192.168.7.1")
    assert words in problem


@pytest.mark.parametrize("prefix", ["iqn.2026-02.local.netboot", "iqn.1999-12.org.example", "iqn.2026-01.a"])
def test_a_proper_iqn_prefix_is_taken(prefix: str) -> None:
    assert preflight.check_iqn_prefix(prefix) == []


@pytest.mark.parametrize(
    "prefix",
    ["", "netboot", "iqn.2026-13.a.b", "iqn.2026-02.a,b", "iqn.2026-02.A.b", "iqn.2026-02.a:b",
     "iqn.2026-02.a.", "iqn.2026-02." + "a" * 200],
)  # fmt: skip
def test_an_iqn_prefix_that_tgt_would_break_is_told(prefix: str) -> None:
    (problem,) = preflight.check_iqn_prefix(prefix)
    assert problem.startswith("IQN_PREFIX is ")
    assert "iqn.2026-02.local.netboot" in problem


def test_the_boot_port_must_differ_from_the_others() -> None:
    assert preflight.check_distinct(PORTS) == []
    assert preflight.check_distinct({**PORTS, "DASHBOARD_PORT": 8000}) == []
    (problem,) = preflight.check_distinct({**PORTS, "BOOT_HTTP_PORT": 8000})
    assert problem == "API_PORT and BOOT_HTTP_PORT are both 8000: they must differ."


def test_a_port_number_out_of_range_is_told() -> None:
    assert preflight.check_distinct({**PORTS, "API_PORT": 70000}) == [
        "API_PORT is 70000: a port is 1 to 65535."
    ]


def test_a_nearly_full_disk_is_told_with_figures(tmp_path: Path) -> None:
    assert preflight.check_disk(tmp_path, free_bytes=GIB) == []
    (problem,) = preflight.check_disk(tmp_path / "not" / "there", free_bytes=100 * 1024**2)
    assert "has 100 MiB left; at least 512 MiB are needed" in problem


def test_a_taken_port_is_told_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        (problem,) = preflight.check_ports([Port("127.0.0.1", number, "pages")])
    assert problem.startswith(f"TCP port {number} (pages) is taken by python"), problem
    assert "stop that program or choose another port" in problem


def test_a_taken_udp_port_is_told_and_a_shared_one_is_not() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        number = server.getsockname()[1]
        assert len(preflight.check_ports([Port("127.0.0.1", number, "TFTP", udp=True)])) == 1
        assert preflight.check_ports([Port("127.0.0.1", number, "DHCP", udp=True, shared=True)]) == []


def test_an_address_that_is_not_ours_is_told() -> None:
    (problem,) = preflight.check_ports([Port("203.0.113.7", 3260, "iSCSI")])
    assert "cannot be opened at 203.0.113.7" in problem


@pytest.mark.parametrize(
    ("listing", "holder"),
    [
        ("", ""),
        (
            'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=7,fd=6),("nginx",pid=8,fd=6))\n',
            "nginx (pid 7)",
        ),
        ("LISTEN 0 511 0.0.0.0:80 0.0.0.0:*\n", "another program"),
    ],
)
def test_the_holder_is_read_from_what_ss_prints(listing: str, holder: str) -> None:
    assert preflight.parse_holder(listing) == holder
