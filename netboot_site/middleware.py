"""What stands before every page: a signed-in person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase
from django_htmx.http import HttpResponseClientRefresh

# Firmware has no account; the REST API has its own authentication; the rest is promised to be open.
OPEN_PREFIXES = ("/boot/", "/api/", "/docs", "/openapi.json", "/health", "/metrics", "/static/")


class PersonMiddleware(LoginRequiredMiddleware):
    """Every page is closed unless its address is listed above or its view says so."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """None lets the request through; otherwise the way to the sign-in page."""
        if request.path.startswith(OPEN_PREFIXES):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(  # type: ignore[override]  # an answer to htmx is no redirect
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """A fragment is never answered with the sign-in page inside it: the whole page loads again."""
        if request.headers.get("HX-Request"):
            return HttpResponseClientRefresh()
        return super().handle_no_permission(request, view_func)
