"""What we put on the wire, byte by byte and as another program reads it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from bootflow.wire import frames
from bootflow.wire.frames import ARM64, BIOS, NOWHERE, PI, PLAIN, UEFI, Kind

MAC = bytes.fromhex("525400123456")


def asked(kind: Kind) -> tuple[Ether, dict[str, object]]:
    frame = frames.udp_frame(MAC, NOWHERE, (68, 67), frames.discover(kind, MAC, 0x01020304))
    packet = Ether(frame)
    options = dict(option[:2] for option in packet[DHCP].options if isinstance(option, tuple))
    return packet, options


def test_a_question_is_a_broadcast_of_a_machine_without_an_address() -> None:
    packet, options = asked(PLAIN)
    assert (packet.dst, packet.src) == ("ff:ff:ff:ff:ff:ff", "52:54:00:12:34:56")
    assert (packet[IP].src, packet[IP].dst) == ("0.0.0.0", "255.255.255.255")
    assert (packet[UDP].sport, packet[UDP].dport) == (68, 67)
    assert (packet[BOOTP].op, packet[BOOTP].xid, packet[BOOTP].chaddr[:6]) == (1, 0x01020304, MAC)
    assert packet[BOOTP].flags == "B", "without it some servers answer where a raw socket hears nothing"
    assert options["message-type"] == 1
    assert options["user_class"] == frames.PROBE_USER_CLASS.encode()
    assert "vendor_class_id" not in options, "no firmware, so that a server of addresses alone answers too"


def test_the_kernel_would_take_its_checksum() -> None:
    packet, _ = asked(UEFI)
    told = packet[IP].chksum
    del packet[IP].chksum
    assert Ether(bytes(packet))[IP].chksum == told


@pytest.mark.parametrize(("kind", "number"), [(BIOS, 0), (UEFI, 7), (ARM64, 11), (PI, 0)])
def test_firmware_says_its_architecture_as_rfc_4578_wants_it(kind: Kind, number: int) -> None:
    _, options = asked(kind)
    assert options["vendor_class_id"] == f"PXEClient:Arch:{number:05}:UNDI:003016".encode()
    assert options["pxe_client_architecture"] == number.to_bytes(2, "big")
    assert options["pxe_client_network_interface"] == b"\x01\x03\x10"
    machine_id = options["pxe_client_machine_identifier"]
    assert isinstance(machine_id, bytes)
    assert len(machine_id) == 17
    assert machine_id.startswith(b"\0RPi4") == (kind is PI)


def test_no_question_is_longer_than_the_smallest_packet_that_every_server_takes() -> None:
    for kind in (PLAIN, BIOS, UEFI, ARM64, PI):
        assert 300 <= len(frames.discover(kind, MAC, 1)) <= 576 - 28, kind


def test_a_magic_packet_is_six_times_ff_and_sixteen_times_the_address() -> None:
    assert frames.magic(MAC) == b"\xff" * 6 + MAC * 16
    assert len(frames.magic(MAC)) == 102


def test_its_frame_has_the_type_of_wake_on_lan() -> None:
    frame = frames.ethernet(frames.WAKE_ON_LAN, MAC, frames.magic(b"\x02" * 6))
    assert frame == b"\xff" * 6 + MAC + b"\x08\x42" + b"\xff" * 6 + b"\x02" * 96


def test_a_datagram_carries_our_address_and_an_odd_length_too() -> None:
    packet = Ether(frames.udp_frame(MAC, IPv4Address("10.66.0.1"), (9, 9), b"abc"))
    assert (packet[IP].src, packet[UDP].dport, packet[IP].len) == ("10.66.0.1", 9, 31)
    assert bytes(packet[UDP].payload) == b"abc"


def test_a_mac_address_is_read_and_written_alike() -> None:
    assert frames.mac_text(frames.mac_bytes("52:54:00:ab:cd:ef")) == "52:54:00:ab:cd:ef"
