"""Log files that supervisor does not write itself: nginx's, which it opens and keeps open."""

from __future__ import annotations

import contextlib
import xmlrpc.client
from pathlib import Path

from django.conf import settings

from netboot_site.runtime import supervision
from netboot_site.runtime.programs import FRONT

ROTATE_AT_BYTES = 10 * 1024**2
_NGINX_LOGS = ("boot-files.log", "access.log")


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"


def tail(program: str, lines: int = 8) -> list[str]:
    """The end of a program's log, for a person who asks why it does not work."""
    try:
        text = Path(settings.LOGS_PATH / f"{program}.log").read_text(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]


def rotate_nginx_logs() -> None:
    """Rename each log that has grown too large to NAME.1 and let nginx open a new one."""
    grown = [
        path
        for path in (Path(settings.LOGS_PATH / name) for name in _NGINX_LOGS)
        if path.exists() and path.stat().st_size > ROTATE_AT_BYTES
    ]
    for path in grown:
        path.rename(path.with_name(path.name + ".1"))
    if grown:
        with contextlib.suppress(OSError, xmlrpc.client.Error):  # nginx is just being restarted
            supervision.send_signal("nginx", FRONT, "USR1")
