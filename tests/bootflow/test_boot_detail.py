"""One boot: its page beside what is usual, its live tail, and the same over the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.fetched import FILES_SHOWN
from bootflow.models import Boot, BootEvent, Outcome, Stage
from devices.models import Device
from tests.browser.believable import boot_of
from tests.conftest import Api

pytestmark = pytest.mark.django_db
MAC, LIKE_IT = "52:54:00:ab:cd:01", "52:54:00:ab:cd:02"
SLOWER = "slower than 95 % of its boots"


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def slow(now: datetime) -> Boot:
    """A boot that takes three times as long as those before it, and a machine of the same model."""
    facts = {"manufacturer": "Dell Inc.", "product": "OptiPlex 7010"}
    for mac, name in ((MAC, "pc-one"), (LIKE_IT, "pc-two")):
        Device.objects.create(mac=mac, name=name, device_type="x64", facts=facts)
        for day in range(1, 7):
            boot_of(
                mac, now - timedelta(days=day), upto=31.8, outcome=Outcome.OK, slow=1 if mac == MAC else 2
            )
    return boot_of(MAC, now - timedelta(minutes=2), upto=31.8, outcome=Outcome.OK, slow=3)


def drawing_of(page: str) -> ElementTree.Element:
    found = re.search(r'<svg class="waterfall".*?</table></div>', page, re.DOTALL)
    assert found, page
    return ElementTree.fromstring(f"<div>{found[0].replace('&nbsp;', ' ')}</div>")


def test_a_boot_is_drawn_as_one_picture_with_a_title_words_and_a_table(
    viewer_client: Client, slow: Boot
) -> None:
    page = viewer_client.get(f"/boots/{slow.pk}/").content.decode()
    drawing = drawing_of(page)
    picture, table = drawing.find("svg"), drawing.find("div/table")
    assert picture is not None
    assert table is not None
    assert picture.get("role") == "img"
    ids = {element.get("id") for element in picture.iter() if element.get("id")}
    assert set(str(picture.get("aria-labelledby")).split()) <= ids
    rows = [[cell.text or "" for cell in row] for row in table.findall("tbody/tr")]
    assert [row[0] for row in rows] == ["Whole boot", "DHCP", "TFTP", "Script", "iSCSI", "OS"]
    assert rows[0] == ["Whole boot", "1 ms", "1 min 35 s", "", "32 s, 32 s", "48 s, 1 min 4 s"]
    assert rows[2][3] == "156 KiB"


def test_a_slow_boot_is_told_in_words_against_its_device_and_its_model(
    viewer_client: Client, slow: Boot
) -> None:
    page = viewer_client.get(f"/boots/{slow.pk}/").content.decode()
    verdict = page.split('class="verdict-text"')[1].split("</div>\n    <dl")[0]
    assert f"Usually 32 s (95 % within 32 s), this model 48 s (95 % within 1 min 4 s), {SLOWER}." in verdict
    assert "Dell Inc. OptiPlex 7010" in page
    iscsi = next(
        text for text in re.findall(r'<text class="wf-words.*?</text>', page) if "usually 20 s" in text
    )
    assert SLOWER in iscsi


def test_without_history_nothing_is_compared(viewer_client: Client, now: datetime) -> None:
    boot = boot_of(MAC, now, upto=31.8, outcome=Outcome.OK)
    page = viewer_client.get(f"/boots/{boot.pk}/").content.decode()
    assert "usually" not in page
    assert "wf-median" not in page
    assert "95th percentile" not in page.split("<table")[0]


def test_a_boot_of_which_nothing_is_known_yet_is_shown(
    viewer_client: Client, api: Api, now: datetime
) -> None:
    boot = Boot.objects.create(mac=MAC, started_at=now, last_event_at=now, stage="dhcp")
    assert b"No stage has been seen yet" in viewer_client.get(f"/boots/{boot.pk}/").content
    assert api.get(f"/api/v1/boots/{boot.pk}").json()["stages"] == []


def test_the_api_tells_what_the_page_tells(api: Api, slow: Boot) -> None:
    told = api.get(f"/api/v1/boots/{slow.pk}").json()
    assert (told["id"], told["device_name"], told["model"]) == (slow.pk, "pc-one", "Dell Inc. OptiPlex 7010")
    assert told["usual"] == {"count": 6, "median_seconds": 31.8, "p95_seconds": 31.8}
    assert told["model_usual"]["count"] == 10
    assert told["told"].endswith(SLOWER)
    tftp = told["stages"][1]
    assert (tftp["stage"], tftp["bytes"], tftp["usual"]["count"]) == ("tftp", 159_744, 6)
    assert len(told["events"]) == 8


@pytest.mark.parametrize("number", ["0", "4711", "99999999999999999999", "-1", "x"])
def test_a_boot_that_is_not_there_is_a_404(api: Api, number: str) -> None:
    answer = api.get(f"/api/v1/boots/{number}")
    assert answer.status_code == 404
    assert answer.json()["detail"]


def test_a_page_takes_the_same_queries_for_few_events_and_for_many(
    viewer_client: Client, slow: Boot, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(16) as seen:
            viewer_client.get(f"/boots/{slow.pk}/")
        return len(seen)

    before = count()
    BootEvent.objects.bulk_create(
        BootEvent(boot=slow, at=slow.started_at, stage=Stage.SCRIPT, kind="x", detail=str(n))
        for n in range(300)
    )
    assert count() == before


def live_path(page: str) -> str:
    found = re.search(r'hx-get="([^"]+)"', page)
    assert found, "this page is not live"
    return found[1].replace("&amp;", "&")


def test_a_watched_boot_that_stands_still_costs_a_few_queries_and_no_drawing(
    viewer_client: Client, now: datetime, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    boot = boot_of(MAC, now, upto=4.2)
    path = live_path(viewer_client.get(f"/boots/{boot.pk}/").content.decode())
    with django_assert_max_num_queries(4):  # session, person, boot, its newest event
        assert viewer_client.get(path).status_code == 204


@pytest.mark.parametrize(
    "change",
    [
        lambda boot: BootEvent.objects.create(boot=boot, at=timezone.now(), stage="script", kind="script"),
        lambda boot: Boot.objects.update(last_event_at=timezone.now()),
        lambda boot: Boot.objects.update(outcome="failed", reason="no script asked for"),
        lambda boot: Boot.objects.update(finished_at=timezone.now()),
        lambda boot: Boot.objects.update(stage="iscsi"),
    ],
)
def test_whatever_the_recorder_writes_arrives(
    viewer_client: Client, now: datetime, change: Callable[[Boot], object]
) -> None:
    boot = boot_of(MAC, now, upto=4.2)
    path = live_path(viewer_client.get(f"/boots/{boot.pk}/").content.decode()).partition("&seen")[0]
    assert viewer_client.get(path).status_code == 204
    change(boot)
    answer = viewer_client.get(path)
    assert answer.status_code == 200
    assert live_path(answer.content.decode()).partition("&seen")[0] != path


def test_the_tail_of_a_boot_in_progress_sticks_to_its_end(viewer_client: Client, now: datetime) -> None:
    going = boot_of(MAC, now, upto=4.2)
    over = boot_of(LIKE_IT, now, upto=31.8, outcome=Outcome.OK)
    assert b"data-tail" in viewer_client.get(f"/boots/{going.pk}/").content
    assert b"data-tail" not in viewer_client.get(f"/boots/{over.pk}/").content


def test_a_boot_that_ended_long_ago_never_asks_again(viewer_client: Client, now: datetime) -> None:
    boot = boot_of(MAC, now - timedelta(days=1), upto=31.8, outcome=Outcome.OK)
    page = viewer_client.get(f"/boots/{boot.pk}/").content.decode()
    assert "data-live" not in page
    assert "waterfall" in page


def test_an_event_without_words_yet_is_told_at_once(viewer_client: Client, now: datetime) -> None:
    boot = boot_of(MAC, now, upto=4.2)
    facts = {"plan": {"state": "discovered"}, "retry": 0}
    BootEvent.objects.create(boot=boot, at=now, stage="script", kind="script", facts=facts)
    assert b"to wait until somebody approves it" in viewer_client.get(f"/boots/{boot.pk}/").content


def test_many_files_are_folded_up_and_an_installers_are_listed(viewer_client: Client, now: datetime) -> None:
    boot = boot_of(MAC, now, upto=11.6)
    BootEvent.objects.bulk_create(
        BootEvent(boot=boot, at=now + timedelta(seconds=20 + number), stage=Stage.INSTALLER, kind="file",
                  detail="Fetched.", facts={"file": f"debian/{number}.udeb", "bytes": 1000, "seconds": 0.5})
        for number in range(FILES_SHOWN + 3)
    )  # fmt: skip
    page = viewer_client.get(f"/boots/{boot.pk}/").content.decode()
    shown, folded = page.split('id="files-title"')[1].split('<details class="more-files">')
    assert "4 more files" in folded  # the loader is a file, too
    assert "debian/10.udeb" in shown
    assert "debian/11.udeb" not in shown
    assert "debian/14.udeb" in folded.split("</details>")[0]


def test_hostile_text_is_text_everywhere(viewer_client: Client, now: datetime) -> None:
    evil = "<script>alert(1)</script>\u202e\u05d0"
    boot = boot_of(MAC, now, upto=12.3, outcome=Outcome.FAILED, reason=evil)
    Device.objects.create(
        mac=MAC, name=evil * 5, device_type="x64", facts={"product": evil, "manufacturer": evil}
    )
    Device.objects.create(mac=LIKE_IT, device_type="x64", facts={"product": evil, "manufacturer": evil})
    boot_of(LIKE_IT, now, upto=31.8, outcome=Outcome.OK)
    boot.events.update(detail=evil, facts={"file": evil, "bytes": 5}, kind="file", stage=Stage.INSTALLER)
    page = viewer_client.get(f"/boots/{boot.pk}/").content.decode()
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;") >= 4
    assert 'dir="auto">&lt;script&gt;' in page
