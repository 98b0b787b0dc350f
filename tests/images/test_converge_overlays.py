"""Rounds of convergence with layers, against the fakes: what is made, served and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import Device
from images import services
from images.models import Export, Image, Layer, LayerState, Version
from netboot_site.errors import ConflictError
from tests.images.fake_layers import FakeLayerStore
from tests.images.fakes import FakeTargetServer

PREFIX = "iqn.2026-02.local.netboot"
MIB = 1024 * 1024
Round = Callable[[], None]


@pytest.fixture
def image(make_image: Callable[..., Image], converge: Round) -> Image:
    """A disk that is there."""
    make_image("disk1", 64 * MIB)
    converge()
    return Image.objects.get()


@pytest.fixture
def published(image: Image, converge: Round) -> Image:
    """With a version 1 that nobody writes to any more."""
    services.publish_version(image=image, comment="first")
    converge()
    return Image.objects.get()


@pytest.fixture
def overlay(published: Image, make_device: Callable[..., Device], converge: Round) -> Export:
    services.assign_image(image=published, device=make_device(1), mode="overlay")
    converge()
    return Export.objects.select_related("layer", "device", "image").get()


def states() -> dict[int, str]:
    return dict(Layer.objects.values_list("number", "state"))


def test_publishing_freezes_the_file_and_puts_an_empty_head_over_it(
    image: Image, converge: Round, images_path: Path, server: FakeTargetServer
) -> None:
    services.publish_version(image=image)
    converge()
    frozen, head = images_path / "disk1/head-1.raw", images_path / "disk1/layer-2.qcow2"
    assert (frozen.stat().st_mode & 0o777, head.exists()) == (0o444, True)
    assert Version.objects.get().is_ready
    assert states() == {1: "ready", 2: "ready"}
    image.refresh_from_db()
    assert (image.state, image.last_error, image.observed_generation) == ("ready", "", 2)
    assert server.observe().targets == (), "a head that is a layer and that nobody has needs no target"


def test_an_overlay_is_made_served_and_exported_in_one_round(
    published: Image, make_device: Callable[..., Device], converge: Round, images_path: Path,
    server: FakeTargetServer, store: FakeLayerStore,
) -> None:  # fmt: skip
    export = services.assign_image(image=published, device=make_device(1), mode="overlay")
    converge()
    export.refresh_from_db()
    assert (export.observed_state, export.last_error) == ("ready", "")
    served = store.observe()[f"e{export.pk}"]
    assert served.top == str(images_path / export.layer.file_name) if export.layer else None
    target = server.named(f"{PREFIX}:disk1.525400000001")
    assert [(lun.number, lun.path, lun.serial) for lun in target.luns] == [
        (1, served.path, "disk1.525400000001")
    ]
    assert (target.acl, target.accounts) == ((export.initiator_name,), (export.chap_username,))


def test_a_second_round_leaves_everything_as_it_is(
    overlay: Export, converge: Round, server: FakeTargetServer, store: FakeLayerStore
) -> None:
    server.calls.clear()
    store.calls.clear()
    converge()
    assert server.calls == store.calls == []


def test_ten_overlays_on_one_version_share_it_and_no_serial(
    published: Image, make_device: Callable[..., Device], converge: Round, server: FakeTargetServer
) -> None:
    for number in range(1, 11):
        services.assign_image(image=published, device=make_device(number), mode="overlay")
    converge()
    assert set(Export.objects.values_list("observed_state", flat=True)) == {"ready"}
    luns = [lun for target in server.observe().targets for lun in target.luns]
    assert len(luns) == len({lun.serial for lun in luns}) == len({lun.path for lun in luns}) == 10


def test_unassigning_ends_target_process_and_file(
    overlay: Export, converge: Round, server: FakeTargetServer, store: FakeLayerStore, images_path: Path
) -> None:
    assert overlay.layer is not None
    services.unassign_image(image=overlay.image)
    converge()
    assert server.observe().targets == ()
    assert server.secrets == {}
    assert store.observe() == {}
    assert not (images_path / overlay.layer.file_name).exists()
    assert states() == {1: "ready", 2: "ready"}


def test_a_frozen_layer_outlives_its_head_and_an_unknown_file_is_left_alone(
    published: Image, converge: Round, images_path: Path
) -> None:
    stranger = images_path / "disk1/head-0.raw"
    stranger.write_text("somebody's")
    services.roll_back(image=published, number=1)
    converge()
    converge()
    assert sorted(path.name for path in (images_path / "disk1").iterdir()) == [
        "head-0.raw", "head-1.raw", "layer-3.qcow2",
    ]  # fmt: skip
    assert set(Layer.objects.values_list("state", flat=True)) == {LayerState.READY}


@pytest.mark.parametrize("count", [1, 20])
def test_a_quiet_round_asks_the_same_of_the_database_for_one_overlay_and_for_twenty(
    published: Image, make_device: Callable[..., Device], converge: Round, count: int
) -> None:
    for number in range(1, count + 1):
        services.assign_image(image=published, device=make_device(number), mode="overlay")
    converge()
    converge()
    with CaptureQueriesContext(connection) as queries:
        converge()
    # images, layers, exports, sessions, versions, channels, node, and four of the heartbeat
    assert len(queries) == 12, [query["sql"] for query in queries]


def test_a_version_says_for_whom_it_waits_and_its_overlay_says_so_too(
    image: Image, make_device: Callable[..., Device], converge: Round, server: FakeTargetServer
) -> None:
    export = services.assign_image(image=image, device=make_device(7))
    converge()
    server.log_in(export.iqn, export.initiator_name)
    services.publish_version(image=image)
    overlay = services.assign_image(image=image, device=make_device(1), mode="overlay")
    converge()
    waiting = "waiting for lab1-07 to log out"
    overlay.refresh_from_db()
    assert (overlay.observed_state, overlay.last_error) == ("pending", waiting)
    assert Version.objects.get().last_error == waiting
    server.log_out(export.iqn)
    converge()
    overlay.refresh_from_db()
    assert (overlay.observed_state, overlay.last_error) == ("ready", "")
    assert Version.objects.get().last_error == ""


def test_a_process_that_ended_is_told_of_and_replaced(
    overlay: Export, converge: Round, server: FakeTargetServer, store: FakeLayerStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse(*words: object, **more: object) -> None:
        raise ConflictError("A layer's file cannot be read: it may be damaged.")

    store.kill(f"e{overlay.pk}")
    server.log_in(overlay.iqn, overlay.initiator_name)
    with monkeypatch.context() as patch:
        patch.setattr(store, "stop", refuse)
        converge()
    assert f"by force no target {overlay.iqn}" in server.calls
    overlay.refresh_from_db()
    assert overlay.observed_state == "pending"
    converge()
    overlay.refresh_from_db()
    assert (overlay.observed_state, overlay.last_error) == ("ready", "")
