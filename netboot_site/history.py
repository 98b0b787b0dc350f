"""The journal of one row, as pages and the API show it."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema

from netboot_site.journal import changes_of
from netboot_site.models import Change

SHOWN = 12


class ChangeOut(Schema):
    """What somebody changed; `person` is empty where the orchestrator did it by itself."""

    at: datetime
    person: str
    text: str


def history_of(kind: str, key: str, *, limit: int = 100) -> list[ChangeOut]:
    """The last changes of a row, the newest first. One query."""
    return [ChangeOut(at=row.at, person=row.person, text=row.text) for row in changes_of(kind, key)[:limit]]


def last_changes(kind: str, key: str) -> list[Change]:
    """Those that a page shows. One query."""
    return list(changes_of(kind, key)[:SHOWN])
