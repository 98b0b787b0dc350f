"""GET /devices: filters, pages, and a number of queries that does not grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bootflow.services import register_profile
from devices.models import Device, DeviceState, Group
from tests.conftest import Api

PATH = "/api/v1/devices"


@pytest.fixture
def many(db: None) -> None:
    room = Group.objects.create(name="Room 1")
    for number in range(20):
        register_profile(
            mac=f"5254000000{number:02x}", device_type="x64", name=f"pc-{number:02}", enabled=number % 2 == 0,
            group=room if number < 5 else None,
        )  # fmt: skip
    Device.objects.create(mac="52:54:00:ff:ff:ff", device_type="x64", state=DeviceState.DISCOVERED)


def names(api: Api, query: str) -> list[str]:
    answer = api.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.content
    return [device["name"] for device in answer.json()]


def test_all_but_discovered_devices_by_name(api: Api, many: None) -> None:
    answer = api.get(PATH)
    assert [device["name"] for device in answer.json()] == [f"pc-{number:02}" for number in range(20)]
    assert answer["X-Total-Count"] == "20"


def test_a_page_tells_the_whole_number(api: Api, many: None) -> None:
    answer = api.get(f"{PATH}?limit=3&offset=18")
    assert [device["name"] for device in answer.json()] == ["pc-18", "pc-19"]
    assert answer["X-Total-Count"] == "20"


@pytest.mark.parametrize(
    ("query", "count"),
    [("q=pc-1", 10), ("q=52:54:00:00:00:0a", 1), ("q=5254.0000.000A", 1), ("q=00000A", 1),
     ("group=Room+1", 5),
     ("group=none", 0), ("status=disabled", 10), ("status=enrolled&group=Room+1", 3), ("q=%25", 0),
     ("q=nothing", 0), ("limit=0", 0)],
)  # fmt: skip
def test_filters(api: Api, many: None, query: str, count: int) -> None:
    assert len(names(api, query)) == count


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=1e30", "limit=99999999999", "offset=-1", "offset=x", "q=%00", "group=a%00b",
              "status=toaster", "q=" + "x" * 300],
)  # fmt: skip
def test_a_filter_that_cannot_be_right_is_refused(api: Api, query: str) -> None:
    assert api.get(f"{PATH}?{query}").status_code == 422


def test_twenty_devices_cost_as_many_queries_as_one(
    api: Api, django_assert_num_queries: Callable[[int], Any]
) -> None:
    register_profile(mac="525400aaaaaa", device_type="x64", name="one")
    api.get(PATH)
    with django_assert_num_queries(4):  # the token, the number, the rows, the default kernel set
        api.get(PATH)
    for number in range(20):
        register_profile(mac=f"5254000000{number:02x}", device_type="x64", name=f"pc-{number}")
    with django_assert_num_queries(4):
        api.get(PATH)


def test_it_needs_a_token(db: None) -> None:
    assert Api("wrong").get(PATH).status_code == 401
