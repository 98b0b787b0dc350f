"""Answers of servers, honest and hostile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from bootflow.ports import BootAnswer, WireServer
from bootflow.wire.frames import BIOS, PLAIN, UEFI
from bootflow.wire.replies import parse_reply, servers_of

CLIENT = bytes.fromhex("525400123456")


def reply(
    options: list[Any] | None = None, *, sender: str = "10.0.0.1", port: int = 68, **header: Any
) -> bytes:
    told = [("message-type", 2), ("server_id", "10.0.0.7")] if options is None else options
    fields = {"op": 2, "xid": 5, "chaddr": CLIENT, "yiaddr": "10.0.0.99", **header}
    packet = (
        Ether(src="52:54:00:00:00:07", dst="ff:ff:ff:ff:ff:ff")
        / IP(src=sender, dst="255.255.255.255")
        / UDP(sport=67, dport=port)
        / BOOTP(**fields)
        / DHCP(options=[*told, "end"])
    )
    return bytes(packet)


def test_a_server_of_addresses_says_who_it_is() -> None:
    found = parse_reply(reply(), CLIENT)
    assert found is not None
    assert (str(found.server), found.mac, str(found.address), found.xid, found.is_pxe) == (
        "10.0.0.7", "52:54:00:00:00:07", "10.0.0.99", 5, False,
    )  # fmt: skip


def test_a_server_that_does_not_say_it_is_known_by_its_packet() -> None:
    found = parse_reply(reply([("message-type", 2)]), CLIENT)
    assert found is not None
    assert str(found.server) == "10.0.0.1"


@pytest.mark.parametrize("nobody", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1"])
def test_an_address_that_no_server_has_is_not_believed(nobody: str) -> None:
    found = parse_reply(reply([("message-type", 2), ("server_id", nobody)]), CLIENT)
    assert found is not None
    assert str(found.server) == "10.0.0.1"
    assert parse_reply(reply([("message-type", 2), ("server_id", nobody)], sender=nobody), CLIENT) is None


@pytest.mark.parametrize(
    ("options", "header", "file"),
    [
        ([], {"file": b"pxelinux.0"}, "pxelinux.0"),
        ([(67, b"wds.efi\0")], {"file": b"other"}, "wds.efi"),
        ([(52, b"\x01")], {"file": b"\x0c\x04name"}, ""),
        ([(60, b"PXEClient")], {}, ""),
    ],
)
def test_a_server_that_tells_a_file_or_names_itself_boots_machines(
    options: list[Any], header: dict[str, Any], file: str
) -> None:
    found = parse_reply(reply([("message-type", 2), *options], siaddr="10.0.0.8", **header), CLIENT)
    assert found is not None
    assert (found.boot_file, found.is_pxe, found.next_server) == (file, 52 not in dict(options), "10.0.0.8")


def test_a_text_from_outside_is_printable_and_short() -> None:
    found = parse_reply(reply([("message-type", 2), (67, b"\x1b[2J<b>" + b"x" * 240)]), CLIENT)
    assert found is not None
    assert found.boot_file.startswith("?[2J<b>xxx")
    assert len(found.boot_file) == 128


@pytest.mark.parametrize(
    ("why", "frame"),
    [
        ("to another machine", reply(chaddr=b"\x02" * 6)),
        ("a question", reply(op=1)),
        ("an acknowledgement", reply([("message-type", 5)])),
        ("to another port", reply(port=4011)),
        ("broken options", reply([("message-type", 2), (67, b"x")])[:-3] + b"\xff" * 3),
        ("no cookie", reply().replace(b"\x63\x82\x53\x63", b"\x63\x82\x53\x64")),
        ("IPv6", reply()[:12] + b"\x86\xdd" + reply()[14:]),
        ("cut", reply()[:200]),
        ("a fragment", reply()[:20] + b"\x20\x00" + reply()[22:]),
        ("TCP", reply()[:23] + b"\x06" + reply()[24:]),
        ("nothing", b""),
    ],
)
def test_what_is_no_answer_to_us_is_passed_over(why: str, frame: bytes) -> None:
    assert parse_reply(frame, CLIENT) is None, why


@given(st.binary(max_size=700))
def test_no_frame_of_chance_makes_it_raise(frame: bytes) -> None:
    assert parse_reply(frame, CLIENT) is None


@given(st.integers(0, len(reply()) - 1), st.integers(0, 255), st.integers(0, 400))
def test_no_changed_byte_and_no_cut_makes_it_raise(at: int, value: int, cut: int) -> None:
    frame = bytearray(reply([("message-type", 2), (67, b"pxelinux.0")]))
    frame[at] = value
    for changed in (bytes(frame), bytes(frame[: len(frame) - cut])):
        found = parse_reply(changed, CLIENT)
        assert found is None or len(found.boot_file) <= 128


def told(xid: int, server: str, **header: Any) -> Any:
    return parse_reply(reply([("message-type", 2), ("server_id", server)], xid=xid, **header), CLIENT)


def test_answers_are_gathered_by_server_and_strangers_questions_left_out() -> None:
    asked = {1: PLAIN, 2: BIOS, 3: UEFI}
    replies = [
        told(3, "10.0.0.9", yiaddr="0.0.0.0", file=b"boot.efi", siaddr="10.0.0.10"),
        told(2, "10.0.0.9", yiaddr="0.0.0.0", file=b"boot.0"),
        told(2, "10.0.0.9", yiaddr="0.0.0.0", file=b"boot.0"),
        told(1, "10.0.0.7"),
        told(2, "10.0.0.7"),
        told(4, "10.0.0.6"),
    ]
    mac = "52:54:00:00:00:07"
    answers = (BootAnswer("BIOS PC", "boot.0", ""), BootAnswer("UEFI PC", "boot.efi", "10.0.0.10"))
    assert servers_of(replies, asked) == [
        WireServer("10.0.0.7", mac, hands_out_addresses=True),
        WireServer("10.0.0.9", mac, hands_out_addresses=False, answers=answers),
    ]
