"""What an image's page tells of the boot partition that a Raspberry Pi starts from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow.models import KernelSet
from images.models import BootFiles, Image, Layer
from images.services import create_image, register_node
from tests.images.overlays import published

KERNEL = {"file": "kernel8.img", "release": "6.12.25+rpt-rpi-v8", "bits": 64}


@pytest.fixture
def image(db: None) -> Image:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    return create_image(image_id="pi-os", name="Pi OS", size_bytes=2**30, device_type="raspi")


def read(layer: Layer, state: str = "ready", **fields: object) -> BootFiles:
    now = timezone.now() - timedelta(hours=1)
    facts = {"kernels": [KERNEL], "initramfs": [{"file": "initramfs8", "iscsi": "added"}], "warnings": []}
    BootFiles.objects.filter(layer=layer).delete()
    given: dict[str, object] = {"read_at": now, "facts": facts, **fields}
    return BootFiles.objects.create(layer=layer, wanted_at=now, state=state, **given)


def card_of(client: Client, image: Image) -> str:
    page = client.get(f"/images/{image.id}/").content.decode()
    return page.split('id="boot-files-title"')[1].split("</section>")[0] if "boot-files-title" in page else ""


def test_kernels_and_where_iscsi_was_added_are_told(operator_client: Client, image: Image) -> None:
    read(Layer.objects.get(image=image))
    card = card_of(operator_client, image)
    assert "6.12.25+rpt-rpi-v8" in card
    assert "iSCSI added by us" in card
    assert "Head" in card


@pytest.mark.parametrize(("kind", "words"), [("dracut", "dracut"), ("missing", "no iSCSI"), ("else", "")])
def test_an_initramfs_that_was_left_alone_says_why(
    operator_client: Client, image: Image, kind: str, words: str
) -> None:
    facts = {"initramfs": [{"file": "initramfs8", "iscsi": kind}]}
    read(Layer.objects.get(image=image), facts=facts)
    card = card_of(operator_client, image)
    assert words in card
    assert "added by us" not in card


def test_a_partition_that_cannot_be_read_says_why(operator_client: Client, image: Image) -> None:
    read(Layer.objects.get(image=image), "failed", last_error="Its FAT lies about sizes.", facts={})
    card = card_of(operator_client, image)
    assert "Cannot be read" in card
    assert "Its FAT lies about sizes." in card


def test_warnings_stand_with_the_partition_that_they_are_of(operator_client: Client, image: Image) -> None:
    facts = {"warnings": ["The kernel 5.10 has no modules on its root."]}
    read(Layer.objects.get(image=image), facts=facts)
    assert "has no modules on its root" in card_of(operator_client, image)


def test_head_and_versions_stand_apart_the_newest_first(operator_client: Client, image: Image) -> None:
    published(image, comment="one")
    for layer in Layer.objects.filter(image=image):
        read(layer)
    card = card_of(operator_client, image)
    assert card.index("Head") < card.index("Version 1")


def test_the_card_leads_to_the_kernel_set(operator_client: Client, image: Image) -> None:
    read(Layer.objects.get(image=image))
    assert "/kernel-sets/" not in card_of(operator_client, image)
    KernelSet.objects.create(name="pi-os", image=image, is_of_image=True)
    assert 'href="/kernel-sets/pi-os/"' in card_of(operator_client, image)


def test_a_pc_s_image_has_none(operator_client: Client, image: Image) -> None:
    pc = create_image(image_id="pc", name="PC", size_bytes=2**30, device_type="x64")
    assert card_of(operator_client, pc) == ""


def test_more_versions_take_no_more_queries(operator_client: Client, image: Image) -> None:
    def queries() -> int:
        card_of(operator_client, image)
        with CaptureQueriesContext(connection) as seen:
            card_of(operator_client, image)
        return len(seen)

    published(image, comment="one")
    for layer in Layer.objects.filter(image=image):
        read(layer)
    before = queries()
    for number in range(5):
        published(image, comment=f"more {number}")
    for layer in Layer.objects.filter(image=image):
        read(layer)
    assert queries() == before
