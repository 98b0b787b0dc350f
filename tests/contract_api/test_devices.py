"""Devices and unknown devices as SPEC's table promises them, beyond the fields themselves."""

from __future__ import annotations

import pytest
from django.utils import timezone

from devices.models import Device, DeviceState
from images.models import Export
from tests.conftest import Api
from tests.contract_api.answers import complaint
from tests.contract_api.conftest import MAC, SPARE, STRANGER, log_in, rows

PATH = "/api/v1/devices"
SPELLINGS = [
    "52:54:00:AB:CD:EF",
    "52-54-00-ab-cd-ef",
    "5254.00ab.cdef",
    "525400abcdef",
    "525400ABCDEF",
    "5254.00AB.CDEF",
]
KNOWN = "52:54:00:ab:cd:ef"
STATES = [
    [DeviceState.DISABLED, DeviceState.ENROLLED, DeviceState.ENROLLED],
    [DeviceState.DISCOVERED] * 3,
]


def fill(count: int) -> None:
    """Devices `bulk-0000`..., every third disabled, and as many strangers."""
    now = timezone.now()
    Device.objects.bulk_create(
        Device(
            mac=f"52:54:{kind:02x}:00:{number >> 8:02x}:{number & 255:02x}", device_type="x64",
            name=f"bulk-{number:04}", state=states[number % 3], last_seen_at=now,
        )
        for kind, states in enumerate(STATES)
        for number in range(1, count + 1)
    )  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "shown", "total"),
    [("", 1000, 1005), ("?limit=7", 7, 1005), ("?offset=1001", 4, 1005), ("?limit=0", 0, 1005),
     ("?status=disabled", 335, 335), ("?status=disabled&limit=5&offset=333", 2, 335), ("?q=bulk-00", 99, 99),
     ("?q=bulk-00&status=enrolled&limit=10", 10, 66), ("?q=nobody", 0, 0), ("?group=none", 0, 0),
     ("?offset=99999", 0, 1005)],
)  # fmt: skip
def test_a_list_holds_its_page_and_tells_the_whole_number(
    api: Api, query: str, shown: int, total: int
) -> None:
    fill(1005)
    answer = api.get(PATH + query)
    assert (len(answer.json()), answer["X-Total-Count"]) == (shown, str(total))  # type: ignore[arg-type]


@pytest.mark.django_db
def test_pages_together_are_the_whole_list_without_gap_or_double(api: Api) -> None:
    fill(20)
    for path in (PATH, "/api/v1/unknown-devices"):
        pages = [api.get(f"{path}?limit=7&offset={offset}").json() for offset in (0, 7, 14)]
        together = [row["mac"] for page in pages for row in page]  # type: ignore[attr-defined]
        whole = [row["mac"] for row in api.get(path).json()]  # type: ignore[attr-defined]
        assert together == whole
        assert len(set(whole)) == 20


@pytest.mark.django_db
def test_unknown_devices_are_a_thousand_unless_asked_and_tell_their_number(api: Api) -> None:
    fill(1005)
    answer = api.get("/api/v1/unknown-devices")
    assert (len(answer.json()), answer["X-Total-Count"]) == (1000, "1005")  # type: ignore[arg-type]


@pytest.mark.django_db
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_registers_finds_changes_and_deletes_one_device(api: Api, spelling: str) -> None:
    made = api.post(PATH, {"mac": spelling, "device_type": "x64", "name": "a"})
    assert (made.status_code, made.json()["mac"]) == (201, KNOWN)
    for other in SPELLINGS:
        assert api.get(f"{PATH}/{other}").json()["mac"] == KNOWN
        again = api.post(PATH, {"mac": other, "device_type": "x64", "name": "b"})
        assert complaint(again, 409) is None
    assert (
        api.put(f"{PATH}/{spelling}", {"mac": spelling, "device_type": "x64", "name": "c"}).status_code == 200
    )
    assert Device.objects.get().name == "c"
    assert api.delete(f"{PATH}/{spelling}").status_code == 204


@pytest.mark.django_db
def test_what_is_left_out_has_its_promised_default(api: Api) -> None:
    shown = api.post(PATH, {"mac": KNOWN, "device_type": "raspi", "name": "a"}).json()
    assert (shown["enabled"], shown["image_id"], shown["kernel_set"]) == (True, None, "default")
    assert shown["created_at"] <= shown["updated_at"]


@pytest.mark.parametrize("missing", ["mac", "device_type", "name"])
def test_what_must_be_given_is_named_when_it_misses(api: Api, house: Export, missing: str) -> None:
    before = rows()
    body = {"mac": KNOWN, "device_type": "x64", "name": "a"}
    del body[missing]
    answer = api.post(PATH, body)
    assert complaint(answer, 422) is None
    assert [one["loc"][-1] for one in answer.json()["detail"]] == [missing]
    assert rows() == before


@pytest.mark.parametrize("field", ["image_id", "kernel_set", "group"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("PUT", f"{PATH}/{SPARE}"), ("PATCH", f"{PATH}/{SPARE}")]
)
def test_a_reference_to_nothing_is_422_and_named(
    api: Api, house: Export, method: str, path: str, field: str
) -> None:
    before = rows()
    body = {"device_type": "x64", "name": "a", field: "no-such"} | (
        {"mac": KNOWN} if method == "POST" else {}
    )
    answer = api.call(method, path, body)
    assert complaint(answer, 422) is None
    assert "'no-such'" in answer.json()["detail"]
    assert rows() == before


def test_what_would_take_a_disk_in_use_is_refused_and_changes_nothing(api: Api, house: Export) -> None:
    log_in(house)
    before = rows()
    path = f"{PATH}/{MAC}"
    for answer in (
        api.delete(path),
        api.patch(path, {"image_id": None, "name": "x"}),
        api.patch(path, {"image_id": "disk10"}),
        api.put(path, {"device_type": "x64", "name": "x"}),
        api.put("/api/v1/images/disk1/unassign"),
        api.put(f"/api/v1/images/disk1/unassign?mac={MAC}"),
        api.delete("/api/v1/images/disk1"),
    ):
        assert complaint(answer, 409) is None
    assert rows() == before


def test_an_approved_device_is_what_was_said_and_leaves_the_unknown(api: Api, house: Export) -> None:
    body = {"name": "lab-9", "device_type": "x64", "group": "Room 1", "image_id": "disk10"}
    answer = api.post(f"/api/v1/unknown-devices/{STRANGER.upper().replace(':', '-')}/approve", body)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in body} == body
    assert api.get("/api/v1/unknown-devices")["X-Total-Count"] == "0"
    assert api.get("/api/v1/images/disk10").json()["assigned_to"] == STRANGER


def test_approving_with_a_taken_disk_leaves_the_device_unknown(api: Api, house: Export) -> None:
    before = rows()
    answer = api.post(f"/api/v1/unknown-devices/{STRANGER}/approve", {"image_id": "disk1", "name": "x"})
    assert complaint(answer, 409) is None
    assert rows() == before
