"""The site as it is run, telling how many statements each answer cost; and the yardstick, a bare view."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection

from netboot_site.wsgi import application as site

BARE = "/bare/"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Count, and pass on."""
    asked = [0]

    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        asked[0] += not sql.startswith(("SAVEPOINT", "RELEASE"))
        return execute(sql, *rest)

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        return start_response(status, [*headers, ("X-Statements", str(asked[0]))], *rest)

    with connection.execute_wrapper(count):
        return bare(start) if environ["PATH_INFO"] == BARE else site(environ, start)


def bare(start: Callable[..., Any]) -> Iterable[bytes]:
    """One statement on a lasting connection, a page of one line."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    start("200 OK", [("Content-Type", "text/html")])
    return [b"<!doctype html><title>bare</title>"]
