"""Images, their content and the storage they lie on, as SPEC's table promises them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images.convergence.round import converge_node
from images.models import Export, Image, StorageNode
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.contract_api.answers import ask, complaint, differences
from tests.contract_api.conftest import MAC, SPARE, log_in, rows
from tests.contract_api.promises import IMAGE, IMAGE_STATES, STORAGE
from tests.images.fake_layers import FakeLayerStore
from tests.images.fakes import FakeTargetServer

PATH = "/api/v1/images"
BODY: dict[str, Any] = {"id": "new", "name": "New", "size_gb": 1, "device_type": "x64"}
MIB = 1024 * 1024
BYTES = "application/octet-stream"


@pytest.fixture
def converge(node: StorageNode, tmp_path: Path) -> Callable[[], None]:
    server, store = FakeTargetServer(), FakeLayerStore(tmp_path / "layers")
    return lambda: converge_node(node, server, store)


def send(api: Api, data: bytes, content_range: str = "", query: str = "") -> Any:
    headers = {"Content-Range": content_range} if content_range else {}
    from django.test import Client

    return Client(raise_request_exception=False).put(
        f"{PATH}/disk10/content{query}",
        data,
        BYTES,
        headers={"Authorization": f"Bearer {api.token}", **headers},
    )


def head(images_path: Path) -> bytes:
    with (images_path / Image.objects.get(id="disk10").head_name).open("rb") as disk:
        return disk.read(2 * MIB)


@pytest.mark.parametrize("image_id", ["a", "0", "9-", "a" * 63, "win-11", "1e30"])
def test_every_good_id_is_taken_and_answers_at_its_address(
    api: Api, node: StorageNode, image_id: str
) -> None:
    made = api.post(PATH, {**BODY, "id": image_id})
    assert made.status_code == 201, made.content
    assert api.get(f"{PATH}/{image_id}").json()["id"] == image_id
    assert made.json()["iqn"].endswith(f":{image_id}")


@pytest.mark.parametrize("missing", ["id", "name", "size_gb", "device_type"])
def test_what_must_be_given_is_named_when_it_misses(api: Api, node: StorageNode, missing: str) -> None:
    answer = api.post(PATH, {key: value for key, value in BODY.items() if key != missing})
    assert complaint(answer, 422) is None
    assert [one["loc"][-1] for one in answer.json()["detail"]] == [missing]
    assert not Image.objects.exists()


def test_file_and_target_are_made_and_every_field_keeps_its_kind(
    api: Api, node: StorageNode, converge: Callable[[], None], images_path: Path
) -> None:
    first = api.post(PATH, BODY).json()
    converge()
    later = api.get(f"{PATH}/new").json()
    for shown in (first, later):
        assert differences(shown, IMAGE) == {}
        assert shown["state"] in IMAGE_STATES
    assert (first["state"], first["progress"], first["used_bytes"]) == ("creating", 0, None)
    assert (later["state"], later["progress"], later["last_error"]) == ("ready", 1, "")
    assert 0 <= later["used_bytes"] < MIB, "the file is sparse"
    assert (images_path / "new/head-1.raw").stat().st_size == GIB


def test_an_assignment_says_whose_it_is_until_it_is_taken_back(api: Api, house: Export) -> None:
    given = api.put(f"{PATH}/disk10/assign?mac={SPARE.upper()}&mode=exclusive")
    assert given.json() == {"status": "assigned", "image_id": "disk10", "mac": SPARE}
    assert {row["id"]: row["assigned_to"] for row in api.get(PATH).json()} == {"disk1": MAC, "disk10": SPARE}  # type: ignore[attr-defined]
    assert api.get(f"/api/v1/devices/{SPARE}").json()["image_id"] == "disk10"
    taken = api.put(f"{PATH}/disk10/unassign?mac={SPARE}")
    assert taken.json() == {"status": "unassigned", "image_id": "disk10"}
    assert api.get(f"{PATH}/disk10").json()["assigned_to"] is None
    assert api.get(f"/api/v1/devices/{SPARE}").json()["image_id"] is None


def test_taking_a_disk_from_the_wrong_device_takes_it_from_nobody(api: Api, house: Export) -> None:
    assert complaint(api.put(f"{PATH}/disk1/unassign?mac={SPARE}"), 404) is None
    assert Export.objects.get().device.mac == MAC


@pytest.mark.parametrize("size_gb", [1, 1.99, 2 + 2**-20])
def test_a_disk_never_shrinks_nor_grows_by_next_to_nothing(api: Api, house: Export, size_gb: float) -> None:
    before = rows()
    assert complaint(api.post(f"{PATH}/disk10/resize", {"size_gb": size_gb}), 422) is None
    assert rows() == before


def test_an_upload_tells_how_far_it_is_in_every_answer(
    api: Api, house: Export, converge: Callable[[], None]
) -> None:
    converge()
    half = send(api, b"a" * MIB, f"bytes 0-{MIB - 1}/{2 * MIB}")
    assert half.status_code == 202
    for shown in (half.json(), api.get(f"{PATH}/disk10").json()):
        assert differences(shown, {**IMAGE, "received_bytes": int}) == {}
        assert (shown["received_bytes"], shown["progress"]) == (MIB, 0.5)
    whole = send(api, b"b" * MIB, f"bytes {MIB}-{2 * MIB - 1}/{2 * MIB}")
    assert (whole.status_code, whole.json()["progress"], whole.json()["state"]) == (202, 1, "ready")


def test_no_refused_upload_touches_the_old_content(
    api: Api, house: Export, converge: Callable[[], None], images_path: Path
) -> None:
    converge()
    assert send(api, b"o" * MIB).status_code == 202
    old, digest = head(images_path), f"?sha256={'0' * 64}"
    refused = {
        "another format": (send(api, b"QFI\xfb" + bytes(MIB)), 422),
        "a truncated archive": (send(api, b"\xfd7zXZ\x00\x00"), 422),
        "a wrong digest": (send(api, b"n" * MIB, query=digest), 422),
        "a range that cannot be": (send(api, b"n", "bytes 5-2/9"), 422),
        "a piece that does not follow": (send(api, b"n", "bytes 5-5/9"), 409),
        "more than fits": (send(api, b"n", f"bytes 0-0/{10 * 1024 * GIB}"), 409),
        "more than any disk": (send(api, b"n", f"bytes 0-0/{10**17}"), 422),
        "nothing": (send(api, b""), 422),
    }
    wrong = {name: complaint(answer, status) for name, (answer, status) in refused.items()}
    assert {name: why for name, why in wrong.items() if why} == {}
    assert head(images_path) == old
    assert Image.objects.get(id="disk10").state == "ready"


def test_a_disk_in_use_takes_no_content(api: Api, house: Export, converge: Callable[[], None]) -> None:
    converge()
    log_in(house)
    before = rows()
    assert complaint(ask(api, "PUT", f"{PATH}/disk1/content", b"new", BYTES), 409) is None
    assert rows() == before


@pytest.mark.parametrize("length", ["", "0", "-5", "1e30", "0x10", "٣", "9" * 5000])
def test_a_length_that_is_none_is_refused(api: Api, house: Export, length: str) -> None:
    from django.test import Client

    client = Client(raise_request_exception=False, CONTENT_LENGTH=length)
    answer = client.generic("PUT", f"{PATH}/disk10/content", headers={"Authorization": f"Bearer {api.token}"})
    assert complaint(answer, 422) is None


def test_storage_tells_numbers_of_bytes_that_fit_together(
    api: Api, house: Export, converge: Callable[[], None]
) -> None:
    converge()
    (shown,) = api.get("/api/v1/storage").json()
    assert differences(shown, {**STORAGE, "name": str, "observed_at": "time"}) == {}
    assert shown["committed_bytes"] == 4 * GIB
    assert 0 <= shown["free_bytes"] <= shown["capacity_bytes"]
    assert 0 <= shown["used_bytes"] <= shown["capacity_bytes"]
