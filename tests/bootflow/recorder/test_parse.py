"""dnsmasq's log lines as records: every shape that it writes, and no line makes it raise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootflow.recorder.assemble import assemble
from bootflow.recorder.files import parse_file_line
from bootflow.recorder.parse import OPENING, Detail, Packet, Transfer, parse_line

AT = 1790000000.25
DHCP, TFTP = "1790000000.250 dnsmasq-dhcp[71]: ", "1790000000.250 dnsmasq-tftp[71]: "
MAC = "52:54:00:00:00:01"
SHAPES = {
    DHCP + "992325914 available DHCP range: 10.66.0.100 -- 10.66.0.150": Detail(AT, 992325914, OPENING, ""),
    DHCP + "39 available DHCP subnet: 10.66.0.1/255.255.255.0": Detail(AT, 39, OPENING, ""),
    DHCP + "39 vendor class: PXEClient:Arch:00000:UNDI:002001": Detail(
        AT, 39, "vendor class", "PXEClient:Arch:00000:UNDI:002001"
    ),
    DHCP + "39 user class: iPXE": Detail(AT, 39, "user class", "iPXE"),
    DHCP + "39 tags: rpiboot, bios, rpi, eth0": Detail(AT, 39, "tags", "rpiboot, bios, rpi, eth0"),
    DHCP + "39 bootfile name: undionly.kpxe": Detail(AT, 39, "bootfile name", "undionly.kpxe"),
    DHCP + "39 next server: 10.66.0.1": Detail(AT, 39, "", ""),
    DHCP + "39 sent size:  1 option: 53 message-type  5": Detail(AT, 39, "message type", "5"),
    DHCP + "39 broadcast response": Detail(AT, 39, "", ""),
    DHCP + "39 requested options: 1:netmask, 3:router": Detail(AT, 39, "", ""),
    DHCP + "39 sent size:  4 option: 54 server-identifier  10.66.0.1": Detail(AT, 39, "", ""),
    DHCP + f"39 DHCPDISCOVER(eth0) {MAC} ": Packet(AT, 39, "DHCPDISCOVER", MAC, "", ""),
    DHCP + f"39 DHCPDISCOVER(eth0) 10.66.0.9 {MAC} ": Packet(AT, 39, "DHCPDISCOVER", MAC, "10.66.0.9", ""),
    DHCP + f"39 DHCPDISCOVER(eth0) {MAC} no address available": Packet(
        AT, 39, "DHCPDISCOVER", MAC, "", "no address available"
    ),
    DHCP + f"39 DHCPOFFER(eth0) 10.66.0.100 {MAC} ": Packet(AT, 39, "DHCPOFFER", MAC, "10.66.0.100", ""),
    DHCP + f"39 DHCPREQUEST(eth0) 10.66.0.100 {MAC} ": Packet(AT, 39, "DHCPREQUEST", MAC, "10.66.0.100", ""),
    DHCP + f"39 DHCPACK(eth0) 10.66.0.100 {MAC} pc-one": Packet(
        AT, 39, "DHCPACK", MAC, "10.66.0.100", "pc-one"
    ),
    DHCP + f"39 DHCPNAK(eth0) 10.66.0.9 {MAC} wrong network": Packet(
        AT, 39, "DHCPNAK", MAC, "10.66.0.9", "wrong network"
    ),
    DHCP + f"39 PXE(eth0) {MAC} proxy": Packet(AT, 39, "PXE", MAC, "", "proxy"),
    DHCP + f"39 PXE(eth0) {MAC} proxy-ignored": Packet(AT, 39, "PXE", MAC, "", "proxy-ignored"),
    DHCP + f"39 PXE(eth0) 10.66.0.50 {MAC} snponly.efi": Packet(
        AT, 39, "PXE", MAC, "10.66.0.50", "snponly.efi"
    ),
    TFTP + "sent /srv/tftp/undionly.kpxe to 10.66.0.50": Transfer(
        AT, "file", "/srv/tftp/undionly.kpxe", "10.66.0.50", ""
    ),
    TFTP + "TFTP: sent /srv/a to b/x to 10.66.0.50": Transfer(AT, "file", "/srv/a to b/x", "10.66.0.50", ""),
    TFTP + "failed sending /srv/tftp/a to 10.66.0.50": Transfer(
        AT, "file-failed", "/srv/tftp/a", "10.66.0.50", ""
    ),
    TFTP + "file /srv/tftp/bootsig.bin not found for 10.66.0.50": Transfer(
        AT, "file-missing", "/srv/tftp/bootsig.bin", "10.66.0.50", ""
    ),
    TFTP + "file /srv/tftp/bootsig.bin not found": Transfer(
        AT, "file-missing", "/srv/tftp/bootsig.bin", "", ""
    ),
    TFTP + "cannot access /srv/tftp/x: Permission denied": Transfer(
        AT, "file-refused", "/srv/tftp/x", "", "Permission denied"
    ),
    TFTP + "error 0 Early terminate received from 10.66.0.50": Transfer(
        AT, "file-aborted", "", "10.66.0.50", "Early terminate"
    ),
}
TELL_NOTHING = [
    "", "nonsense", "1790000000.250 dnsmasq[7]: started, version 2.90 DNS disabled", "1790000000.250 ",
    "1790000000.250 dnsmasq-tftp[7]: TFTP root is /srv/tftp  ", "dnsmasq-dhcp: 39 tags: x",
    "1790000000.250 dnsmasq-dhcp[7]: DHCP, IP range 10.66.0.100 -- 10.66.0.150, lease time 1h",
    "1790000000.250 stamp: 12 lines were dropped, since nobody read them",
]  # fmt: skip


@pytest.mark.parametrize("line", SHAPES)
def test_every_line_shape_is_read(line: str) -> None:
    assert parse_line(line) == SHAPES[line]


@pytest.mark.parametrize("line", TELL_NOTHING)
def test_a_line_that_says_nothing_of_a_boot_is_none(line: str) -> None:
    assert parse_line(line) is None


@given(st.text(max_size=300))
@example("9" * 400 + ".000 dnsmasq-dhcp: 1 tags: x")
def test_no_line_makes_the_parser_raise(line: str) -> None:
    parse_line(line)
    parse_line(DHCP + line)
    parse_line(TFTP + line)
    parse_file_line(line)


pieces = st.sampled_from([*SHAPES, *TELL_NOTHING]) | st.builds(lambda text: DHCP + "7 " + text, st.text())


@given(st.lists(pieces, max_size=40))
def test_no_order_of_lines_makes_the_assembly_raise(lines: list[str]) -> None:
    records = [record for record in map(parse_line, lines) if record is not None]
    for sighting in assemble(records, tftp_root="/srv/tftp", size_of=lambda _: None):
        assert sighting.detail
        assert "\0" not in sighting.detail


def test_the_lines_of_a_real_dnsmasq_tell_who_asked_and_what_it_was_told() -> None:
    log = Path(__file__).with_name("proxy.log").read_text()
    records = [record for record in map(parse_line, log.splitlines()) if record is not None]
    told = [
        (one.mac, one.kind, one.facts.get("client"), one.facts.get("file", ""))
        for one in assemble(records, tftp_root="/srv/tftp", size_of=lambda _: None)
    ]
    assert told[:4] == [
        ("52:54:00:00:00:01", "proxy", "pxe", "undionly.kpxe"),
        ("52:54:00:00:00:01", "boot-server", "pxe", "undionly.kpxe"),
        ("52:54:00:00:00:02", "proxy", "pxe", ""),
        ("52:54:00:00:00:02", "boot-server", "pxe", "snponly.efi"),
    ]
    assert ("52:54:00:00:00:04", "proxy", "ipxe", "http://10.66.0.1:8080/boot/boot.ipxe") in told
    assert ("b8:27:eb:00:00:06", "proxy", "rpi", "") in told
    assert (
        "52:54:00:00:00:0a",
        "proxy",
        "http",
        "http://10.66.0.1:8080/boot/files/loaders/snponly.efi",
    ) in told


def test_a_boot_file_over_http_is_told_with_bytes_and_seconds() -> None:
    line = (
        '{"at": 1790000000.25, "address": "10.66.0.9", "uri": "/boot/files/debian/linux?x=1", "status": 200, '
        '"bytes": 512, "seconds": 0.25}'
    )
    seen = parse_file_line(line)
    assert seen is not None
    assert (seen.stage, seen.kind, seen.address) == ("installer", "file", "10.66.0.9")
    assert seen.facts["file"] == "debian/linux"
    assert (seen.facts["bytes"], seen.facts["seconds"]) == (512, 0.25)


def test_signs_that_cannot_be_shown_or_stored_are_replaced() -> None:
    line = (
        '{"at":1,"address":"10.66.0.9","uri":"/boot/files/a%00b\\ud800","status":200,"bytes":9,"seconds":0}'
    )
    seen = parse_file_line(line)
    assert seen is not None
    assert seen.facts["file"] == "a?b?"


def test_a_loader_over_http_belongs_to_the_loaders_stage() -> None:
    start = '{"at":1790000000,"address":"10.66.0.9","uri":"/boot/files/loaders/snponly.efi",'
    line = start + '"status":404,"bytes":9,"seconds":0}'
    seen = parse_file_line(line)
    assert seen is not None
    assert (seen.stage, seen.kind) == ("tftp", "file-missing")
    assert seen.detail == "Asked for loaders/snponly.efi over HTTP and got status 404."


@pytest.mark.parametrize(
    "line",
    [
        "{}", "[]", "null", '{"at": 1e400}', '{"at": "x"}',
        '{"at":1,"uri":"/boot/script","address":"","status":200,"bytes":1,"seconds":0}',
    ],
)  # fmt: skip
def test_a_line_that_is_no_boot_file_is_passed_over(line: str) -> None:
    assert parse_file_line(line) is None
