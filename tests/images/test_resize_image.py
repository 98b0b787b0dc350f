"""POST /api/v1/images/{id}/resize."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devices.models import Device
from images import lineage, services
from images.models import Export, Image, Version
from netboot_site.errors import ConflictError
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.images.fakes import FakeTargetServer
from tests.images.rows import layer_of, log_in, publish

IQN = "iqn.2026-02.local.netboot:disk1"


@pytest.fixture
def export(
    make_image: Callable[..., Image], make_device: Callable[..., Device], converge: Callable[[], None]
) -> Export:
    made = services.assign_image(image=make_image(), device=make_device(7))
    converge()
    return made


def test_a_disk_grows_and_its_bytes_stay(
    api: Api, export: Export, converge: Callable[[], None], images_path: Path, server: FakeTargetServer
) -> None:
    (images_path / "disk1/head-1.raw").open("r+b").write(b"first")
    answer = api.post("/api/v1/images/disk1/resize", {"size_gb": 2})
    assert (answer.status_code, answer.json()["size_gb"]) == (200, 2)
    converge()
    with (images_path / "disk1/head-1.raw").open("rb") as head:
        assert head.read(5) == b"first"
        assert head.seek(0, 2) == 2 * GIB
    assert server.named(IQN).luns[0].size_mb == 2147


def test_while_it_is_in_use_the_disk_waits_and_says_for_whom(
    export: Export, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    server.log_in(IQN, export.initiator_name)
    services.resize_image(image=export.image, size_bytes=2 * GIB)
    converge()
    export.refresh_from_db()
    assert (export.observed_state, export.last_error) == ("waiting", "waiting for lab1-07 to log out")
    assert server.named(IQN).luns[0].size_mb == 1074
    server.log_out(IQN)
    converge()
    export.refresh_from_db()
    assert (export.observed_state, export.last_error) == ("ready", "")
    assert server.named(IQN).luns[0].size_mb == 2147


@pytest.mark.parametrize(
    ("size_gb", "status"), [(1, 200), (0.5, 422), (1.0000001, 422), (0, 422), (1e30, 422)]
)
def test_only_larger_will_do(api: Api, export: Export, size_gb: float, status: int, converge: object) -> None:
    assert api.post("/api/v1/images/disk1/resize", {"size_gb": size_gb}).status_code == status
    assert Image.objects.get().size_bytes == GIB


def test_growth_beyond_the_room_that_is_left_is_refused(export: Export) -> None:
    with pytest.raises(ConflictError, match="do not fit"):
        services.resize_image(image=export.image, size_bytes=15 * 1024 * GIB)


def test_a_head_over_a_version_grows_and_the_version_stays(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    overlay = services.assign_image(image=published, device=make_device(1), mode="overlay")
    answer = api.post("/api/v1/images/disk1/resize", {"size_gb": 3})
    assert (answer.status_code, answer.json()["size_gb"]) == (200, 3)
    head = lineage.head_of(Image.objects.get())
    assert (head.size_bytes, head.format) == (3 * GIB, "qcow2")
    version = Version.objects.get()
    assert (version.size_bytes, version.layer.size_bytes, layer_of(overlay).size_bytes) == (GIB, GIB, GIB)
    assert publish(Image.objects.get()).size_bytes == 3 * GIB


def test_while_its_device_is_logged_in_the_answer_says_that_it_is_not_done_yet(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    log_in(services.assign_image(image=published, device=make_device(1)))
    assert api.post("/api/v1/images/disk1/resize", {"size_gb": 2}).status_code == 202
    assert Image.objects.get().size_bytes == 2 * GIB


@pytest.mark.parametrize("state", ["importing", "failed", "deleting"])
def test_only_a_whole_disk_grows(api: Api, published: Image, state: str) -> None:
    Image.objects.update(state=state)
    assert api.post("/api/v1/images/disk1/resize", {"size_gb": 2}).status_code == 409
    assert lineage.head_of(Image.objects.get()).size_bytes == GIB
