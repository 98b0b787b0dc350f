"""Which addresses are open without a signed-in person, and which only look as if they were."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve

from netboot_site.middleware import OPEN_PREFIXES, PersonMiddleware
from netboot_site.roles import may_write, operator_required


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a page")


def verdict(path: str, user: User | AnonymousUser, **headers: str) -> HttpResponse | None:
    """What stands before a page at that address; None lets the request through."""
    request = RequestFactory().get(path, headers=headers)
    request.user = user
    middleware = PersonMiddleware(page)
    answer = middleware.process_view(request, page, (), {})
    assert answer is None or isinstance(answer, HttpResponse)
    return answer


@pytest.mark.parametrize(
    "path",
    ["/boot/boot.ipxe", "/api/v1/devices", "/docs", "/openapi.json", "/health", "/metrics", "/static/a.css"],
)
def test_what_firmware_programs_and_monitors_ask_for_is_open(path: str) -> None:
    assert verdict(path, AnonymousUser()) is None


@pytest.mark.parametrize(
    "path",
    ["/", "/boots/", "/boots/7/", "/devices/", "/images/", "/admin/", "/boot", "/api", "/BOOT/x", "//boot/x",
     "/devices/boot/", "/?next=/boot/", "/statics/", "/tokens/"],
)  # fmt: skip
def test_every_other_address_leads_to_the_sign_in_page(path: str) -> None:
    answer = verdict(path, AnonymousUser())
    assert answer is not None, f"{path} is open"
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/?next=")


def test_a_signed_in_person_passes_and_a_fragment_without_one_reloads_the_page() -> None:
    assert verdict("/devices/", User(username="jo")) is None
    answer = verdict("/devices/", AnonymousUser(), HX_Request="true")
    assert answer is not None
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (200, "true")


@pytest.mark.parametrize("prefix", [prefix for prefix in OPEN_PREFIXES if prefix != "/static/"])
def test_an_open_address_leads_somewhere(prefix: str) -> None:
    """One that leads nowhere would open whatever is put there later."""
    below = {"/boot/": "boot.ipxe", "/api/": "v1/devices"}
    assert resolve(prefix + below.get(prefix, "")).func


@pytest.mark.parametrize(
    ("user", "writes"),
    [(AnonymousUser(), False), (User(username="viewer"), False), (User(username="op", is_staff=True), True)],
)
def test_only_operators_change_things(user: User | AnonymousUser, writes: bool) -> None:
    request = RequestFactory().post("/x")
    request.user = user
    assert may_write(user) is writes
    if writes:
        assert operator_required(page)(request).content == b"a page"
    else:
        with pytest.raises(PermissionDenied, match="may look, and not change anything"):
            operator_required(page)(request)
