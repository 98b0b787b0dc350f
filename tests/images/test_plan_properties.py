"""What holds of convergence whatever the world looks like, carried out on the fake server with real files."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from images.convergence import files
from images.convergence.actions import Action
from images.convergence.apply import apply
from images.convergence.facts import Access, Desired, Door, LayerSeen, Observed, Wanted, WantedLayer
from images.convergence.plan import plan
from images.convergence.round import PASSES
from images.models import ImageState, LayerState
from images.ports import Disk, Login, Lun, ServerView, Target
from tests.images.fake_layers import FakeLayerStore
from tests.images.fakes import FakeTargetServer

PREFIX = "iqn.2026-02.local.netboot"
PORTAL = "10.66.0.1:3260"
SIZE = 4 * 1024 * 1024
IDS = ("disk1", "disk10", "disk2")
NAMES = tuple(f"{PREFIX}:device.52540000000{number}" for number in range(3))


@dataclass(frozen=True)
class Case:
    """An image with a raw head, and who has it."""

    image_id: str
    state: ImageState
    access: Access | None


@st.composite
def wanted_images(draw: st.DrawFn) -> list[Case]:
    """Images with devices; no device and no account stands twice, as the database holds it."""
    found = []
    numbers = draw(st.permutations(range(3)))
    for image_id, number in zip(draw(st.lists(st.sampled_from(IDS), unique=True)), numbers, strict=False):
        access = Access(f"lab-{number}", NAMES[number], f"{image_id}.{number:06x}", "s" * 16)
        state = draw(st.sampled_from([ImageState.CREATING, ImageState.READY, ImageState.DELETING]))
        has = state != ImageState.DELETING and draw(st.booleans())
        found.append(Case(image_id, state, access if has else None))
    return found


@st.composite
def wild_targets(draw: st.DrawFn) -> list[Target]:
    """Targets as people, crashes and other programs leave them."""
    iqns = [f"{PREFIX}:{image_id}" for image_id in (*IDS, "ghost")] + ["iqn.2001-01.com.example:theirs"]
    found = []
    for tid, iqn in enumerate(draw(st.lists(st.sampled_from(iqns), unique=True)), 1):
        disk = draw(st.sampled_from([None, "disk1", "disk10", "nowhere"]))
        luns = (
            (Lun(draw(st.sampled_from([1, 2])), f"@{disk}", 4, disk, disk, "rdwr", thin=True),)
            if disk
            else ()
        )
        number = draw(st.integers(0, 2))
        found.append(
            Target(
                tid, iqn, luns,
                draw(st.sampled_from([(), (Login("1", NAMES[number], ("10.0.0.1",)),)])),
                draw(st.sampled_from([(), (f"{iqn.rpartition(':')[2]}.{number:06x}",)])),
                draw(st.sampled_from([(), (NAMES[number],), ("ALL",)])),
            )
        )  # fmt: skip
    return found


class World:
    """Desired rows, a server, a store and a folder."""

    def __init__(self, cases: list[Case], targets: list[Target], folder: Path) -> None:
        self.server, self.store = FakeTargetServer(), FakeLayerStore(folder / ".layers")
        made = [self.make(number, case) for number, case in enumerate(cases, 1)]
        for target in targets:
            luns = tuple(
                replace(lun, path=str(files.folder(lun.path[1:]) / "head-1.raw")) for lun in target.luns
            )
            self.server.put(replace(target, luns=luns))
            self.server.secrets.update(dict.fromkeys(target.accounts, "s" * 16))
        doors = (door for want, door in made if want.state != ImageState.DELETING)
        self.desired = Desired(PREFIX, PORTAL, tuple(want for want, _ in made), tuple(doors))

    def make(self, pk: int, case: Case) -> tuple[Wanted, Door]:
        image_id, new = case.image_id, case.state == "creating"
        path = str(files.folder(image_id) / "head-1.raw")
        if not new:
            files.create_raw(path, SIZE)
        state, seen = (LayerState.CREATING, 0) if new else (LayerState.READY, SIZE)
        head = WantedLayer(
            pk, image_id, 1, path, size_bytes=SIZE, state=state, seen_size_bytes=seen
        )  # fmt: skip
        door = Door(image_id, image_id, f"{PREFIX}:{image_id}", head, image_id, access=case.access)
        return Wanted(image_id, case.state, 1, SIZE, head, (head,)), door

    def observe(self) -> Observed:
        layers = self.desired.layers.values()
        seen = {layer.pk: found for layer in layers if (found := look(layer))}
        folders = frozenset(w.image_id for w in self.desired.images if files.folder(w.image_id).exists())
        return Observed(self.server.observe(), seen, self.store.observe(), folders)

    def plan(self) -> tuple[Action, ...]:
        return plan(self.desired, self.observe())

    def apply(self, actions: Iterable[Action]) -> Mapping[str, str]:
        return apply(actions, self.server, self.store)

    def converge(self) -> None:
        """As many passes as a round has."""
        for _ in range(PASSES):
            self.apply(self.plan())


def look(layer: WantedLayer) -> LayerSeen | None:
    return files.look(layer.path, raw=layer.is_raw)


def make(cases: list[Case], targets: list[Target], folder: str) -> World:
    return World(cases, targets, Path(folder))


def untouchable(view: ServerView) -> dict[str, Target]:
    """Targets that no step may change: those of others, and those in use."""
    ours = f"{PREFIX}:"
    return {t.iqn: t for t in view.targets if t.logins or not t.iqn.startswith(ours)}


@given(wanted_images(), wild_targets())
@hypothesis_settings(max_examples=150, deadline=None)
def test_what_was_applied_needs_nothing_more(wants: list[Case], targets: list[Target]) -> None:
    with tempfile.TemporaryDirectory() as folder, override_settings(IMAGES_PATH=Path(folder)):
        world = make(wants, targets, folder)
        for _ in range(PASSES):
            assert world.apply(world.plan()) == {}
        assert world.plan() == ()


@given(wanted_images(), wild_targets())
@hypothesis_settings(max_examples=150, deadline=None)
def test_nothing_of_others_and_nothing_in_use_is_torn_down(wants: list[Case], targets: list[Target]) -> None:
    with tempfile.TemporaryDirectory() as folder, override_settings(IMAGES_PATH=Path(folder)):
        world = make(wants, targets, folder)
        before = untouchable(world.server.observe())
        world.converge()
        after = {target.iqn: target for target in world.server.observe().targets}
        for iqn, target in before.items():
            assert iqn in after, f"{iqn} was torn down"
            if not iqn.startswith(f"{PREFIX}:"):
                assert after[iqn] == target
            kept = (
                target.luns or after[iqn].luns,
                target.acl or after[iqn].acl,
                target.accounts or after[iqn].accounts,
            )
            assert (after[iqn].luns, after[iqn].acl, after[iqn].accounts) == kept


@given(wanted_images(), wild_targets())
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_worker_killed_between_any_two_steps_leaves_what_the_next_one_mends(
    wants: list[Case], targets: list[Target]
) -> None:
    lengths = itertools.count()
    for length in lengths:
        with tempfile.TemporaryDirectory() as folder, override_settings(IMAGES_PATH=Path(folder)):
            world = make(wants, targets, folder)
            actions = world.plan()
            world.apply(actions[:length])
            world.converge()
            assert world.plan() == ()
            assert world.server.observe().ready
        if length >= len(actions):
            break


@given(wanted_images(), wild_targets())
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_guest_whose_disk_is_being_made_waits_outside(wants: list[Case], targets: list[Target]) -> None:
    """At no moment may a name come in without an account to prove it, on a target that we made."""
    with tempfile.TemporaryDirectory() as folder, override_settings(IMAGES_PATH=Path(folder)):
        world = make(wants, [], folder)
        for action in world.plan():
            world.apply([action])
            for target in world.server.observe().targets:
                assert target.accounts or not target.acl, target


def door(image_id: str) -> Door:
    return Door(image_id, image_id, "", WantedLayer(1, image_id, 1, "/x"), image_id)


def test_a_disk_is_what_its_image_says() -> None:
    assert door("disk1").disk("/x") == Disk("/x", "NETBOOT", "disk1", "disk1", "disk1")


@pytest.mark.parametrize("image_id", ["disk1", "a" * 63])
def test_the_product_is_no_longer_than_scsi_allows(image_id: str) -> None:
    assert len(door(image_id).disk("/x").product_id) <= 16
