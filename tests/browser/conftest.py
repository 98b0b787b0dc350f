"""A browser for the tests of pages, and the watch over its console."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Complaints, chromium, sign_in

# Playwright's loop runs in the thread of the test, which reads and writes rows beside the open page.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for longer: as long as it is there, its loop runs in this thread, and no other loop can."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def page(browser: Browser, complaints: Complaints) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(15_000)
    complaints.listen_to(page)
    yield page
    page.close()


@pytest.fixture
def base(live_server: object) -> str:
    return str(live_server)


@pytest.fixture
def dashboard(page: Page, base: str) -> Page:
    """The dashboard, seen by an operator."""
    User.objects.create_user("operator", password=PASSWORD, is_staff=True, is_superuser=True)
    sign_in(page, base, "operator", PASSWORD)
    return page
