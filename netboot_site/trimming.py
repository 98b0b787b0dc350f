"""How long the past is kept: rows go oldest first, a few at a time, so that nobody waits for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.models import AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import Model, QuerySet
from django.utils import timezone

from netboot_site.models import Change

STEP = 500  # rows of a statement
PEOPLE_MAX = 10_000  # sign-ins, and changes by way of /admin, that are kept
_FAR_BELOW = 2  # where the planner's guess is below this part of a bound nobody need count


def trim(rows: QuerySet[Any], *, at: str, days: float, most: int, order: str = "", step: int = 0) -> bool:
    """Delete some of the oldest of these rows beyond their bounds; whether there are more.

    `at` names the field of their time; `order` another one that is in the same order and has an index.
    """
    step, order = step or STEP, order or at
    old = timezone.now() - timedelta(days=days)
    doomed = list(rows.filter(**{f"{at}__lt": old}).order_by(order, "pk").values_list("pk", flat=True)[:step])
    surplus = count_of(rows.model, most) - most
    if surplus > 0:
        doomed += list(rows.order_by(order, "pk").values_list("pk", flat=True)[: min(surplus, step)])
    rows.model._default_manager.filter(pk__in=doomed).delete()
    return len(doomed) >= step


def count_of(model: type[Model], near: int) -> int:
    """How many rows a table has; counted exactly only where the planner's guess is not far below `near`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table]
        )
        (guess,) = cursor.fetchone()
    return int(guess) if 0 < guess < near // _FAR_BELOW else model._default_manager.count()


def trim_house() -> bool:
    """The journal, and who signed in; whether there is more to do."""
    days, most = settings.CHANGE_HISTORY_DAYS, settings.CHANGE_HISTORY_MAX
    people = ((LogEntry, "action_time"), (AccessLog, "attempt_time"), (AccessFailureLog, "attempt_time"))
    more = [
        trim(Change.objects.all(), at="at", days=days, most=most),
        trim(Session.objects.filter(expire_date__lt=timezone.now()), at="expire_date", days=0, most=10**9),
        *(trim(model.objects.all(), at=at, days=days, most=PEOPLE_MAX, order="pk") for model, at in people),
    ]
    return any(more)
