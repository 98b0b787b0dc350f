"""REST calls of lists of devices: a CSV file in, a CSV file out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from bootflow.api.devices import DeviceQuery
from bootflow.export_list import COLUMNS, csv_answer, csv_lines
from bootflow.import_rows import MOST_BYTES, Fate, decoded
from bootflow.importing import import_devices, try_import
from bootflow.lists import lines_of
from bootflow.overview import search_devices

router = Router()
_BODY = {
    "requestBody": {
        "description": f"A CSV file of at most {MOST_BYTES // 2**20} MiB with the columns "
        f"{', '.join(COLUMNS)}; all but the first three may miss.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
        "required": True,
    }
}
_CSV = {"text/csv": {"schema": {"type": "string"}}}
_FILE = {"responses": {200: {"description": "The file", "content": _CSV}}}


class ImportQuery(Schema):
    """How a list is taken."""

    dry_run: Annotated[bool, Field(description="Only tell what would become of each line.")] = False
    changes_known: Annotated[
        bool, Field(description="Change devices that are registered already; else such a line is refused.")
    ] = False


class FateOut(Schema):
    """What becomes of one line."""

    line: int
    mac: str
    name: str
    fate: Literal["new", "changed", "same", "refused"]
    why: str


class ImportOut(Schema):
    """What became, or would become, of a list: all of it, or nothing while a line is refused."""

    dry_run: bool
    imported: bool
    new: int
    changed: int
    same: int
    refused: int
    rows: list[FateOut]


@router.post("/devices/import", response=ImportOut, openapi_extra=_BODY)
def import_list(request: HttpRequest, how: Query[ImportQuery]) -> ImportOut:
    """Register the devices of a CSV file: all of them, or none and the line of each mistake."""
    text = decoded(request.read(MOST_BYTES + 1))
    if how.dry_run:
        fates = try_import(lines=lines_of(text), changes_known=how.changes_known)
    else:
        fates = import_devices(lines=lines_of(text), changes_known=how.changes_known)
    return _shown(fates, dry_run=how.dry_run)


@router.get("/devices/export", openapi_extra=_FILE)
def export_list(request: HttpRequest, wanted: Query[DeviceQuery]) -> StreamingHttpResponse:
    """The devices that a list with these filters shows, as a CSV file that can be imported again."""
    return csv_answer(csv_lines(search_devices(wanted.chosen())))


def _shown(fates: list[Fate], *, dry_run: bool) -> ImportOut:
    counts = {
        fate: sum(1 for one in fates if one.fate == fate) for fate in ("new", "changed", "same", "refused")
    }
    rows = [FateOut(**asdict(fate)) for fate in fates]
    return ImportOut(dry_run=dry_run, imported=not dry_run, rows=rows, **counts)
