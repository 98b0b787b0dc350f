"""Runs every reader in a thread of its own for a bounded time, and gathers what the checks say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from netboot_site.doctor.boot_files import judge_boot_files, read_boot_files
from netboot_site.doctor.clock import judge_clock, judge_drifts, read_clock
from netboot_site.doctor.findings import (
    AS_ROOT,
    BOOT_FILES,
    GROUPS,
    NETWORK,
    SERVICES,
    START,
    STORAGE,
    TIME,
    Finding,
    State,
    Subject,
)
from netboot_site.doctor.firewall import judge_firewall, read_rules
from netboot_site.doctor.links import judge_links, read_links
from netboot_site.doctor.looking import look_anew
from netboot_site.doctor.place import Look, Place, Rows, place_of, read_rows
from netboot_site.doctor.ports import judge_ports, wanted_ports
from netboot_site.doctor.reach import judge_reach, read_reach
from netboot_site.doctor.sockets import read_listening, read_our_variables
from netboot_site.doctor.storage import judge_data_path, judge_storage, read_data_path
from netboot_site.doctor.wire import judge_wire
from netboot_site.doctor.workers import (
    judge_database,
    judge_processes,
    judge_redis,
    judge_workers,
    read_processes,
    read_redis,
)
from netboot_site.errors import UnavailableError

ROWS_WITHIN_SECONDS = 2.5
READ_WITHIN_SECONDS = 5.2  # a look at the wire takes three of them
_WORKERS = Subject("workers", SERVICES, "Workers", "They bring what is changed to the machines.")
_NO_ROWS = Rows(version="", clock_offset_seconds=0)
Reader = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Silent:
    """What a reader came to that could not read."""

    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one examination."""

    at: datetime
    seconds: float
    findings: tuple[Finding, ...]

    def count(self, state: State) -> int:
        """How many are so."""
        return sum(finding.state == state for finding in self.findings)

    @property
    def state(self) -> State:
        """The worst that was found; what is not known counts as good."""
        for state in (State.BAD, State.WARNING):
            if self.count(state):
                return state
        return State.GOOD


@dataclass(frozen=True, slots=True)
class Part:
    """A reader with the check that judges what it saw."""

    subject: Subject  # what is said where the reader does not come to an end
    read: Reader
    judge: Callable[[Any], list[Finding]]


def read_all(readers: Mapping[str, Reader], seconds: float) -> dict[str, Any]:
    """What each reader saw, or Silent; nobody waits longer than this, whatever hangs."""
    found: dict[str, Any] = {}
    threads = [_start(name, reader, found) for name, reader in readers.items()]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = Silent(f"There was no answer within {seconds:g} s.")
    return {name: found.get(name, late) for name in readers}


def _start(name: str, reader: Reader, found: dict[str, Any]) -> threading.Thread:
    def work() -> None:
        found[name] = _read(reader)

    # A daemon: one that hangs keeps no program from ending.
    thread = threading.Thread(target=work, name=f"doctor {name}", daemon=True)
    thread.start()
    return thread


def _read(reader: Reader) -> Any:
    try:
        return reader()
    except UnavailableError as error:
        return Silent(str(error))
    except DatabaseError as error:
        return Silent(str(error))
    except OSError as error:
        return Silent(f"It cannot be seen: {(error.strerror or str(error)).lower()}.")
    except (ValueError, KeyError):
        return Silent("What was seen cannot be understood.")
    finally:
        connection.close()


def examine(*, ask_wire: bool = False) -> Report:
    """Look at everything; with `ask_wire` anew on the wire too, else as it was last seen there."""
    started, at = time.monotonic(), timezone.now()
    rows = read_all({"rows": read_rows}, ROWS_WITHIN_SECONDS)["rows"]
    known = rows if isinstance(rows, Rows) else _NO_ROWS
    place = _read(lambda: place_of(known.told, {} if known.told else read_our_variables()))
    findings = judge_database(rows if isinstance(rows, Rows) else rows.why)
    if isinstance(place, Place):
        parts = [*_parts_of_host(), *_parts_of_place(place, known)]
        if place.serves_site:
            parts += [*_parts_of_site(place, known), _of_wire(place, known, ask=ask_wire)]
        if isinstance(rows, Rows):
            parts.append(_of_rows(place, rows))
        else:
            findings.append(
                _WORKERS.unknown("What they did last stands in the database, which is away.", START)
            )
    else:
        findings.append(_no_place(place, findings[0].state))
        parts = list(_parts_of_host())
    seen = read_all({str(number): part.read for number, part in enumerate(parts)}, READ_WITHIN_SECONDS)
    for part, saw in zip(parts, seen.values(), strict=True):
        findings += [part.subject.unknown(saw.why)] if isinstance(saw, Silent) else part.judge(saw)
    return Report(at, time.monotonic() - started, _ordered(findings))


def _no_place(trouble: Silent, database: State) -> Finding:
    subject = Subject("interface", NETWORK, "Boot interface", "Machines are answered on it alone.")
    if database == State.UNKNOWN:
        return subject.unknown("This user may not see which interface is served.")
    return subject.bad(trouble.why, "BOOT_INTERFACE=eth0 make up")


def _parts_of_host() -> Iterable[Part]:
    yield Part(_silent("data", STORAGE, "DATA_PATH"), read_data_path, judge_data_path)
    yield Part(_silent("redis", SERVICES, "Redis"), read_redis, judge_redis)
    yield Part(_silent("clock", TIME, "Clock of this host"), read_clock, judge_clock)


def _parts_of_site(place: Place, rows: Rows) -> Iterable[Part]:
    ports = wanted_ports(place, has_further_networks=rows.has_further_networks)
    held = {(port.is_udp, port.number): port.program for port in ports}
    yield Part(
        _silent("interface", NETWORK, "Boot interface"), read_links, lambda links: judge_links(place, links)
    )
    yield Part(
        _silent("ports", NETWORK, "Ports"),
        lambda: read_listening(held),
        lambda seen: judge_ports(ports, seen),
    )
    yield Part(
        _silent("firewall", NETWORK, "Firewall of this host"),
        read_rules, lambda rules: judge_firewall(place.interface, ports, rules),
    )  # fmt: skip
    yield Part(_silent("loaders", BOOT_FILES, "Boot loaders"), read_boot_files, judge_boot_files)


def _parts_of_place(place: Place, rows: Rows) -> Iterable[Part]:
    yield Part(
        _silent("reach", NETWORK, "Reachability"),
        lambda: read_reach(place, rows.nodes), lambda seen: judge_reach(place, rows.nodes, seen),
    )  # fmt: skip
    yield Part(
        _silent("processes", SERVICES, "Processes"),
        read_processes, lambda states: judge_processes(place, states),
    )  # fmt: skip


def _of_wire(place: Place, rows: Rows, *, ask: bool) -> Part:
    def read() -> Look | None:
        return look_anew(place, rows.our_addresses) if ask else rows.look

    subject = _silent("other-servers", NETWORK, "Other DHCP and PXE servers")
    return Part(subject, read, lambda seen: judge_wire(place, seen))


def _of_rows(place: Place, rows: Rows) -> Part:
    return Part(
        _silent("rows", SERVICES, "Workers"),
        lambda: rows,
        lambda told: [
            *judge_workers(place, told),
            *judge_storage(place, told.nodes, has_overlays=told.has_overlays),
            *judge_drifts(told),
        ],
    )


def _silent(key: str, group: str, title: str) -> Subject:
    return Subject(key, group, title, f"What cannot be looked at cannot be vouched for; try {AS_ROOT}.")


def _ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By group, in the order of the checks."""
    return tuple(sorted(findings, key=lambda finding: GROUPS.index(finding.group)))
