"""One round of the recorder: each source from where it was left, in one transaction with what it tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from bootflow.models import LogPosition
from bootflow.recorder import ledger, sessions
from bootflow.recorder.assemble import assemble, begins
from bootflow.recorder.files import parse_file_line
from bootflow.recorder.follow import Line, Position, read_lines
from bootflow.recorder.neighbours import AddressBook
from bootflow.recorder.parse import Record, Transfer, parse_line
from bootflow.recorder.sighting import Sighting, moment

# dnsmasq writes the lines of an exchange within milliseconds; this long after the last one it is whole.
EXCHANGE_WHOLE_AFTER_SECONDS = 0.3
EXCHANGE_LINES_MAX = 500  # a longer one is none of dnsmasq's: do not wait for its end
Reader = Callable[[list[Line]], tuple[list[Sighting], int]]


class Recorder:
    """Follows dnsmasq's log, nginx's log of boot files, and the sessions of the target servers."""

    def __init__(
        self, logs_path: Path, tftp_path: Path, book: AddressBook | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.logs_path = logs_path
        self.tftp_root = str(tftp_path)
        self.book = book or AddressBook()
        self.clock = clock
        self._end: Position | None = None  # of dnsmasq's log, as it was last seen, and since when
        self._end_since = 0.0

    def follow_dnsmasq(self) -> bool:
        """Read on in dnsmasq's log; whether there may be more."""
        return self._follow("dnsmasq", self.logs_path / "dnsmasq.log", self._read_dnsmasq)

    def follow_files(self) -> bool:
        """Read on in the log of boot files; whether there may be more."""
        return self._follow("boot-files", self.logs_path / "boot-files.log", self._read_files)

    def follow_sessions(self) -> None:
        """Note logins since the last look."""
        with transaction.atomic():
            now = timezone.now()
            row = LogPosition.objects.select_for_update().filter(source="sessions").first()
            since = moment(row.offset / 1000) if row else now
            sessions.write_sessions(since - sessions.LOOK_BACK)
            sessions.settle()
            _save("sessions", Position(0, int(now.timestamp() * 1000)))

    def _follow(self, source: str, path: Path, read: Reader) -> bool:
        with transaction.atomic():
            row = LogPosition.objects.filter(source=source).first()
            lines = read_lines(path, Position(row.inode, row.offset) if row else None)
            sightings, used = read(lines)
            if used:
                ledger.write(self._with_macs(sightings))
                _save(source, lines[used - 1].after)
        return used > 0

    def _read_dnsmasq(self, lines: list[Line]) -> tuple[list[Sighting], int]:
        records = [parse_line(line.text) for line in lines]
        used = self._whole(lines, records)
        told = (record for record in records[:used] if record is not None)
        return list(assemble(told, tftp_root=self.tftp_root, size_of=_size_of)), used

    def _whole(self, lines: list[Line], records: list[Record | None]) -> int:
        """How many of these lines end with a whole exchange: more has followed it, or nothing for a while."""
        start = start_of_last_exchange(records)
        if start is None:
            return len(lines)
        if lines[-1].after != self._end:
            self._end, self._end_since = lines[-1].after, self.clock()
        if start == 0 and len(lines) > EXCHANGE_LINES_MAX:
            return len(lines)
        return len(lines) if self.clock() - self._end_since >= EXCHANGE_WHOLE_AFTER_SECONDS else start

    def _read_files(self, lines: list[Line]) -> tuple[list[Sighting], int]:
        told = [parse_file_line(line.text) for line in lines]
        return [sighting for sighting in told if sighting is not None], len(lines)

    def _with_macs(self, sightings: Iterable[Sighting]) -> Iterable[Sighting]:
        for sighting in sightings:
            self.book.learn(sighting)
            mac = sighting.mac or self.book.mac_of(sighting.address)
            if mac:
                yield replace(sighting, mac=mac)


def start_of_last_exchange(records: Sequence[Record | None]) -> int | None:
    """Where the last exchange begins, which may still be being written; None after a transfer. Pure.

    A transfer that was broken off has another line to come.
    """
    known = [(number, record) for number, record in enumerate(records) if record is not None]
    if not known or (isinstance(known[-1][1], Transfer) and known[-1][1].kind != "file-aborted"):
        return None
    befores = [None, *(record for _, record in known[:-1])]
    pairs = reversed(list(zip(known, befores, strict=True)))
    return next(number for (number, record), before in pairs if begins(record, before))


def _save(source: str, position: Position) -> None:
    LogPosition.objects.update_or_create(
        source=source, defaults={"inode": position.inode, "offset": position.offset}
    )


def _size_of(path: str) -> int | None:
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return None
