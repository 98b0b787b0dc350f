"""TFTP requests as sightings, those of a Raspberry Pi's firmware by what each file is to it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bootflow.models import Stage
from bootflow.raspberry_pi.asked import Role, role_of, why_expected
from bootflow.raspberry_pi.paths import asked_path
from bootflow.recorder.parse import Record, Transfer
from bootflow.recorder.sighting import Sighting, Sign, moment

SizeOf = Callable[[str], int | None]
FILE_LENGTH = 200  # of a name that is kept: a stranger may ask for one of 500 characters
_ENDS = ("file", "file-failed")
_TOLD = {
    "file": "Fetched {file} by TFTP.",
    "file-failed": "{file} did not arrive whole: the machine stopped answering.",
    "file-missing": "Asked for {file} by TFTP, which is not there.",
    "file-refused": "Asked for {file} by TFTP, which cannot be read: {error}.",
    "file-aborted": "Broke a TFTP transfer off: {error}.",
    "file-probed": "Looked whether {file} is there, and it is.",
    "file-unneeded": "Looked for {file}, which need not be there: {why}.",
}


def is_end_of_broken(record: Transfer, before: Record | None) -> bool:
    """Whether this line only ends what the one before broke off: dnsmasq logs both at once.

    A firmware sees by the first block that a file is there, and breaks off.
    """
    broken = isinstance(before, Transfer) and before.kind == "file-aborted"
    return broken and record.kind in _ENDS and before is not None and _address(before) == record.address


def transferred(record: Transfer, was_broken_off: bool, tftp_root: str, size_of: SizeOf) -> Sighting:
    """One request; `was_broken_off`: the machine asked for the first block only."""
    file = record.path.removeprefix(tftp_root).lstrip("/")
    role = role_of(file)
    kind, why = ("file-probed" if was_broken_off else record.kind), ""
    if kind == "file-missing":
        why = why_expected(file, lambda path: size_of(f"{tftp_root}/{path}") is not None)
    size = size_of(record.path) if kind in ("file", "file-failed") and (role or kind == "file") else None
    words = _TOLD["file-unneeded" if why else kind].format(
        file=file[:FILE_LENGTH], error=record.error, why=why
    )
    facts: dict[str, Any] = {
        "file": file[:FILE_LENGTH], "bytes": size, "address": record.address, "role": role and str(role),
        "serial_asked": asked_path(file).serial, "absent": bool(why) or None,
    }  # fmt: skip
    return Sighting(
        at=moment(record.at), stage=Stage.FIRMWARE if role is Role.FIRMWARE else Stage.TFTP,
        kind="file-probed" if why else kind, detail=words, sign=Sign.PART, address=record.address,
        facts={name: value for name, value in facts.items() if value not in ("", None)},
    )  # fmt: skip


def _address(record: Record) -> str:
    return record.address if isinstance(record, Transfer) else ""
