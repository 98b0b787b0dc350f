"""What a person or a program is told when PostgreSQL is away: nothing here asks for a row."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import defaults

AWAY = "The database (PostgreSQL) does not answer now; try again in a moment."
RETRY_SECONDS = "5"
_PLAIN = "text/plain; charset=utf-8"


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler of what no view has caught; it is called while the error is handled."""
    if not isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return defaults.server_error(request)
    answer = _away(request)
    answer["Retry-After"], answer["Cache-Control"] = RETRY_SECONDS, "no-store"
    return answer


def _away(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": AWAY}, status=503)
    if request.path.startswith("/boot/") or request.headers.get("HX-Request"):
        return HttpResponse(AWAY, status=503, content_type=_PLAIN)
    page = render(request, "503.html", status=503)
    if request.method == "GET":
        page["Refresh"] = RETRY_SECONDS  # the page that was asked for, as soon as it can be shown
    return page
