"""Files that belong to no row: found and told, kept until a person says so, then removed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from images import services
from images.convergence import orphans
from images.convergence.orphans import tend_orphans
from images.models import Image, ImageState, Job, Layer, LayerFormat, StorageNode
from netboot_site.errors import NotFoundError
from netboot_site.formats import GIB
from tests.conftest import Api


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing needs to lie there for a minute first: a test that cares says so."""
    monkeypatch.setattr(orphans, "SETTLED_SECONDS", -1.0)


@pytest.fixture
def look(node: StorageNode) -> Callable[[], dict[str, Any]]:
    """One look of the worker; what it found, by name."""

    def once() -> dict[str, Any]:
        node.refresh_from_db()
        node.observed_orphans_at = None
        tend_orphans(node)
        node.refresh_from_db()
        return {orphan["name"]: orphan for orphan in node.observed_orphans}

    return once


def put(path: Path, content: bytes = b"x" * 8192) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_of_nobody_are_found(
    look: Callable[[], Any], images_path: Path, make_image: Callable[..., Image], converge: Callable[[], None]
) -> None:
    make_image("disk1")
    converge()
    put(images_path / "disk1/layer-7.qcow2")
    put(images_path / "disk1/upload.part")
    put(images_path / "disk1/head-10.raw")
    put(images_path / "gone/head-1.raw")
    put(images_path / "notes.txt")
    found = look()
    assert list(found) == [
        "disk1/head-10.raw",
        "disk1/layer-7.qcow2",
        "disk1/upload.part",
        "gone",
        "notes.txt",
    ]
    assert found["gone"]["bytes"] >= 8192
    assert found["notes.txt"]["seen_at"] == look()["notes.txt"]["seen_at"], "since when stays the same"


def test_files_of_layers_are_nobodys_orphans_whatever_their_state(
    look: Callable[[], Any], images_path: Path, make_image: Callable[..., Image]
) -> None:
    image = make_image("disk1")
    for number, state in enumerate(("creating", "ready", "deleting"), start=2):
        Layer.objects.create(
            image=image, number=number, format=LayerFormat.QCOW2, size_bytes=GIB, state=state,
            parent=Layer.objects.get(number=1),
        )  # fmt: skip
        put(images_path / f"disk1/layer-{number}.qcow2")
    put(images_path / "disk1/head-1.raw")
    put(images_path / "lost+found/x")
    assert look() == {}


@pytest.mark.parametrize(
    "busy",
    [
        {"state": ImageState.IMPORTING},
        {"upload_received_bytes": 5, "upload_total_bytes": 10},
    ],
)
def test_what_is_being_brought_in_is_no_orphan(
    look: Callable[[], Any], images_path: Path, make_image: Callable[..., Image], busy: dict[str, Any]
) -> None:
    make_image("disk1")
    put(images_path / "disk1/upload.part")
    Image.objects.update(**busy)
    assert look() == {}


def test_what_a_job_writes_is_no_orphan_until_it_ends(
    look: Callable[[], Any], images_path: Path, make_image: Callable[..., Image]
) -> None:
    Job.objects.create(image=make_image("disk1"), kind="squash", state="running")
    put(images_path / "disk1/squash.part")
    assert look() == {}
    Job.objects.update(state="failed")
    assert list(look()) == ["disk1/squash.part"]


def test_a_file_that_was_changed_within_a_minute_is_left_out(
    look: Callable[[], Any], images_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "SETTLED_SECONDS", 60.0)
    put(images_path / "new.raw")
    assert look() == {}
    monkeypatch.setattr(orphans, "SETTLED_SECONDS", 0.0)
    time.sleep(0.05)
    assert list(look()) == ["new.raw"]


def test_images_of_another_node_do_not_own_files_here(
    look: Callable[[], Any], images_path: Path, make_image: Callable[..., Image]
) -> None:
    make_image("there")
    services.register_node(name="second", portal_address="127.0.0.2", portal_port=3261)
    Image.objects.update(node="second")
    put(images_path / "there/head-1.raw")
    assert list(look()) == ["there"]


def test_nothing_is_removed_unasked(look: Callable[[], Any], images_path: Path) -> None:
    path = put(images_path / "notes.txt")
    for _ in range(3):
        look()
    assert path.exists()


def test_what_a_person_asked_for_is_removed_and_nothing_else(
    look: Callable[[], Any], images_path: Path, node: StorageNode
) -> None:
    put(images_path / "gone/deep/head-1.raw")
    put(images_path / "notes.txt")
    look()
    services.remove_orphans(name="local", orphans=["gone"])
    node.refresh_from_db()
    assert (images_path / "gone").exists(), "the service itself touches no file"
    assert node.orphans_to_remove == ["gone"]
    assert list(look()) == ["notes.txt"]
    assert not (images_path / "gone").exists()
    node.refresh_from_db()
    assert node.orphans_to_remove == []


@pytest.mark.parametrize(
    "name", ["../secret-key", "/etc/passwd", "disk1/../../secret-key", "disk1", "", ".", "nothing", "gone/"]
)
def test_only_what_was_found_can_be_named(
    look: Callable[[], Any], images_path: Path, node: StorageNode, make_image: Callable[..., Image], name: str
) -> None:
    make_image("disk1")
    put(images_path / "disk1/head-1.raw")
    put(images_path / "gone/head-1.raw")
    secret = put(images_path.parent / "secret-key")
    look()
    with pytest.raises(NotFoundError, match="found no orphan"):
        services.remove_orphans(name="local", orphans=["gone", name])
    node.refresh_from_db()
    assert node.orphans_to_remove == []
    assert secret.exists()


def test_an_unknown_node_is_told(node: StorageNode) -> None:
    with pytest.raises(NotFoundError, match="no storage node 'elsewhere'"):
        services.remove_orphans(name="elsewhere", orphans=[])


def test_a_name_smuggled_into_the_row_reaches_no_file(
    look: Callable[[], Any], images_path: Path, node: StorageNode
) -> None:
    secret = put(images_path.parent / "secret-key")
    StorageNode.objects.update(orphans_to_remove=["../secret-key", str(secret)])
    look()
    assert secret.exists()
    node.refresh_from_db()
    assert node.orphans_to_remove == []


def test_a_file_that_a_row_has_come_to_own_stays(
    look: Callable[[], Any], images_path: Path, make_image: Callable[..., Image]
) -> None:
    path = put(images_path / "disk1/head-1.raw")
    look()
    services.remove_orphans(name="local", orphans=["disk1"])
    make_image("disk1")
    assert look() == {}
    assert path.exists()


def test_a_file_that_a_program_has_open_stays_and_says_so(
    look: Callable[[], Any], images_path: Path, node: StorageNode
) -> None:
    path = put(images_path / "gone/head-1.raw")
    look()
    services.remove_orphans(name="local", orphans=["gone"])
    with path.open():
        assert look()["gone"]["error"] == orphans.IN_USE
    assert path.exists()
    services.remove_orphans(name="local", orphans=["gone"])
    assert look() == {}


def test_a_link_is_removed_and_not_what_it_points_to(look: Callable[[], Any], images_path: Path) -> None:
    target = put(images_path.parent / "elsewhere/precious")
    images_path.mkdir(exist_ok=True)
    (images_path / "link").symlink_to(target.parent)
    assert look()["link"]["bytes"] < 8192, "a link is not followed"
    services.remove_orphans(name="local", orphans=["link"])
    assert look() == {}
    assert target.exists()


def test_a_link_in_an_images_folder_is_an_orphan_of_its_own(
    look: Callable[[], Any], images_path: Path, make_image: Callable[..., Image]
) -> None:
    make_image("disk1")
    target = put(images_path.parent / "precious")
    (images_path / "disk1").mkdir(parents=True)
    (images_path / "disk1/layer-9.qcow2").symlink_to(target)
    look()
    services.remove_orphans(name="local", orphans=["disk1/layer-9.qcow2"])
    assert look() == {}
    assert target.exists()


def test_names_of_any_bytes_can_be_told_and_removed(look: Callable[[], Any], images_path: Path) -> None:
    images_path.mkdir(exist_ok=True)
    for name in (b"\xff\xfe", b"two\nlines", b"\x1b[31m", "ü".encode()):
        Path(os.fsdecode(os.fsencode(images_path) + b"/" + name)).write_bytes(b"x")
    found = look()
    assert sorted(found) == sorted(["\\xff\\xfe", "two\\x0alines", "\\x1b[31m", "ü"])
    services.remove_orphans(name="local", orphans=list(found))
    assert look() == {}
    assert os.listdir(images_path) == []  # noqa: PTH208


def test_a_look_costs_nothing_within_the_minute(
    node: StorageNode, look: Callable[[], Any], django_assert_num_queries: Callable[[int], Any]
) -> None:
    look()
    with django_assert_num_queries(0):
        tend_orphans(node)


@pytest.mark.parametrize("count", [1, 30])
def test_a_look_asks_the_same_number_of_times_for_one_and_for_thirty_disks(
    node: StorageNode, make_image: Callable[..., Image], django_assert_num_queries: Callable[[int], Any],
    count: int,
) -> None:  # fmt: skip
    for number in range(count):
        make_image(f"disk{number}")
    # images, layers, who is busy, jobs; the node's row is locked and written in a savepoint
    with django_assert_num_queries(8):
        tend_orphans(node)


def test_thousands_of_files_do_not_fill_the_row(look: Callable[[], Any], images_path: Path) -> None:
    images_path.mkdir(exist_ok=True)
    for number in range(orphans.MOST_SHOWN + 5):
        (images_path / f"n{number}").touch()
    assert len(look()) == orphans.MOST_SHOWN


def test_an_image_folder_that_is_not_there_is_empty(look: Callable[[], Any], images_path: Path) -> None:
    assert not images_path.exists()
    assert look() == {}


def test_over_rest_orphans_are_listed_and_removed(
    api: Api, look: Callable[[], Any], images_path: Path, node: StorageNode
) -> None:
    put(images_path / "gone/head-1.raw")
    look()
    (shown,) = api.get("/api/v1/storage").json()  # type: ignore[attr-defined]
    (orphan,) = shown["orphans"]
    assert (orphan["name"], orphan["error"]) == ("gone", "")
    answer = api.post("/api/v1/storage/local/orphans/remove", {"names": ["gone"]})
    assert (answer.status_code, json.loads(answer.content)) == (
        202, {"status": "removing", "node": "local", "names": ["gone"]},
    )  # fmt: skip
    look()
    assert api.get("/api/v1/storage").json()[0]["orphans"] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("local", {"names": ["../secret-key"]}, 404),
        ("elsewhere", {"names": ["gone"]}, 404),
        ("%00", {"names": ["gone"]}, 404),
        ("a" * 300, {"names": ["gone"]}, 404),
        ("local", {"names": []}, 422),
        ("local", {"names": ["a\0b"]}, 422),
        ("local", {"names": ["x" * 3000]}, 422),
        ("local", {"names": "gone"}, 422),
        ("local", {}, 422),
    ],
)
def test_over_rest_bad_names_are_refused_and_nothing_is_removed(
    api: Api, look: Callable[[], Any], images_path: Path, path: str, body: Any, status: int
) -> None:
    put(images_path / "gone/head-1.raw")
    look()
    assert api.post(f"/api/v1/storage/{path}/orphans/remove", body).status_code == status
    assert list(look()) == ["gone"]


def test_who_may_only_read_removes_nothing(
    viewer: User, make_api: Callable[..., Api], look: Callable[[], Any], images_path: Path
) -> None:
    put(images_path / "gone/head-1.raw")
    look()
    answer = make_api(viewer).post("/api/v1/storage/local/orphans/remove", {"names": ["gone"]})
    assert answer.status_code == 403
    assert list(look()) == ["gone"]
