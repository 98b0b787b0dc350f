"""A boot that is watched: what happens appears by itself, and whoever is at the end stays there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bootflow.models import Boot, BootEvent, Outcome, Stage
from tests.browser.believable import boot_of

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True)]
MAC = "52:54:00:ab:cd:01"
WAKE = "document.querySelectorAll('[data-live]').forEach((part) => htmx.trigger(part, 'wake'))"
TO_END = (
    "document.querySelector('[data-tail]').lastElementChild"
    ".scrollIntoView({block: 'end', behavior: 'instant'})"
)
AT_END = "document.querySelector('[data-tail]').getBoundingClientRect().bottom <= innerHeight + 1"


def note(boot: Boot, detail: str, count: int = 1) -> None:
    now = timezone.now()
    BootEvent.objects.bulk_create(
        BootEvent(boot=boot, at=now, stage=Stage.SCRIPT, kind="script", detail=f"{detail} {number}")
        for number in range(count)
    )


def test_a_watched_boot_grows_at_its_end_until_it_is_over(dashboard: Page, base: str) -> None:
    page = dashboard
    boot = boot_of(MAC, timezone.now() - timedelta(seconds=9), upto=4.2)
    note(boot, "before", 30)
    page.goto(f"{base}/boots/{boot.pk}/")
    page.evaluate(TO_END)
    note(boot, "news", 5)
    page.evaluate(WAKE)
    expect(page.get_by_text("news 4")).to_be_in_viewport()
    assert page.evaluate(AT_END), "the list grew below the window"
    page.evaluate("window.scrollTo({top: 0, behavior: 'instant'})")
    note(boot, "later", 5)
    page.evaluate(WAKE)
    expect(page.get_by_text("later 4")).to_be_attached()
    assert page.evaluate("window.scrollY") == 0, "who looks elsewhere is not carried away"
    Boot.objects.update(finished_at=timezone.now(), outcome=Outcome.OK, stage=Stage.OS)
    page.evaluate(WAKE)
    expect(page.locator(".verdict-word")).to_have_text("Booted")
