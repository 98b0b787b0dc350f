"""Everything that a page does, the API does, and each page says how."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver

import bootflow.urls
import images.urls
from netboot_site import urls
from netboot_site.api_links import CALLS, PAGES_ALONE, described_at


def _names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.name and not pattern.name.endswith("-live"):
            yield pattern.name


PAGES = sorted(
    {*_names(bootflow.urls.urlpatterns), *_names(images.urls.urlpatterns), *_names(urls.urlpatterns)}
    - {name for name in _names(urls.urlpatterns) if name.startswith("boot-") and name not in CALLS}
    - PAGES_ALONE
)


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_does_the_api_does(name: str) -> None:
    assert CALLS.get(name), f"the page {name!r} names no call of the API"


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in CALLS.items() for call in calls])
def test_a_call_that_a_page_names_is_one_of_the_api(name: str, call: str) -> None:
    assert call in described_at()


@pytest.mark.parametrize("name", sorted(CALLS))
def test_calls_are_named_of_pages_that_there_are(name: str) -> None:
    assert name in PAGES


def test_a_page_links_to_its_call(client: Client, viewer: User) -> None:
    client.force_login(viewer)
    page = client.get("/boots/").content.decode()
    assert 'href="/docs#/boots/bootflow_api_boots_list_boots"' in page
