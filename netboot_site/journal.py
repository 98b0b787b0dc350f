"""Who changed what: services write it in the transaction of the change itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db.models import QuerySet
from django.utils import timezone

from netboot_site.models import Change

TEXT_LENGTH = 500

_person: ContextVar[Callable[[], str]] = ContextVar("person", default=str)


@contextmanager
def acting(person: Callable[[], str]) -> Iterator[None]:
    """Whoever `person` names when it is asked is noted as the author of changes made meanwhile."""
    token = _person.set(person)
    try:
        yield
    finally:
        _person.reset(token)


def record(kind: str, key: str, text: str) -> None:
    """Note a change of one row: `record("device", device.mac, "Renamed to lab1-03")`."""
    record_many(kind, [(key, text)])


def record_many(kind: str, changes: Iterable[tuple[str, str]]) -> None:
    """Note changes of many rows, given as pairs of key and text, in one statement."""
    at, person = timezone.now(), _person.get()()
    Change.objects.bulk_create(
        [Change(at=at, person=person, kind=kind, key=key, text=text[:TEXT_LENGTH]) for key, text in changes],
        batch_size=1000,
    )


def changes_of(kind: str, key: str) -> QuerySet[Change]:
    """The journal of one row, the newest first."""
    return Change.objects.filter(kind=kind, key=key)
