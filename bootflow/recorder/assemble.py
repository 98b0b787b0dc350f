"""dnsmasq's records, exchange by exchange, as sightings. Pure.

dnsmasq answers one packet at a time, so the lines of an exchange stand together under one xid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bootflow.models import Stage
from bootflow.raspberry_pi.machine_id import MachineId, machine_id_of
from bootflow.recorder.parse import OPENING, Detail, Packet, Record, Transfer
from bootflow.recorder.sighting import Sighting, Sign, moment
from bootflow.recorder.transfers import SizeOf, is_end_of_broken, transferred
from bootflow.wire.frames import PROBE_USER_CLASS

_ARCHITECTURE = re.compile(r"^(?:PXE|HTTP)Client:Arch:(\d{5})")
FIRMWARE_NAMES = {
    0: "BIOS", 6: "UEFI (32 bit)", 7: "UEFI", 9: "UEFI", 11: "UEFI (arm64)", 16: "UEFI (HTTP boot)",
    19: "UEFI (arm64, HTTP boot)",
}  # fmt: skip
_ACK = "5"  # RFC 2132, section 9.6; a first question is answered by an offer, 2


@dataclass(frozen=True, slots=True)
class Exchange:
    """One DHCP packet with its answer."""

    packets: tuple[Packet, ...]
    vendor_class: str
    user_class: str
    tags: frozenset[str]
    boot_file: str
    answer: str  # option 53 of what dnsmasq sent
    machine_id: MachineId | None  # of a Raspberry Pi: option 97
    seconds: float  # from the packet's first line to the answer's last

    @property
    def client(self) -> str:
        """Who asks: ipxe, rpi, http, pxe, or os (an operating system's own DHCP client)."""
        if "ipxe" in self.tags or self.user_class == "iPXE":
            return "ipxe"
        if "rpiboot" in self.tags:
            return "rpi"
        if self.vendor_class.startswith("HTTPClient"):
            return "http"
        return "pxe" if self.vendor_class.startswith("PXEClient") else "os"

    @property
    def architecture(self) -> int | None:
        """Option 93, as the vendor class repeats it."""
        found = _ARCHITECTURE.match(self.vendor_class)
        return int(found[1]) if found else None

    @property
    def who(self) -> str:
        """The asking program, for a person."""
        if self.client == "pxe":
            return f"{FIRMWARE_NAMES.get(self.architecture or 0, 'Its')} firmware"
        board = self.machine_id.board if self.machine_id else None
        pi = f"The {board.model}" if board else "The Raspberry Pi"
        names = {"ipxe": "iPXE", "rpi": pi, "http": "UEFI firmware (HTTP boot)"}
        return names.get(self.client, "The operating system")


def begins(record: Record, before: Record | None) -> bool:
    """Whether an exchange or a transfer begins with this record; a client keeps its xid for several."""
    if isinstance(record, Transfer) or before is None or isinstance(before, Transfer):
        return not (isinstance(record, Transfer) and is_end_of_broken(record, before))
    return record.xid != before.xid or (_opens(record) and not _opens(before))


def assemble(records: Iterable[Record], *, tftp_root: str, size_of: SizeOf) -> Iterator[Sighting]:
    """All sightings of these records, whose exchanges are whole."""
    for group in _groups(records):
        first = group[0]
        if isinstance(first, Transfer):
            last = group[-1]
            yield transferred(
                last if isinstance(last, Transfer) else first, len(group) > 1, tftp_root, size_of
            )
        else:
            yield from _exchanged(_exchange(group))


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    group: list[Record] = []
    for record in records:
        if group and begins(record, group[-1]):
            yield group
            group = []
        group.append(record)
    if group:
        yield group


def _opens(record: Record) -> bool:
    return isinstance(record, Detail) and record.name == OPENING


def _exchange(group: Sequence[Record]) -> Exchange:
    packets = tuple(record for record in group if isinstance(record, Packet))
    details = {record.name: record.value for record in group if isinstance(record, Detail) and record.name}
    mac = packets[0].mac if packets else ""
    return Exchange(
        packets=packets,
        vendor_class=details.get("vendor class", ""),
        user_class=details.get("user class", ""),
        tags=frozenset(re.split(r",\s*", details.get("tags", ""))),
        boot_file=details.get("bootfile name", ""),
        answer=details.get("message type", ""),
        seconds=max(0.0, group[-1].at - group[0].at),
        machine_id=machine_id_of(details.get("machine id", ""), mac),
    )


def _exchanged(exchange: Exchange) -> Iterator[Sighting]:
    if exchange.user_class == PROBE_USER_CLASS:
        return  # a look at the wire, ours or another orchestrator's: no machine
    words = {packet.word: packet for packet in exchange.packets}
    if "PXE" in words:
        yield _proxied(exchange, words["PXE"])
    elif "DHCPDISCOVER" in words:
        yield _discovered(exchange, words["DHCPDISCOVER"], words.get("DHCPOFFER"))
    elif "DHCPACK" in words:
        yield _acknowledged(exchange, words["DHCPACK"])
    elif "DHCPNAK" in words:
        yield _sighting(
            exchange, words["DHCPNAK"], "refused", "was refused the address that it wanted", Sign.PART
        )


def _first_sign(exchange: Exchange) -> Sign:
    return {"ipxe": Sign.LOADER, "os": Sign.SYSTEM}.get(exchange.client, Sign.FIRMWARE)


def _later_sign(exchange: Exchange) -> Sign:
    return Sign.SYSTEM if exchange.client == "os" else Sign.PART


def _discovered(exchange: Exchange, asked: Packet, offer: Packet | None) -> Sighting:
    if offer is None:
        why = asked.note or "no offer was made"
        return _sighting(exchange, asked, "no-offer", f"asked for an address: {why}", _first_sign(exchange))
    told = f"asked for an address and was offered {offer.address}{_and_file(exchange)}"
    return _sighting(exchange, offer, "discover", told, _first_sign(exchange))


def _acknowledged(exchange: Exchange, packet: Packet) -> Sighting:
    told = f"took the address {packet.address}"
    return _sighting(exchange, packet, "address", told, _later_sign(exchange))


def _proxied(exchange: Exchange, packet: Packet) -> Sighting:
    if packet.note == "proxy-ignored":
        return _sighting(exchange, packet, "ignored", "was not answered", _later_sign(exchange))
    if packet.note == "proxy" and exchange.answer != _ACK:
        told = f"asked what to boot{_and_file(exchange)}"
        return _sighting(exchange, packet, "proxy", told, _first_sign(exchange))
    file = (exchange.boot_file or "nothing").rpartition("/")[2]
    told = f"asked on port 4011 and was told to load {file}"
    return _sighting(exchange, packet, "boot-server", told, _later_sign(exchange))


def _and_file(exchange: Exchange) -> str:
    if exchange.client == "ipxe":
        return ", and was told the address of its script"
    return f", to load {exchange.boot_file.rpartition('/')[2]}" if exchange.boot_file else ""


def _sighting(exchange: Exchange, packet: Packet, kind: str, told: str, sign: Sign) -> Sighting:
    facts = {
        "client": exchange.client,
        "architecture": exchange.architecture,
        "address": packet.address,
        "file": exchange.boot_file,
        "xid": packet.xid,
        "seconds": round(exchange.seconds, 3),
        **_told_of_itself(exchange),
    }
    return Sighting(
        at=moment(exchange.packets[0].at), stage=Stage.DHCP, kind=kind, detail=f"{exchange.who} {told}.",
        sign=sign, mac=packet.mac, address=packet.address,
        facts=_known(facts),
    )  # fmt: skip


def _told_of_itself(exchange: Exchange) -> dict[str, Any]:
    """What option 97 of a Raspberry Pi says."""
    told = exchange.machine_id
    if exchange.client != "rpi" or told is None:
        return {}
    return {"bootloader": told.bootloader, "board_revision": told.revision, "serial": told.serial}


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in ("", None)}
