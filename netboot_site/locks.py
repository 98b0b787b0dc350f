"""PostgreSQL advisory locks: one converger of a kind at a time, on all hosts."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# pg_try_advisory_lock(int, int): the first number keeps our locks apart from anyone else's in the database.
NAMESPACE = 0x6E62  # "nb"


def _key(name: str) -> int:
    return zlib.crc32(name.encode()) - 2**31  # a signed 32-bit integer, as PostgreSQL wants it


def wait_for_turn(name: str) -> None:
    """Let one transaction at a time past this line; the next one goes on when the first has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [NAMESPACE, _key(name)])


@contextmanager
def advisory_lock(name: str) -> Iterator[bool]:
    """Hold the session-level lock `name`, and yield whether we got it (never waits).

    PostgreSQL frees it when the connection ends, so a killed worker leaves nothing behind.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [NAMESPACE, _key(name)])
        (held,) = cursor.fetchone()
    try:
        yield bool(held)
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [NAMESPACE, _key(name)])
