"""Locks that PostgreSQL keeps, seen from two connections."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from netboot_site.locks import advisory_lock

pytestmark = pytest.mark.django_db(transaction=True)


def elsewhere(ask: Callable[[], bool]) -> bool:
    """The answer of another thread, which has a connection of its own."""
    answers: list[bool] = []

    def work() -> None:
        try:
            answers.append(ask())
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert answers, "it waited, or failed"
    return answers[0]


def got(name: str) -> Callable[[], bool]:
    def ask() -> bool:
        with advisory_lock(name) as held:
            return held

    return ask


def test_of_two_one_gets_it_and_the_other_never_waits() -> None:
    with advisory_lock("images.converge.local") as held:
        assert held
        assert not elsewhere(got("images.converge.local"))
        assert not elsewhere(got("images.converge.local")), "whoever was refused has freed it"


def test_different_names_do_not_meet() -> None:
    with advisory_lock("images.converge.local"):
        assert elsewhere(got("images.converge.other"))


def test_afterwards_it_is_free_after_a_failure_too() -> None:
    with pytest.raises(ZeroDivisionError), advisory_lock("a"):
        raise ZeroDivisionError
    assert elsewhere(got("a"))


def test_a_worker_that_died_leaves_no_lock() -> None:
    def die_with_it() -> bool:
        with advisory_lock("b") as held:
            connection.close()  # as the kernel does for a killed process
        return held

    assert elsewhere(die_with_it)
    assert elsewhere(got("b"))


@pytest.mark.parametrize("name", ["", "a", "images.converge.local", "ä" * 300, "plumless", "buckeroo"])
def test_any_name_fits_into_postgresqls_number(name: str) -> None:
    assert got(name)()
