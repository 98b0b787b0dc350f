"""WSGI entry of the site: pages, REST API, API docs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")  # noqa: TID251
site = get_wsgi_application()

SMALL_BODY_BYTES = 64 * 1024
REFUSAL_PAUSE_SECONDS = 0.1


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The site. A large upload that is refused unread is answered after a moment.

    The connection closes behind the answer. A proxy that still pushes the body would meet that first and tell
    the client "502"; once the socket is full it waits, and reads the answer.
    """
    statuses: list[str] = []

    def start(status: str, *rest: Any) -> Any:
        statuses.append(status)
        return start_response(status, *rest)

    answer: Iterable[bytes] = site(environ, start)
    length = environ.get("CONTENT_LENGTH") or "0"
    if statuses[0].startswith("4") and length.isdecimal() and int(length) > SMALL_BODY_BYTES:
        time.sleep(REFUSAL_PAUSE_SECONDS)
    return answer
