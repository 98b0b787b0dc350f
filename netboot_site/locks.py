"""PostgreSQL advisory locks: one converger of a kind at a time, on all hosts."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# pg_try_advisory_lock(int, int): the first number keeps our locks apart from anyone else's in the database.
NAMESPACE = 0x6E62  # "nb"


@contextmanager
def advisory_lock(name: str) -> Iterator[bool]:
    """Hold the session-level lock `name`, and yield whether we got it (never waits).

    PostgreSQL frees it when the connection ends, so a killed worker leaves nothing behind.
    """
    key = zlib.crc32(name.encode()) - 2**31  # a signed 32-bit integer, as PostgreSQL wants it
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [NAMESPACE, key])
        (held,) = cursor.fetchone()
    try:
        yield bool(held)
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [NAMESPACE, key])
