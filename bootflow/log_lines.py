"""What the logs of dnsmasq and of boot files say of one machine in a span of time; bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

LINES_MAX = 1000  # of each log
_READ_MAX_BYTES = 8 * 1024**2
_LINE_LENGTH = 500
_OLDER_FILES = 5
_NEAR_BYTES = 16 * 1024
_TIME = re.compile(rb'^(?:\{"at": ?)?(\d{9,11}\.\d{1,6})[ ,]')
_EXCHANGE = re.compile(r"dnsmasq-dhcp\[\d+\]: (\d{1,10}) ")


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in seconds since 1970."""

    since: float
    until: float

    @classmethod
    def between(cls, since: datetime, until: datetime) -> Span:
        """Of two times."""
        return cls(since.timestamp(), until.timestamp())


def of_dnsmasq(path: Path, span: Span, mac: str, addresses: Iterable[str]) -> list[str]:
    """Its lines of this machine: whole exchanges of its MAC address, and the transfers of its addresses."""
    lines = list(_lines(path, span))
    exchanges = {found[1] for line in lines if mac in line and (found := _EXCHANGE.search(line))}
    wanted = [re.compile(rf"(?<![\d.]){re.escape(address)}(?![\d.])") for address in addresses if address]

    def is_wanted(line: str) -> bool:
        found = _EXCHANGE.search(line)
        if found:
            return found[1] in exchanges
        return mac in line or ("dnsmasq-tftp" in line and any(one.search(line) for one in wanted))

    return _shown(line for line in lines if is_wanted(line))


def of_boot_files(path: Path, span: Span, addresses: Iterable[str]) -> list[str]:
    """Which files these addresses fetched over HTTP."""
    wanted = set(filter(None, addresses))
    return _shown(line for line in _lines(path, span) if _address_of(line) in wanted)


def _address_of(line: str) -> str:
    try:
        return str(json.loads(line)["address"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _shown(lines: Iterable[str]) -> list[str]:
    """The last ones, printable and cut."""
    found = list(lines)[-LINES_MAX:]
    return ["".join(sign if sign.isprintable() else "?" for sign in line)[:_LINE_LENGTH] for line in found]


def _lines(path: Path, span: Span) -> Iterator[str]:
    """All lines of that span, of the files that were rotated away first; _READ_MAX_BYTES of them at most."""
    left = _READ_MAX_BYTES
    for file in (*(path.with_name(f"{path.name}.{n}") for n in range(_OLDER_FILES, 0, -1)), path):
        try:
            with file.open("rb") as log:
                if file.stat().st_mtime < span.since:
                    continue
                for raw in _from(log, span.since):
                    at = _time(raw)
                    left -= len(raw)
                    if left < 0 or (at is not None and at > span.until):
                        break
                    if at is not None and at >= span.since:
                        yield raw.decode(errors="replace").rstrip("\r\n")
        except OSError:  # not there, or just being rotated
            continue


def _from(log: BinaryIO, since: float) -> Iterator[bytes]:
    """Lines from shortly before a time: looked for by halves, since a log grows at its end."""
    low, high = 0, log.seek(0, 2)
    while high - low > _NEAR_BYTES:
        middle = (low + high) // 2
        log.seek(middle)
        log.readline(_NEAR_BYTES)
        at = _time(log.readline(_NEAR_BYTES))
        low, high = (middle, high) if at is not None and at < since else (low, middle)
    log.seek(low)
    while line := log.readline(_NEAR_BYTES):
        yield line


def _time(line: bytes) -> float | None:
    found = _TIME.match(line)
    return float(found[1]) if found else None
