"""dnsmasq's log lines as typed records. Pure, and no line makes it raise.

Line shapes: dnsmasq 2.90, rfc2131.c (log_packet, log_tags) and tftp.c; `log-dhcp` puts the xid before each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OPENING = "opening"  # the first line, or lines, that dnsmasq writes of a packet
MAC = r"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
ADDRESS = r"(?P<address>\d{1,3}(?:\.\d{1,3}){3})"
_LINE = re.compile(r"^(?P<at>\d{9,11}\.\d{3}) dnsmasq(?:-(?P<part>dhcp|tftp))?(?:\[\d+\])?: (?P<text>.*)$")
_EXCHANGE = re.compile(r"^(?P<xid>\d{1,10}) (?P<text>.*)$")
_PACKET = re.compile(
    rf"^(?P<word>DHCP[A-Z]+|PXE)\((?P<interface>[^)]*)\) (?:{ADDRESS} )?{MAC}(?: (?P<note>.*))?$"
)
_DETAIL = re.compile(r"^(?P<name>vendor class|user class|tags|bootfile name): ?(?P<value>.*)$")
_ANSWER = re.compile(r"^sent size: +1 option: +53 message-type +(?P<type>\d+)$")
_MACHINE_ID = re.compile(r"^sent size: *\d+ option: +97 client-machine-id +(?P<octets>[0-9a-f:.]+)$")
_TFTP = (
    ("file", re.compile(rf"^(?:TFTP: )?sent (?P<path>.+) to {ADDRESS}$")),
    ("file-failed", re.compile(rf"^(?:TFTP: )?failed sending (?P<path>.+) to {ADDRESS}$")),
    ("file-missing", re.compile(rf"^(?:TFTP: )?file (?P<path>.+) not found(?: for {ADDRESS})?$")),
    ("file-refused", re.compile(r"^(?:TFTP: )?cannot (?:access|read) (?P<path>.+): (?P<error>[^:]*)$")),
    ("file-aborted", re.compile(rf"^(?:TFTP: )?error \d+ (?P<error>.*) received from {ADDRESS}$")),
)


@dataclass(frozen=True, slots=True)
class Packet:
    """A DHCP message that came in or went out: `word` is DHCPDISCOVER, DHCPOFFER, ..., PXE."""

    at: float
    xid: int
    word: str
    mac: str
    address: str
    note: str


@dataclass(frozen=True, slots=True)
class Detail:
    """What else dnsmasq says of an exchange; `name` is empty for what we have no use for."""

    at: float
    xid: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """How a TFTP request ended, as far as dnsmasq knows: `sent` is no proof that all of it arrived."""

    at: float
    kind: str
    path: str
    address: str
    error: str


Record = Packet | Detail | Transfer


def parse_line(line: str) -> Record | None:
    """The record of a stamped line; None for one that says nothing of a boot."""
    found = _LINE.match(line)
    if found is None:
        return None
    at, part, text = float(found["at"]), found["part"], found["text"]
    if part == "tftp":
        return _transfer(at, text)
    exchange = _EXCHANGE.match(text) if part == "dhcp" else None
    return _exchange(at, int(exchange["xid"]), exchange["text"]) if exchange else None


def _exchange(at: float, xid: int, text: str) -> Record:
    packet = _PACKET.match(text)
    if packet is not None:
        address, note = packet["address"] or "", (packet["note"] or "").strip()
        return Packet(at, xid, packet["word"], packet["mac"], address, note)
    detail = _DETAIL.match(text)
    if detail is not None:
        return Detail(at, xid, detail["name"], detail["value"].strip())
    answer = _ANSWER.match(text)
    if answer is not None:
        return Detail(at, xid, "message type", answer["type"])
    machine_id = _MACHINE_ID.match(text)
    if machine_id is not None:
        return Detail(at, xid, "machine id", machine_id["octets"])
    return Detail(at, xid, OPENING if text.startswith("available DHCP ") else "", "")


def _transfer(at: float, text: str) -> Record | None:
    for kind, pattern in _TFTP:
        found = pattern.match(text)
        if found is not None:
            parts = found.groupdict()
            return Transfer(
                at, kind, parts.get("path") or "", parts.get("address") or "", parts.get("error") or ""
            )
    return None
