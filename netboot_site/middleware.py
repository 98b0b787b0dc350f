"""What stands before every page: a signed-in person. And before the API: nothing that is a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django_htmx.http import HttpResponseClientRefresh

from netboot_site import journal

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


API_SENTENCES = {
    404: "There is nothing at this address of the API; /docs lists what there is.",
    405: "This method is not served at this address; the header Allow names those that are.",
}


class ApiErrorMiddleware:
    """A program that asks the API never gets a page: Django's own refusals are JSON there, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The answer, or the same refusal as JSON."""
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if response.status_code < 400 or not is_page or not request.path.startswith("/api/"):
            return response
        sentence = API_SENTENCES.get(response.status_code, "This request could not be answered.")
        refusal = JsonResponse({"detail": sentence}, status=response.status_code)
        if "Allow" in response.headers:
            refusal["Allow"] = response.headers["Allow"]
        return refusal


class JournalMiddleware:
    """Changes made by a request are noted under the name of whoever sent it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The answer; the name is asked for when a change is noted, since a token is looked at later."""
        with journal.acting(lambda: request.user.get_username()):
            return self.get_response(request)
