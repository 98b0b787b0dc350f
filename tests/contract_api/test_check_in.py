"""The check-in, the boots and the catalogue as SPEC's table promises them."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from bootflow.models import Boot, BootEvent, KernelSet
from devices.models import Device
from images.models import Export, StorageNode
from tests.conftest import Api
from tests.contract_api.answers import complaint, differences, is_time
from tests.contract_api.conftest import MAC, SPARE
from tests.contract_api.promises import BOOT, EVENT, STAGES
from tests.images.rows import settle

README = Path(__file__).parents[2] / "README.md"
NEVER_SEEN = "52:54:00:99:99:99"


def check_in(mac: str, device_type: str = "x64") -> dict[str, Any]:
    answer = Client().get("/api/v1/boot/check-in", {"mac": mac, "device_type": device_type})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    return answer.json()  # type: ignore[no-any-return]


def test_a_device_with_a_disk_is_told_all_of_it_and_no_secret(house: Export) -> None:
    told = check_in(MAC)
    promise = dict.fromkeys(("image_id", "image_path", "kernel_set", "iqn", "portal", "root_path"), str)
    assert (told["action"], differences(told, promise)) == ("boot_image", {})
    assert (told["image_id"], told["kernel_set"], told["iqn"]) == ("disk1", "default", house.iqn)
    assert not {house.chap_secret, house.chap_username} & set(re.split(r"\W+", json.dumps(told)))
    assert "secret" not in json.dumps(told)
    assert "password" not in json.dumps(told)


def test_the_other_three_answers(house: Export) -> None:
    assert check_in(SPARE) == {"action": "disabled"}
    Device.objects.filter(mac=SPARE).update(state="enrolled")
    told = check_in(SPARE)
    assert (told["action"], told["kernel_set"]) == ("boot_default", "default")
    unknown = check_in(NEVER_SEEN, "raspi")
    assert (unknown["action"], unknown["device_type"]) == ("show_menu", "raspi")
    assert differences(unknown, {"message": str}) == {}


@pytest.mark.parametrize("device_type", ["", "toaster", "x" * 5000, "a\nb", "${x}", "\0", ".."])
def test_a_type_that_is_none_is_no_reason_to_leave_a_machine_without_answer(
    api: Api, house: Export, device_type: str
) -> None:
    assert check_in(NEVER_SEEN, device_type)["action"] == "show_menu"
    assert NEVER_SEEN in [row["mac"] for row in api.get("/api/v1/unknown-devices").json()]  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_boots_come_newest_first_within_their_limit_and_every_field_has_its_kind(api: Api) -> None:
    now = timezone.now()
    for number in range(60):
        at = now - timedelta(minutes=number)
        boot = Boot.objects.create(
            mac=MAC, started_at=at, last_event_at=at, finished_at=at, stage="os", outcome="ok"
        )
        for seconds, stage in enumerate(sorted(STAGES)):
            BootEvent.objects.create(boot=boot, at=at + timedelta(seconds=seconds), stage=stage, kind="x")
    shown = api.get("/api/v1/boots").json()
    assert [row["started_at"] for row in shown] == sorted((row["started_at"] for row in shown), reverse=True)  # type: ignore[attr-defined]
    for row in shown[:3]:  # type: ignore[index]
        assert differences(row, BOOT) == {}
        assert is_time(row["finished_at"])
        assert [differences(event, EVENT) for event in row["events"]] == [{}] * len(STAGES)
        assert {event["stage"] for event in row["events"]} == STAGES
        assert [event["elapsed_seconds"] for event in row["events"]] == [0, 1, 2, 3, 4, 5, 6]
    assert len(api.get("/api/v1/boots?limit=60").json()) == 60  # type: ignore[arg-type]
    assert api.get("/api/v1/boots?limit=0").json() == []


def test_kernel_sets_are_an_object_by_name_with_exactly_one_default(api: Api, house: Export) -> None:
    def defaults() -> list[str]:
        shown = api.get("/api/v1/kernel-sets").json()
        assert {"default", "pi5"} <= set(shown)  # type: ignore[call-overload]
        assert all(name == one["name"] for name, one in shown.items())  # type: ignore[attr-defined]
        return [name for name, one in shown.items() if one["is_default"]]  # type: ignore[attr-defined]

    assert defaults() == ["default"]
    assert api.put("/api/v1/kernel-sets/pi5", {"kernel_url": "/k", "is_default": True}).status_code == 200
    assert defaults() == ["pi5"]
    assert check_in(MAC)["kernel_set"] == "default", "a device keeps the set that it was given"
    refused = [api.put("/api/v1/kernel-sets/pi5", {"kernel_url": "/k"}),
               api.delete("/api/v1/kernel-sets/pi5"), api.delete("/api/v1/kernel-sets/default")]  # fmt: skip
    assert [complaint(answer, 409) for answer in refused] == [None] * 3
    assert defaults() == ["pi5"]
    assert KernelSet.objects.filter(is_default=True).count() == 1


def readme_calls() -> list[list[str]]:
    lines = [line for line in README.read_text().splitlines() if line.startswith("curl ")]
    return [shlex.split(line.replace("$API", "/api/v1")) for line in lines]


def as_printed(words: list[str], token: str) -> Any:
    """Do what this curl command line does."""
    given: dict[str, list[str]] = {"-H": [], "-X": ["GET"], "-d": [""]}
    rest = iter(words[1:])
    path = ""
    for word in rest:
        if word in given:
            given[word].append(next(rest))
        else:
            path = word
    headers = {"Authorization": f"Bearer {token}"} if "$AUTH" in given["-H"] else {}
    return Client().generic(given["-X"][-1], path, given["-d"][-1], "application/json", headers=headers)


def test_the_steps_of_the_readme_work_as_printed(api: Api, node: StorageNode) -> None:
    calls = readme_calls()
    answers = [as_printed(words, api.token) for words in calls[:4]]
    assert [answer.status_code for answer in answers] == [201, 201, 200, 200], [a.content for a in answers]
    told = answers[-1].json()
    assert (told["action"], told["image_id"]) == ("boot_image", answers[1].json()["id"])
    assert told["portal"] == f"{node.portal_address}:3260"
    assert settings.IQN_PREFIX in told["iqn"]
    settle()  # the disk is made within two seconds
    more = [as_printed(words, api.token) for words in calls[4:]]
    assert [answer.status_code for answer in more] == [201, 201, 200], [a.content for a in more]
    assert [one.mode for one in Export.objects.order_by("device__mac")] == ["exclusive", "overlay"]
