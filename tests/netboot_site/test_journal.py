"""Who changed what."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from netboot_site import journal
from netboot_site.middleware import JournalMiddleware
from netboot_site.models import Change

pytestmark = pytest.mark.django_db


def test_a_change_bears_the_name_of_whoever_acts() -> None:
    with journal.acting(lambda: "anna"):
        journal.record("device", "52:54:00:12:34:56", "Renamed to lab1-03")
    change = Change.objects.get()
    assert (change.person, change.kind, change.key) == ("anna", "device", "52:54:00:12:34:56")
    assert change.text == "Renamed to lab1-03"


def test_a_change_of_ours_bears_no_name() -> None:
    with journal.acting(lambda: "anna"):
        pass
    journal.record("image", "debian", "Version 3 published")
    assert Change.objects.get().person == ""


def test_a_change_that_is_taken_back_leaves_no_note() -> None:
    with transaction.atomic():
        journal.record("device", "52:54:00:12:34:56", "Deleted")
        transaction.set_rollback(True)
    assert not Change.objects.exists()


def test_the_journal_of_a_row_is_its_own_and_newest_first() -> None:
    journal.record("device", "52:54:00:12:34:56", "Registered")
    journal.record_many("device", [("52:54:00:12:34:57", "Disabled"), ("52:54:00:12:34:56", "Disabled")])
    texts = [change.text for change in journal.changes_of("device", "52:54:00:12:34:56")]
    assert texts == ["Disabled", "Registered"]


def test_a_text_that_is_too_long_is_cut() -> None:
    journal.record("image", "debian", "x" * 600)
    assert len(Change.objects.get().text) == journal.TEXT_LENGTH


def test_a_request_acts_for_its_person(rf: RequestFactory, operator: User) -> None:
    def change(request: HttpRequest) -> HttpResponse:
        journal.record("device", "52:54:00:12:34:56", "Disabled")
        return HttpResponse()

    request = rf.get("/")
    request.user = operator
    JournalMiddleware(change)(request)
    assert Change.objects.get().person == "operator"
