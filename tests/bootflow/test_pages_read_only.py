"""Pages that only show: nobody changes anything by them, and what is not there is a page that says so."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.models import Boot, BootEvent, KernelSet
from devices.models import Device
from tests.bootflow.conftest import MAC

pytestmark = pytest.mark.django_db
LISTS = ["/devices/", "/boots/", "/images/", "/kernel-sets/", "/installers/"]


@pytest.fixture
def boot(device: Device) -> Boot:
    now = timezone.now()
    one = Boot.objects.create(
        mac=MAC, started_at=now, last_event_at=now, stage="tftp", outcome="failed", reason="<b>why</b>"
    )
    BootEvent.objects.create(boot=one, at=now, stage="tftp", kind="file", detail="Fetched <i>x</i> by TFTP.")
    return one


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_shown_to_a_viewer_and_empty_lists_too(viewer_client: Client, path: str) -> None:
    KernelSet.objects.all().delete()
    answer = viewer_client.get(path)
    assert answer.status_code == 200
    assert b"</html>" in answer.content


@pytest.mark.parametrize("path", [*LISTS, f"/devices/{MAC}/", f"/devices/{MAC}/live/"])
def test_who_is_not_signed_in_sees_nothing(client: Client, device: Device, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login/")
    assert b"pc-07" not in answer.content


def test_what_a_machine_told_is_shown_and_never_markup(viewer_client: Client, boot: Boot) -> None:
    for path in (f"/boots/{boot.pk}/", f"/boots/{boot.pk}/live/"):
        page = viewer_client.get(path).content
        assert b"<b>why" not in page
        assert b"<i>x" not in page
        assert b"&lt;b&gt;why" in page


@pytest.mark.parametrize(
    "path", ["/boots/999999/", "/boots/999999/live/", "/boots/-1/", "/boots/x/", f"/devices/{MAC}/live/"]
)
def test_what_is_not_there_is_404(viewer_client: Client, path: str) -> None:
    answer = viewer_client.get(path)
    assert answer.status_code == 404
    assert b"Traceback" not in answer.content


@pytest.mark.parametrize(
    "query",
    [
        "?outcome=nonsense",
        "?q=%00",
        "?outcome=%00&state=%00",
        "?q=" + "x" * 5000,
        "?page=-1",
        "?page=1e9",
        "?outcome=&q=%27%22",
    ],
)
def test_a_strange_question_is_no_error(viewer_client: Client, boot: Boot, query: str) -> None:
    for path in LISTS:
        assert viewer_client.get(path + query).status_code == 200, path
