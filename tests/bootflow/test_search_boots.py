"""Boots found by what they are, on the page and over the API, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.boot_search import BootFilter, Place, count_causes, page_of_boots, place_of, search_boots
from bootflow.models import Boot
from devices.models import Device, Group
from tests.conftest import Api

pytestmark = pytest.mark.django_db
NO_SCRIPT = "loader fetched, no script asked for within 30 s: the machine reached TFTP but not HTTP port 8080"
NO_LOGIN = "told to boot from {}, but no login at the iSCSI target 10.0.0.1:3260 within 60 s"
NOW = timezone.now()
LAB, SHOP = "52:54:00:00:00:01", "52:54:00:00:00:02"


def boot(mac: str = LAB, minutes_ago: float = 5, **changes: Any) -> Boot:
    at = NOW - timedelta(minutes=minutes_ago)
    values = {"finished_at": at + timedelta(seconds=30), "stage": "os", "outcome": "ok", **changes}
    return Boot.objects.create(mac=mac, started_at=at, last_event_at=at, **values)


@pytest.fixture
def some() -> dict[str, Boot]:
    group = Group.objects.create(name="Lab 1")
    Device.objects.create(mac=LAB, name="lab1-01", device_type="x64", group=group)
    Device.objects.create(mac=SHOP, name="shop", device_type="x64")
    return {
        "ok": boot(minutes_ago=1),
        "running": boot(SHOP, 2, outcome="", finished_at=None, stage="script"),
        "no-script": boot(minutes_ago=3, outcome="failed", stage="tftp", reason=NO_SCRIPT),
        "no-login": boot(SHOP, 4, outcome="failed", stage="script", reason=NO_LOGIN.format("a")),
        "again": boot(SHOP, 60 * 24 * 3, outcome="failed", stage="script", reason=NO_LOGIN.format("b")),
        "stranger": boot("52:54:00:00:00:99", 60 * 24 * 60, outcome="local", stage="script"),
    }


WANTED = [
    ("", ["ok", "running", "no-script", "no-login", "again", "stranger"]),
    ("outcome=failed", ["no-script", "no-login", "again"]),
    ("outcome=running", ["running"]),
    ("outcome=local", ["stranger"]),
    ("reason=no-login", ["no-login", "again"]),
    ("reason=no-login&outcome=ok", []),
    ("stage=script", ["running", "no-login", "again", "stranger"]),
    ("q=LAB1", ["ok", "no-script"]),
    ("q=lab+1", ["ok", "no-script"]),
    ("q=00:00:99", ["stranger"]),
    ("q=525400000002", ["running", "no-login", "again"]),
    ("q=%25", []),
    ("q=shop&outcome=failed", ["no-login", "again"]),
]


@pytest.mark.parametrize(("query", "names"), WANTED)
def test_page_and_api_find_the_same_boots(
    operator_client: Client, api: Api, some: dict[str, Boot], query: str, names: list[str]
) -> None:
    ids = [some[name].pk for name in names]
    assert [one["id"] for one in api.get(f"/api/v1/boots?{query}").json()] == ids
    page = operator_client.get(f"/boots/?{query}").content.decode()
    assert [int(found) for found in re.findall(r'id="row-(\d+)"', page)] == ids


def test_the_api_finds_boots_by_words_of_the_reason_by_device_and_by_time(
    api: Api, some: dict[str, Boot]
) -> None:
    def found(query: str) -> list[int]:
        return [one["id"] for one in api.get(f"/api/v1/boots?{query}").json()]

    assert found("reason=PORT 8080".replace(" ", "%20")) == [some["no-script"].pk]
    assert found(f"mac={LAB.upper().replace(':', '-')}") == [some["ok"].pk, some["no-script"].pk]
    day = quote((NOW - timedelta(days=1)).isoformat())
    assert found(f"since={day}&outcome=failed") == [some["no-script"].pk, some["no-login"].pk]
    assert found(f"until={day}") == [some["again"].pk, some["stranger"].pk]
    assert found("limit=2&offset=1") == [some["running"].pk, some["no-script"].pk]


@pytest.mark.parametrize(
    "query",
    ["outcome=no", "stage=no", "mac=no", "since=no", "since=2026-01-01T00:00:00", "limit=1001", "offset=-1",
     "since=0001-01-01T00:00:00%2B10:00", "until=9999-12-31T23:00:00-10:00",
     "offset=99999999999999999999", "q=" + 201 * "a", "reason=%00"],
)  # fmt: skip
def test_the_api_refuses_what_is_no_filter(api: Api, query: str) -> None:
    assert api.get(f"/api/v1/boots?{query}").status_code == 422


@pytest.mark.parametrize("at", ["0257-11-18T18:39:06-22:14", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_time_far_away_is_a_time(api: Api, some: dict[str, Boot], at: str) -> None:
    found = len(api.get(f"/api/v1/boots?since={at}").json()), len(api.get(f"/api/v1/boots?until={at}").json())
    assert found == ((0, 6) if at.startswith("9999") else (6, 0))


@pytest.mark.parametrize("span", ["hour", "day", "week", "month"])
def test_a_page_shows_a_span_that_ends_now(operator_client: Client, some: dict[str, Boot], span: str) -> None:
    page = operator_client.get(f"/boots/?span={span}").content.decode()
    assert (f"row-{some['again'].pk}" in page) is (span in ("week", "month"))
    assert f"row-{some['stranger'].pk}" not in page
    assert f"row-{some['ok'].pk}" in page


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("q=" + 201 * "a", "q", "at most 200 characters"),
        ("q=%00", "q", "Null characters"),
        ("outcome=x", "outcome", "no such outcome"),
        ("reason=x", "reason", "no such reason"),
        ("stage=x", "stage", "no such stage"),
        ("span=x", "span", "no such time"),
    ],
)
def test_a_wrong_field_of_the_filter_is_told_and_the_rest_counts(
    operator_client: Client, some: dict[str, Boot], query: str, field: str, told: str
) -> None:
    rest = "q=shop" if field != "q" else "outcome=failed"
    page = operator_client.get(f"/boots/?{query}&{rest}").content.decode()
    assert told in page.split(f'id="id_{field}_error"')[1][:200]
    assert f"row-{some['no-login'].pk}" in page
    assert f"row-{some['ok'].pk}" not in page


def test_reasons_are_counted_the_most_frequent_first(
    operator_client: Client, api: Api, some: dict[str, Boot]
) -> None:
    counts = [(one.key, one.count, one.share) for one in count_causes(BootFilter())]
    assert counts == [("no-login", 2, 1.0), ("no-http", 1, 0.5)]
    told = api.get("/api/v1/boots/reasons?q=shop").json()
    assert told == [{"reason": "no-login", "label": "No login at its disk", "count": 2}]
    page = operator_client.get("/boots/?q=shop&stage=script&reason=no-login").content.decode()
    link = 'href="/boots/?q=shop&amp;stage=script&amp;reason=no-login" aria-current="true"'
    assert link in page


def pages(query: str = "") -> list[list[int]]:
    """Every page of boots from the newest to the oldest."""
    found, before = [], None
    while True:
        page = page_of_boots(search_boots(BootFilter(outcome=query)), before=before)
        found.append([one.pk for one in page.rows])
        if page.older is None:
            return found
        before = place_of(str(page.older))


def test_pages_hold_every_boot_once_also_those_of_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootflow.boot_search.ROWS_PER_PAGE", 3)
    for number in range(8):
        boot(mac=f"52:54:00:00:01:{number:02x}", minutes_ago=number // 4)
    found = pages()
    assert [len(page) for page in found] == [3, 3, 2]
    assert [pk for page in found for pk in page] == list(Boot.objects.values_list("pk", flat=True))


def test_the_way_back_leads_over_the_same_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootflow.boot_search.ROWS_PER_PAGE", 3)
    for number in range(7):
        boot(minutes_ago=number, mac=f"52:54:00:00:01:{number:02x}")
    first = page_of_boots(search_boots(BootFilter()))
    second = page_of_boots(search_boots(BootFilter()), before=first.older)
    back = page_of_boots(search_boots(BootFilter()), after=second.newer)
    assert first.newer is None
    assert [one.pk for one in back.rows] == [one.pk for one in first.rows]
    assert back.newer is None
    assert back.older == first.older


def test_a_page_stays_where_it_was_when_its_boot_is_gone_and_new_ones_come(
    operator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootflow.boot_search.ROWS_PER_PAGE", 2)
    rows = [boot(minutes_ago=number, mac=f"52:54:00:00:01:{number:02x}") for number in range(1, 5)]
    page = operator_client.get("/boots/").content.decode()
    older = re.search(r'rel="next" href="/boots/\?(before=[0-9-]+)"', page)
    assert older, page
    rows[1].delete()
    boot(minutes_ago=0, mac=SHOP)
    following = operator_client.get(f"/boots/?{older[1]}").content.decode()
    assert re.findall(r'id="row-(\d+)"', following) == [str(rows[2].pk), str(rows[3].pk)]
    assert "data-live" not in following, "an older page does not change"


@pytest.mark.parametrize(
    "text", ["", "x", "1", "1-", "-1", "1-x", "9" * 50, f"1-{2**63}", "99999999999999999-1-1"]
)
def test_what_is_no_place_leads_to_the_newest_page(operator_client: Client, text: str) -> None:
    assert place_of(text) is None
    assert operator_client.get(f"/boots/?before={text}").status_code == 200


def test_a_place_is_told_to_the_microsecond() -> None:
    place = Place(NOW, 42)
    assert place_of(str(place)) == place


def test_a_slow_boot_stands_beside_what_is_usual(operator_client: Client, some: dict[str, Boot]) -> None:
    for number in range(5):
        boot(SHOP, 100 + number)
    slow = boot(SHOP, 50)
    slow.finished_at = slow.started_at + timedelta(minutes=5)
    slow.save()
    page = operator_client.get("/boots/?q=shop").content.decode()
    assert page.count("usually") == 1
    assert "usually 30 s" in page.split(f"row-{slow.pk}")[1].split("</tr>")[0]


def test_the_list_takes_the_same_queries_for_one_boot_as_for_fifty(
    operator_client: Client, django_assert_max_num_queries: Callable[[int], Any], some: dict[str, Boot]
) -> None:
    def count(query: str) -> int:
        with django_assert_max_num_queries(12) as seen:
            operator_client.get(f"/boots/{query}")
        return len(seen)

    before = [count(query) for query in ("", "?q=shop", "?outcome=failed&span=day")]
    for number in range(60):
        boot(f"52:54:00:00:02:{number:02x}", number / 100, outcome="failed", reason=NO_SCRIPT)
    assert [count(query) for query in ("", "?q=shop", "?outcome=failed&span=day")] == before


def test_new_boots_arrive_by_themselves_and_the_filter_is_kept(
    operator_client: Client, some: dict[str, Boot]
) -> None:
    page = operator_client.get("/boots/?outcome=failed&q=shop").content.decode()
    url = re.search(r'hx-get="(/boots/live/\?[^"]+)"', page)
    assert url, page
    path = url[1].replace("&amp;", "&")
    assert "outcome=failed" in path
    assert operator_client.get(path).status_code == 204
    new = boot(SHOP, 0, outcome="failed", reason=NO_SCRIPT)
    assert f"row-{new.pk}" in operator_client.get(path).content.decode()


def test_hostile_names_and_reasons_are_text(operator_client: Client, some: dict[str, Boot]) -> None:
    Device.objects.filter(mac=LAB).update(name="<script>alert(1)</script>" + "\u05d0" * 150)
    Boot.objects.filter(mac=LAB, outcome="failed").update(reason="<img src=x onerror=alert(1)> is not there")
    page = operator_client.get("/boots/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert 'dir="auto">&lt;script&gt;' in page
