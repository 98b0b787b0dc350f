"""Rounds of convergence on a node that is nearly full: what waits, what is said, and what still goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devices.models import Device
from images import services
from images.convergence import files
from images.convergence.facts import Room
from images.convergence.room import PAUSED
from images.models import Export, Image
from netboot_site.formats import GIB
from tests.images.fake_layers import FakeLayerStore
from tests.images.fakes import FakeTargetServer

MIB = 1024**2
Round = Callable[[], None]
LetRoomBe = Callable[[int], None]


@pytest.fixture
def let_room_be(monkeypatch: pytest.MonkeyPatch) -> LetRoomBe:
    def be(free_bytes: int) -> None:
        monkeypatch.setattr(files, "room", lambda: Room(100 * GIB, free_bytes, GIB))

    return be


@pytest.fixture
def overlay(make_image: Callable[..., Image], make_device: Callable[..., Device], converge: Round) -> Export:
    """A device's overlay that is served and exported."""
    image = make_image("disk1", 64 * MIB)
    converge()
    services.publish_version(image=image)
    converge()
    services.assign_image(image=image, device=make_device(1), mode="overlay")
    converge()
    return Export.objects.select_related("image", "device", "layer").get()


def said(export: Export) -> tuple[str, str]:
    export.refresh_from_db()
    return export.observed_state, export.last_error


def name_of(export: Export) -> str:
    return f"e{export.pk}"


def test_a_paused_disk_says_so_and_is_ready_again_afterwards(
    overlay: Export, converge: Round, store: FakeLayerStore, server: FakeTargetServer
) -> None:
    store.pause(name_of(overlay))
    before = list(server.calls)
    converge()
    assert said(overlay) == ("paused", PAUSED)
    assert server.calls == before, "tgtd touches no file that waits"
    store.resume(name_of(overlay))
    converge()
    assert said(overlay) == ("ready", "")


def test_a_disk_that_is_used_stays_as_it_is_while_it_is_paused(
    overlay: Export, converge: Round, store: FakeLayerStore, server: FakeTargetServer
) -> None:
    server.log_in(overlay.iqn, overlay.initiator_name)
    store.pause(name_of(overlay))
    converge()
    assert said(overlay) == ("paused", PAUSED)
    assert len(server.named(overlay.iqn).logins) == 1
    assert store.observe()[name_of(overlay)].paused


def test_a_target_over_a_paused_disk_is_not_made_until_it_goes_on(
    overlay: Export, converge: Round, store: FakeLayerStore, server: FakeTargetServer
) -> None:
    store.pause(name_of(overlay))
    server.restart()
    server.calls.clear()
    converge()
    assert not [call for call in server.calls if call.startswith("disk")], server.calls
    assert said(overlay) == ("paused", PAUSED)
    store.resume(name_of(overlay))
    converge()
    assert said(overlay) == ("ready", "")


def test_nothing_is_served_anew_while_there_is_hardly_room(
    overlay: Export, converge: Round, store: FakeLayerStore, let_room_be: LetRoomBe
) -> None:
    let_room_be(700 * MIB)
    store.kill(name_of(overlay))
    store.calls.clear()
    converge()
    converge()
    assert not [call for call in store.calls if call.startswith("serve")]
    assert said(overlay) == ("paused", PAUSED)
    let_room_be(GIB)
    converge()
    assert said(overlay) == ("ready", "")


@pytest.mark.parametrize("paused", [True, False])
def test_a_disk_that_is_taken_away_makes_room_and_ends_before_tgtd_lets_go_of_it(
    overlay: Export, converge: Round, store: FakeLayerStore, server: FakeTargetServer, let_room_be: LetRoomBe,
    images_path: Path, paused: bool,
) -> None:  # fmt: skip
    let_room_be(100 * MIB)
    if paused:
        store.pause(name_of(overlay))
    calls: list[str] = []
    store.calls = server.calls = calls
    services.unassign_image(image=overlay.image)
    converge()
    stopped, deleted = calls.index(f"stop {name_of(overlay)}"), calls.index(f"no target {overlay.iqn}")
    assert stopped < deleted, calls
    assert overlay.layer is not None
    assert not (images_path / overlay.layer.file_name).exists()


def test_with_room_a_target_goes_before_what_is_behind_it(
    overlay: Export, converge: Round, store: FakeLayerStore, server: FakeTargetServer
) -> None:
    calls: list[str] = []
    store.calls = server.calls = calls
    services.unassign_image(image=overlay.image)
    converge()
    assert calls.index(f"no target {overlay.iqn}") < calls.index(f"stop {name_of(overlay)}"), calls


def test_a_raw_disk_is_served_whatever_room_there_is(
    make_image: Callable[..., Image], make_device: Callable[..., Device], converge: Round,
    let_room_be: LetRoomBe,
) -> None:  # fmt: skip
    image = make_image("raw", 64 * MIB)
    export = services.assign_image(image=image, device=make_device(2))
    let_room_be(0)
    converge()
    assert said(export) == ("ready", "")


def test_a_ready_disk_is_ready_below_the_reserve(
    overlay: Export, converge: Round, let_room_be: LetRoomBe, api: Any
) -> None:
    let_room_be(700 * MIB)
    converge()
    assert said(overlay) == ("ready", "")
    assert api.get("/api/v1/storage").json()[0]["short_of_room"] is True
