"""PUT and DELETE /api/v1/images/{id}/channels/{channel}, and who follows which."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from devices.models import Device, Group
from images import lineage, services
from images.lineage import Candidate, choose, follows_what
from images.models import Channel, Export, Image
from netboot_site.errors import ConflictError
from tests.conftest import Api
from tests.images.rows import publish

PATH = "/api/v1/images/disk1/channels"
VERSIONS = [Candidate(10, 1, ready=True), Candidate(20, 2, ready=True), Candidate(30, 3, ready=False)]


@pytest.fixture
def image(published: Image) -> Image:
    """With versions 1 and 2."""
    publish(published)
    return published


def test_promoting_is_one_call_and_another_moves_it(api: Api, image: Image) -> None:
    first = api.put(f"{PATH}/test?version=1")
    assert (first.status_code, first.json()["channels"]) == (200, {"test": 1, "production": None})
    again = api.put(f"{PATH}/test?version=2").json()
    assert again["channels"] == {"test": 2, "production": None}
    assert [(one["number"], one["channels"]) for one in again["versions"]] == [(2, ["test"]), (1, [])]
    assert Channel.objects.count() == 1


def test_closing_it_lets_it_name_nothing(api: Api, image: Image) -> None:
    services.promote(image=image, channel="production", number=1)
    assert api.delete(f"{PATH}/production").status_code == 204
    assert api.get("/api/v1/images/disk1").json()["channels"] == {"test": None, "production": None}
    answer = api.delete(f"{PATH}/production")
    assert (answer.status_code, "names no version" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize("channel", ["Test", "beta", "", "%00", "x" * 300, "te%0ast"])
def test_a_channel_that_is_none_is_refused(api: Api, image: Image, channel: str) -> None:
    assert api.put(f"{PATH}/{channel}?version=1").status_code in {404, 422}
    assert api.delete(f"{PATH}/{channel}").status_code in {404, 422}
    assert not Channel.objects.exists()


@pytest.mark.parametrize(
    ("version", "status"),
    [("3", 404), ("0", 422), ("-2", 422), ("", 422), ("x", 422), ("1e9", 422), ("9" * 30, 422), ("%00", 422)],
)
def test_a_version_that_is_none_is_refused(api: Api, image: Image, version: str, status: int) -> None:
    assert api.put(f"{PATH}/test?version={version}").status_code == status
    assert api.put(f"{PATH}/test").status_code == 422
    assert not Channel.objects.exists()


def test_who_only_reads_promotes_nothing(image: Image, viewer: User, make_api: Callable[..., Api]) -> None:
    assert make_api(viewer).put(f"{PATH}/test?version=1").status_code == 403
    assert make_api(viewer).delete(f"{PATH}/test").status_code == 403
    assert not Channel.objects.exists()


@pytest.mark.parametrize(
    ("export", "device", "group", "followed"),
    [("", "", "", "latest"), ("", "", "test", "test"), ("", "production", "test", "production"),
     ("latest", "production", "test", "latest"), ("pinned", "test", "", "pinned")],
)  # fmt: skip
def test_the_nearest_word_counts(export: str, device: str, group: str, followed: str) -> None:
    assert follows_what(export, device, group) == followed


@pytest.mark.parametrize(
    ("follows", "channels", "chosen"),
    [("latest", {}, 20), ("test", {"test": 10}, 10), ("test", {"production": 10}, None), ("pinned", {}, 77)],
)
def test_which_version_is_chosen(follows: str, channels: dict[str, int], chosen: int | None) -> None:
    assert choose(follows, 77, VERSIONS, channels) == chosen


def test_the_latest_is_the_newest_that_nobody_writes_else_the_newest_else_none() -> None:
    assert choose("latest", None, VERSIONS[2:], {}) == 30
    assert choose("latest", None, [], {}) is None


def test_a_device_and_a_group_follow_a_channel_over_rest(
    api: Api, image: Image, make_device: Callable[..., Device]
) -> None:
    device = make_device(1)
    services.promote(image=image, channel="test", number=1)
    group = api.post("/api/v1/groups", {"name": "Room 1", "channel": "test"}).json()
    path = f"/api/v1/devices/{device.mac}"
    assert api.patch(path, {"group": "Room 1"}).json()["channel"] == ""

    def number() -> int | None:
        row = Device.objects.select_related("group").get(pk=device.pk)
        version = lineage.version_for(image, row, "", None)
        return version.number if version else None

    assert (group["channel"], number()) == ("test", 1)
    assert api.patch(path, {"channel": "production"}).json()["channel"] == "production"
    assert number() is None, "that channel names no version"
    assert api.patch(path, {"channel": ""}).status_code == 200
    changed = api.patch(f"/api/v1/groups/{group['id']}", {"channel": ""})
    assert (changed.status_code, changed.json()["channel"], number()) == (200, "", 2)


def test_a_put_of_a_device_without_its_channel_clears_it(
    api: Api, make_device: Callable[..., Device]
) -> None:
    device = make_device(1)
    whole = {"device_type": "x64", "name": "pc", "channel": "test"}
    assert api.put(f"/api/v1/devices/{device.mac}", whole).json()["channel"] == "test"
    assert api.patch(f"/api/v1/devices/{device.mac}", {"name": "other"}).json()["channel"] == "test"
    del whole["channel"]
    assert api.put(f"/api/v1/devices/{device.mac}", whole).json()["channel"] == ""
    made = api.post("/api/v1/devices", {**whole, "mac": "52:54:00:00:00:77", "channel": "production"})
    assert (made.status_code, made.json()["channel"]) == (201, "production")


@pytest.mark.parametrize("channel", ["beta", "latest", None, 1, [], "x" * 300, "test\0"])
def test_what_is_no_channel_is_refused_by_devices_and_groups(
    api: Api, make_device: Callable[..., Device], channel: object
) -> None:
    device, group = make_device(1), Group.objects.create(name="Room")
    answers = [
        api.patch(f"/api/v1/devices/{device.mac}", {"channel": channel}),
        api.patch(f"/api/v1/groups/{group.pk}", {"channel": channel}),
        api.post("/api/v1/groups", {"name": "Room 2", "channel": channel}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert (Device.objects.get().channel, Group.objects.get().channel) == ("", "")


def test_who_follows_a_channel_that_names_nothing_gets_no_disk_and_is_told(
    image: Image, make_device: Callable[..., Device]
) -> None:
    with pytest.raises(ConflictError, match="follows names no version of 'disk1'; promote one first"):
        services.assign_image(image=image, device=make_device(1), mode="overlay", version="production")
    assert not Export.objects.exists()
