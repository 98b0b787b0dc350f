"""Whatever tree of layers grew: what something needs never goes, and what nothing needs always does."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from devices.models import Device
from images import lineage
from images.models import Export, Image, Layer, LayerFormat, LayerState, StorageNode, Version
from netboot_site.formats import GIB

DEVICES = 3
Steps = list[tuple[str, int, int]]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["publish", "roll back", "overlay", "refresh", "delete version", "unassign", "clone", "retire"]
        ),
        st.integers(0, 9),
        st.integers(0, DEVICES - 1),
    ),
    max_size=14,
)


@dataclass
class World:
    """A disk with its clones, and devices that get overlays of it; steps as services take them."""

    image: Image
    devices: list[Device]
    clones: int = 0
    done: list[str] = field(default_factory=list)

    def step(self, what: str, which: int, device: int) -> None:
        self.done.append(f"{what} {which} {device}")
        versions = list(Version.objects.filter(image=self.image).order_by("number"))
        version = versions[which % len(versions)] if versions else None
        if what == "publish":
            lineage.add_version(self.image, lineage.freeze_head(self.image), comment="", author="")
        elif what == "retire":  # asked for one that is needed, it does nothing
            lineage.retire(list(Layer.objects.order_by("pk"))[which % Layer.objects.count()])
        elif version is not None:
            self.step_on(what, version, self.devices[device])

    def step_on(self, what: str, version: Version, device: Device) -> None:
        export = Export.objects.filter(device=device).select_related("layer").first()
        match what, export:
            case "roll back", _:
                lineage.replace_head(self.image, lineage.add_layer(self.image, version.layer))
            case "overlay", None:
                layer = lineage.add_overlay(self.image, device, version)
                Export.objects.create(
                    image=self.image, device=device, mode="overlay", layer=layer, chap_username=device.mac
                )
            case "refresh", Export():
                Layer.objects.filter(pk=export.layer_id).update(used_at=device.created_at)
                lineage.refresh(Export.objects.get(pk=export.pk), version)
            case "unassign", Export(layer=Layer() as layer):
                export.delete()
                Layer.objects.filter(pk=layer.pk).update(device=None)
                lineage.retire(layer)
            case "delete version", _:
                self.delete(version)
            case "clone", _:
                self.clone(version)

    def delete(self, version: Version) -> None:
        """As the service does: not while anything stands on it."""
        if not version.layer.children.exclude(state=LayerState.DELETING).exists():
            version.delete()
            lineage.retire(version.layer)

    def clone(self, version: Version) -> None:
        self.clones += 1
        clone = Image.objects.create(
            id=f"clone{self.clones}", name="Clone", size_bytes=GIB, device_type="x64", node=self.image.node,
            last_layer_number=0,
        )  # fmt: skip
        clone.generation = lineage.add_layer(clone, version.layer).number
        clone.save()


def make_world() -> World:
    node = StorageNode.objects.create(name="local")
    image = Image.objects.create(id="disk", name="Disk", size_bytes=GIB, device_type="x64", node=node)
    Layer.objects.create(image=image, number=1, format=LayerFormat.RAW, size_bytes=GIB)
    devices = [Device.objects.create(mac=f"52:54:00:00:00:0{n}", device_type="x64") for n in range(DEVICES)]
    return World(image, devices)


def needed() -> set[int]:
    """Told another way than lineage tells it: what is named by a row, and everything below that."""
    heads = {
        layer.pk for layer in Layer.objects.select_related("image") if layer.number == layer.image.generation
    }
    named = heads | set(Version.objects.values_list("layer_id", flat=True))
    named |= set(Export.objects.exclude(layer=None).values_list("layer_id", flat=True))
    named |= set(Layer.objects.exclude(device=None).values_list("pk", flat=True))
    parents = dict(Layer.objects.values_list("pk", "parent_id"))
    found: set[int] = set()
    for key in named:
        while key is not None and key not in found:
            found.add(key)
            key = parents[key]
    return found


class LineageTest(TestCase):
    """Random lives of an image."""

    @given(steps=STEPS)
    def test_a_layer_goes_if_and_only_if_nothing_needs_it(self, steps: Steps) -> None:
        world = make_world()
        for what, which, device in steps:
            world.image.refresh_from_db()
            world.step(what, which, device)
            going = set(Layer.objects.filter(state=LayerState.DELETING).values_list("pk", flat=True))
            there = set(Layer.objects.values_list("pk", flat=True))
            assert not going & needed(), f"a needed layer goes after {world.done}"
            assert there - going <= needed(), f"an unneeded layer stays after {world.done}"

    @given(steps=STEPS)
    def test_is_needed_says_so_of_exactly_those(self, steps: Steps) -> None:
        world = make_world()
        for what, which, device in steps:
            world.image.refresh_from_db()
            world.step(what, which, device)
        wanted = needed()
        for layer in Layer.objects.exclude(state=LayerState.DELETING):
            assert lineage.is_needed(layer) == (layer.pk in wanted), f"{layer} after {world.done}"


@pytest.mark.django_db
def test_a_chain_that_lost_its_top_goes_down_to_what_is_needed() -> None:
    world = make_world()
    for _ in range(3):
        world.image.refresh_from_db()
        world.step("publish", 0, 0)
    Version.objects.filter(number__in=[2, 3]).delete()
    world.image.refresh_from_db()
    world.step("roll back", 0, 0)
    states = dict(Layer.objects.order_by("number").values_list("number", "state"))
    assert states == {1: "creating", 2: "deleting", 3: "deleting", 4: "deleting", 5: "creating"}
