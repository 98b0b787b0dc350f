"""Images of the release before layers: each gets the one layer that it has had all along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from images import lineage, services
from images.models import Export, Image, Layer, LayerFormat

BEFORE = [("images", "0001_initial"), ("devices", "0001_initial")]
pytestmark = pytest.mark.django_db(transaction=True)


def migrate(targets: list[tuple[str, str]]) -> Any:
    """The models as they are then."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return executor.loader.project_state(targets).apps


def newest() -> list[tuple[str, str]]:
    return MigrationExecutor(connection).loader.graph.leaf_nodes()


@pytest.fixture
def earlier() -> Iterator[Any]:
    """The database of the state before, and in the end the present one again."""
    yield migrate(BEFORE)
    migrate(newest())


def add_images(apps: Any) -> None:
    """One of each state, one that was uploaded twice, and one that a device has."""
    node = apps.get_model("images", "StorageNode").objects.create(name="local", portal_port=3260)
    image, now = apps.get_model("images", "Image"), timezone.now()
    states = ["creating", "importing", "ready", "failed", "deleting"]
    image.objects.create(
        id="lost", name="lost", size_bytes=512, device_type="x64", node=node, state="failed",
        observed_size_bytes=512, created_at=now,
    )  # fmt: skip
    for number, state in enumerate(states, 1):
        image.objects.create(
            id=state, name=state, size_bytes=number * 512, device_type="x64", node=node, state=state,
            generation=3 if state == "ready" else 1, observed_generation=1, created_at=now,
        )  # fmt: skip
    device = apps.get_model("devices", "Device").objects.create(
        mac="52:54:00:00:00:01", device_type="x64", name="pc"
    )
    apps.get_model("images", "Export").objects.create(
        image_id="ready", device=device, mode="exclusive", chap_username="ready.abcdef", chap_secret="s" * 16
    )


def test_each_image_has_its_head_as_its_only_layer(earlier: Any) -> None:
    add_images(earlier)
    migrate(newest())
    rows = Layer.objects.values_list("image", "number", "format", "parent", "size_bytes", "state", "frozen")
    assert sorted(rows) == [
        ("creating", 1, "raw", None, 512, "creating", False),
        ("deleting", 1, "raw", None, 2560, "ready", False),
        ("failed", 1, "raw", None, 2048, "creating", False),
        ("importing", 1, "raw", None, 1024, "ready", False),
        ("lost", 1, "raw", None, 512, "ready", False),
        ("ready", 3, "raw", None, 1536, "ready", False),
    ]
    ready = Image.objects.get(pk="ready")
    assert (lineage.head_of(ready).file_name, ready.last_layer_number) == ("ready/head-3.raw", 3)


def test_a_device_keeps_its_disk_and_the_image_can_be_published(earlier: Any) -> None:
    add_images(earlier)
    migrate(newest())
    export = Export.objects.get()
    assert (export.mode, export.persistence, export.follows, export.layer, export.observed_stale) == (
        "exclusive", "keep", "", None, False,
    )  # fmt: skip
    version = services.publish_version(image=export.image)
    head = lineage.head_of(Image.objects.get(pk="ready"))
    assert (version.number, head.number, head.format, head.parent) == (
        1, 4, LayerFormat.QCOW2, version.layer,
    )  # fmt: skip


def test_an_empty_database_comes_through(earlier: Any) -> None:
    migrate(newest())
    assert not Layer.objects.exists()
