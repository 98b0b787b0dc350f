"""nginx's log of boot files, one JSON object a line, as sightings. Pure, and no line makes it raise."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from bootflow.models import Stage
from bootflow.recorder.sighting import Sighting, Sign, moment

_PREFIX = "/boot/files/"
_LOADERS = "loaders/"


def parse_file_line(line: str) -> Sighting | None:
    """Who fetched which boot file over HTTP; None for a line that says nothing of that."""
    try:
        entry = json.loads(line)
        at = moment(float(entry["at"]))
        file = _file(str(entry["uri"]))
        status, address = int(entry["status"]), str(entry["address"])
        facts = {"bytes": int(entry["bytes"]), "seconds": float(entry["seconds"])}
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None
    if file is None or not address.isprintable():
        return None
    return _sighting(at, file, status, address, facts)


def _sighting(at: Any, file: str, status: int, address: str, facts: dict[str, Any]) -> Sighting:
    came = status < 400
    is_loader = file.startswith(_LOADERS)
    return Sighting(
        at=at,
        stage=Stage.TFTP if is_loader else Stage.INSTALLER,
        kind="file" if came else "file-missing",
        detail=f"Fetched {file} over HTTP."
        if came
        else f"Asked for {file} over HTTP and got status {status}.",
        sign=Sign.PART,
        address=address,
        facts={"file": file, "address": address, "status": status, **facts},
    )


def _file(uri: str) -> str | None:
    path = "".join(sign if sign.isprintable() else "?" for sign in unquote(uri.partition("?")[0]))
    return path.removeprefix(_PREFIX)[:300] if path.startswith(_PREFIX) else None
