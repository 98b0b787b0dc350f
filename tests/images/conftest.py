"""A storage node with a folder of its own, devices and images, a fake and a real target server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.models import Device
from devices.services import register_device
from images import qemu_serving, services
from images.convergence.round import converge_node
from images.models import Export, Image, StorageNode, Version
from images.qemu_notes import mounts_below
from netboot_site.formats import GIB
from tests.images.fake_layers import FakeLayerStore
from tests.images.fakes import FakeTargetServer
from tests.images.real_layers import MIB, Guest, Node, fresh
from tests.images.rows import publish, settle
from tests.images.tgtd import PORTAL_ADDRESS, Initiator, Namespace, Tgtd


@pytest.fixture(autouse=True)
def images_path(settings: Any, tmp_path: Path) -> Path:
    settings.IMAGES_PATH = tmp_path / "images"
    settings.CELERY_TASK_ALWAYS_EAGER = False
    return settings.IMAGES_PATH


@pytest.fixture
def node(db: None) -> StorageNode:
    return services.register_node(name="local", portal_address=PORTAL_ADDRESS, portal_port=3260)


@pytest.fixture
def make_device(db: None) -> Callable[..., Device]:
    def make(number: int = 1, device_type: str = "x64", name: str = "") -> Device:
        mac = f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
        return register_device(mac=mac, device_type=device_type, name=name or f"lab1-{number:02d}")

    return make


@pytest.fixture
def make_image(node: StorageNode) -> Callable[..., Image]:
    def make(image_id: str = "disk1", size_bytes: int = GIB, device_type: str = "x64") -> Image:
        return services.create_image(
            image_id=image_id, name=image_id.title(), size_bytes=size_bytes, device_type=device_type
        )

    return make


@pytest.fixture
def make_published(make_image: Callable[..., Image]) -> Callable[..., Image]:
    """An image with version 1."""

    def make(image_id: str = "disk1", **fields: Any) -> Image:
        image = make_image(image_id, **fields)
        settle()
        publish(image, "first")
        return Image.objects.get(pk=image.pk)

    return make


@pytest.fixture
def published(make_published: Callable[..., Image]) -> Image:
    return make_published()


@pytest.fixture
def overlay(published: Image, make_device: Callable[..., Device]) -> Export:
    """A device with its own overlay on version 1."""
    export = services.assign_image(image=published, device=make_device(1), mode="overlay")
    settle()
    return Export.objects.select_related("image", "device", "layer").get(pk=export.pk)


@pytest.fixture
def server() -> FakeTargetServer:
    return FakeTargetServer()


@pytest.fixture
def store(tmp_path: Path) -> FakeLayerStore:
    return FakeLayerStore(tmp_path / "layers")


@pytest.fixture
def converge(node: StorageNode, server: FakeTargetServer, store: FakeLayerStore) -> Callable[[], None]:
    """One round against the fakes."""
    return lambda: converge_node(node, server, store)


@pytest.fixture
def initiator(namespace: Namespace) -> Callable[[Export], Initiator]:
    """The device of an export."""

    def make(export: Export) -> Initiator:
        return Initiator(
            namespace, export.initiator_name, export.iqn, export.chap_username, export.chap_secret
        )

    return make


@pytest.fixture
def lab(node: StorageNode, tgtd: Tgtd, tmp_path: Path) -> Iterator[Node]:
    yield Node(node, tgtd, tmp_path / "run")
    tgtd.kill()
    qemu_serving.clear_all(tmp_path / "run")
    assert mounts_below(tmp_path / "run") == [], "the test left mounts"


@pytest.fixture
def guests(initiator: Callable[[Export], Initiator]) -> Iterator[Callable[[Export], Guest]]:
    started: list[Guest] = []

    def log_in(export: Export) -> Guest:
        started.append(Guest(initiator(export)))
        return started[-1]

    yield log_in
    for guest in started:
        guest.process.kill()
        guest.process.wait(10)


@pytest.fixture
def exclusive(
    lab: Node, make_image: Callable[..., Image], make_device: Callable[..., Device],
    initiator: Callable[[Export], Initiator],
) -> Export:  # fmt: skip
    """A raw head with something in it."""
    export = services.assign_image(image=make_image("disk1", 64 * MIB), device=make_device(7))
    lab.round()
    done = initiator(export).io("write -P 1 0 64k", "flush")
    assert done.returncode == 0, done.stdout
    lab.round()
    return fresh(export)


@pytest.fixture
def published_for_real(lab: Node, exclusive: Export) -> Image:
    """Version 1 of it."""
    services.publish_version(image=exclusive.image)
    lab.round()
    assert Version.objects.get().is_ready
    return exclusive.image


@pytest.fixture
def overlays(lab: Node, published_for_real: Image, make_device: Callable[..., Device]) -> list[Export]:
    """Two of version 1."""
    made = [
        services.assign_image(
            image=published_for_real, device=make_device(number), mode="overlay", persistence=kind
        )
        for number, kind in ((1, "keep"), (2, "reset"))
    ]
    lab.round()
    return [fresh(export) for export in made]
