"""What is inside an image, as its page draws it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from images.models import Image
from images.overview import Contents, contents_of
from netboot_site.formats import GIB

MIB = 1024**2


def partition(number: int, start: int, size: int, **more: str) -> dict[str, Any]:
    row = {"type": "Linux", "name": "", "file_system": "ext4", "label": "", "uuid": ""}
    return {"number": number, "start_bytes": start, "size_bytes": size, **row, **more}


def contents(image: Image, *partitions: dict[str, Any], **more: str | None) -> Contents:
    image.contents = {"table": "gpt", "operating_system": None, "partitions": list(partitions), **more}
    found = contents_of(image)
    assert found is not None
    return found


@pytest.fixture
def image(make_image: Callable[..., Image]) -> Image:
    return make_image("disk1", 10 * GIB)


def test_a_disk_that_nothing_was_imported_into_shows_nothing(viewer_client: Client, image: Image) -> None:
    assert contents_of(image) is None
    assert b"What is inside" not in viewer_client.get("/images/disk1/").content


def test_partitions_are_drawn_to_scale_with_the_room_that_is_in_none(image: Image) -> None:
    found = contents(image, partition(2, 5 * GIB, 2 * GIB), partition(1, MIB, 5 * GIB - MIB))
    drawn = [(part.number, part.left, part.width, part.is_partition) for part in found.parts]
    assert drawn == [(1, 0.01, 49.99, True), (2, 50.0, 20.0, True), (0, 70.0, 30.0, False)]


def test_a_small_partition_can_be_seen_and_none_reaches_beyond_the_drawing(image: Image) -> None:
    found = contents(image, partition(1, MIB, MIB), partition(2, 9 * GIB, 99 * GIB))
    small, gap, beyond = found.parts
    assert small.width >= 0.4
    assert not gap.is_partition
    assert beyond.left + beyond.width == pytest.approx(100)


def test_a_file_system_without_a_table_is_the_whole_disk(viewer_client: Client, image: Image) -> None:
    rows = [partition(0, 0, 10 * GIB, file_system="iso9660", label="Debian 12")]
    Image.objects.update(contents={"table": None, "operating_system": None, "partitions": rows})
    page = viewer_client.get("/images/disk1/").content.decode()
    assert "whole disk" in page
    assert "iso9660" in page


def test_the_page_names_the_operating_system_file_systems_and_labels_and_never_as_markup(
    viewer_client: Client, image: Image
) -> None:
    rows = [
        partition(1, MIB, GIB, file_system="vfat", label="<b>ESP"),
        partition(2, 2 * GIB, GIB, name="root"),
    ]
    Image.objects.update(contents={"table": "dos", "operating_system": "Debian 12 <x>", "partitions": rows})
    page = viewer_client.get("/images/disk1/live/").content.decode()
    for part in ("Debian 12 &lt;x&gt;", "MBR", "&lt;b&gt;ESP", "vfat", "root", "1 GiB"):
        assert part in page, part


def test_a_disk_that_holds_nothing_known_says_so(viewer_client: Client, image: Image) -> None:
    Image.objects.update(contents={"table": None, "operating_system": None, "partitions": []})
    assert b"No partition table and no file system" in viewer_client.get("/images/disk1/").content
