"""What an operator does to a device's overlay from its pages: reset, merge, restore, discard."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.services import register_profile
from devices.models import Device, Group
from images import lineage
from images.models import Export, Image, Layer, LayerState, Session, StorageNode, Version
from images.services import create_image
from netboot_site.formats import GIB
from tests.bootflow.conftest import MAC
from tests.images.overlays import overlay_of, published, settle

HTMX = {"HX-Request": "true"}
DISK = f"/devices/{MAC}/disk/"


@pytest.fixture
def image(node: StorageNode) -> Image:
    made = create_image(image_id="lab", name="Lab", size_bytes=8 * GIB, device_type="x64")
    published(made, comment="the first")
    return made


@pytest.fixture
def export(image: Image, device: Device) -> Export:
    return overlay_of(image, device, used_bytes=GIB)


def layer_now() -> Layer:
    layer = Export.objects.get().layer
    assert layer is not None
    return layer


def log_in(export: Export) -> None:
    Session.objects.create(
        iqn=export.iqn, handle="1", image=export.image, initiator_name=export.initiator_name,
        started_at=timezone.now(),
    )  # fmt: skip


def keep_aside(export: Export) -> Layer:
    """Version 2 comes, and the changes to version 1 are put aside."""
    old = layer_now()
    version = published(export.image)
    lineage.refresh(Export.objects.select_related("layer", "image", "device").get(), version)
    settle(export.image)
    return old


def test_a_reset_asks_first_says_what_is_lost_and_gives_a_fresh_layer(
    operator_client: Client, export: Export
) -> None:
    page = operator_client.get(f"{DISK}reset/").content.decode()
    assert "What pc-07 wrote to its disk is lost." in page
    assert "clean version 1" in page
    old = layer_now()
    assert operator_client.post(f"{DISK}reset/")["Location"] == f"/devices/{MAC}/disk/"
    assert layer_now() != old
    old.refresh_from_db()
    assert old.state == LayerState.DELETING


def test_a_fresh_disk_loses_nothing_by_a_reset(operator_client: Client, image: Image, device: Device) -> None:
    overlay_of(image, device)
    assert b"is lost" not in operator_client.get(f"{DISK}reset/").content


def test_a_disk_in_use_is_not_reset_and_the_dialog_says_by_whom(
    operator_client: Client, export: Export
) -> None:
    log_in(export)
    old = layer_now()
    answer = operator_client.post(f"{DISK}reset/", headers=HTMX)
    assert answer.status_code == 422
    assert b"in use by pc-07" in answer.content
    assert layer_now() == old


def test_a_merge_takes_a_comment_and_makes_the_next_version(operator_client: Client, export: Export) -> None:
    assert b"on top of version 1" in operator_client.get(f"{DISK}merge/").content
    answer = operator_client.post(f"{DISK}merge/", {"comment": "CAD installed"}, headers=HTMX)
    assert answer.status_code == 204
    version = Version.objects.get(number=2)
    assert (version.comment, version.created_by) == ("CAD installed", "operator")
    assert layer_now().base_version == version


def test_kept_changes_are_shown_and_restored(operator_client: Client, export: Export) -> None:
    kept = keep_aside(export)
    page = operator_client.get("/images/lab/").content.decode()
    assert "Kept changes of version 1" in page
    restore = f"{DISK}kept/{kept.number}/restore/"
    assert restore in page
    assert b"stays on that version" in operator_client.get(restore).content
    operator_client.post(restore)
    assert layer_now() == kept


def test_kept_changes_are_discarded_for_good(operator_client: Client, export: Export) -> None:
    kept = keep_aside(export)
    assert operator_client.post(f"{DISK}kept/{kept.number}/discard/").status_code == 302
    kept.refresh_from_db()
    assert kept.state == LayerState.DELETING
    assert "Kept changes" not in operator_client.get("/images/lab/").content.decode()


@pytest.mark.parametrize("path", ["kept/999/restore/", "kept/999/discard/"])
def test_changes_that_were_not_kept_are_404(operator_client: Client, export: Export, path: str) -> None:
    assert operator_client.get(DISK + path).status_code == 404


@pytest.mark.parametrize("path", ["reset/", "merge/", "kept/1/restore/"])
def test_a_device_without_an_overlay_has_no_such_page(
    operator_client: Client, device: Device, path: str
) -> None:
    assert operator_client.get(DISK + path).status_code == 404


@pytest.mark.parametrize("path", ["reset/", "merge/", "change/", "kept/1/restore/", "kept/1/discard/"])
def test_a_viewer_changes_no_disk(viewer_client: Client, export: Export, path: str) -> None:
    old = layer_now()
    assert viewer_client.post(DISK + path).status_code == 403
    assert layer_now() == old
    assert DISK not in viewer_client.get("/images/lab/").content.decode()


def test_another_device_s_disk_is_left_alone(operator_client: Client, export: Export) -> None:
    other = register_profile(mac="52:54:00:12:34:57", device_type="x64", name="pc-08")
    others = overlay_of(export.image, other, used_bytes=GIB)
    operator_client.post(f"{DISK}reset/")
    others.refresh_from_db()
    assert others.layer is not None
    assert others.layer.used_at is not None


def test_the_device_s_page_shows_its_overlay_how_full_it_is_and_what_comes_next(
    viewer_client: Client, export: Export
) -> None:
    published(export.image, comment="the second")
    page = viewer_client.get(f"/devices/{MAC}/live/?tab=disk").content.decode()
    for part in ("Overlay on version 1", "12.5 % full", "1 GiB", "keeps its changes",
                 "Version 2 at the next boot",
                 "its changes belong to version 1 and are kept aside"):  # fmt: skip
        assert part in page, part
    assert f"{DISK}reset/" not in viewer_client.get(DISK).content.decode()


def test_a_login_to_another_overlay_of_the_image_is_not_shown_as_this_device_s(
    viewer_client: Client, export: Export
) -> None:
    other = register_profile(mac="52:54:00:12:34:57", device_type="x64", name="pc-08")
    log_in(overlay_of(export.image, other))
    assert b"In use" not in viewer_client.get(f"/devices/{MAC}/live/?tab=").content
    assert b"In use" in viewer_client.get(f"/devices/{other.mac}/live/?tab=").content


def test_kept_changes_stand_on_the_device_s_page(operator_client: Client, export: Export) -> None:
    kept = keep_aside(export)
    page = operator_client.get(f"/devices/{MAC}/live/?tab=disk").content.decode()
    assert "Changes of version 1, 1 GiB" in page
    assert f"{DISK}kept/{kept.number}/restore/" in page


def test_an_overlay_is_changed_and_changed_back(operator_client: Client, export: Export) -> None:
    for persistence, version, follows in (
        ("reset", "1", "pinned"),
        ("keep", "", ""),
        ("keep", "test", "test"),
    ):
        sent = {"persistence": persistence, "version": version}
        assert operator_client.post(f"{DISK}change/", sent)["Location"] == f"/devices/{MAC}/disk/"
        export.refresh_from_db()
        assert (export.persistence, export.follows) == (persistence, follows)
        page = operator_client.get(f"{DISK}change/").content.decode()
        assert f'<option value="{version}" selected>' in page


@pytest.mark.parametrize("version", ["7", "yesterday", "-1"])
def test_a_version_that_there_is_not_cannot_be_chosen(
    operator_client: Client, export: Export, version: str
) -> None:
    answer = operator_client.post(f"{DISK}change/", {"persistence": "reset", "version": version})
    assert answer.status_code == 422
    export.refresh_from_db()
    assert export.persistence == "keep"


def test_a_device_is_registered_and_approved_with_an_overlay(operator_client: Client, image: Image) -> None:
    fields = {"name": "new", "device_type": "x64", "group": "", "image": "overlay:lab"}
    operator_client.post("/devices/new/", {**fields, "mac": "52:54:00:12:34:60"})
    unknown = Device.objects.create(mac="52:54:00:12:34:61", device_type="x64", state="discovered")
    assert 'value="overlay:lab"' in operator_client.get(f"/devices/{unknown.mac}/approve/").content.decode()
    operator_client.post(f"/devices/{unknown.mac}/approve/", fields)
    found = Export.objects.values_list("device__mac", "mode", "layer__base_version__number")
    assert set(found) == {("52:54:00:12:34:60", "overlay", 1), ("52:54:00:12:34:61", "overlay", 1)}


def test_a_device_gets_an_overlay_on_its_page(operator_client: Client, image: Image, device: Device) -> None:
    operator_client.post(f"/devices/{MAC}/assign/", {"image": "overlay:lab"})
    assert Export.objects.get().mode == "overlay"
    assert b"overlay" in operator_client.get("/devices/").content


def test_a_device_and_its_group_follow_channels(operator_client: Client, device: Device) -> None:
    edit = {
        "name": "pc-07",
        "device_type": "x64",
        "group": "Lab 1",
        "kernel_set": "default",
        "channel": "test",
    }
    operator_client.post(f"/devices/{MAC}/edit/", edit)
    device.refresh_from_db()
    assert device.channel == "test"
    assert device.group is not None
    group = f"/groups/{device.group.pk}/channel/"
    assert group in operator_client.get(f"/devices/{MAC}/identity/").content.decode()
    assert operator_client.post(group, {"channel": "production"}, headers=HTMX).status_code == 204
    device.group.refresh_from_db()
    assert device.group.channel == "production"


def test_a_channel_that_there_is_not_is_refused(operator_client: Client, viewer: object) -> None:
    group = Group.objects.create(name="Lab 1")
    path = f"/groups/{group.pk}/channel/"
    assert operator_client.post(path, {"channel": "beta"}).status_code == 422
    assert operator_client.get("/groups/999999/channel/").status_code == 404
    group.refresh_from_db()
    assert group.channel == ""


def test_a_viewer_sets_no_channel(viewer_client: Client) -> None:
    group = Group.objects.create(name="Lab 1")
    assert viewer_client.post(f"/groups/{group.pk}/channel/", {"channel": "test"}).status_code == 403
    group.refresh_from_db()
    assert group.channel == ""


def test_a_disk_that_somebody_else_changed_meanwhile_is_not_changed_over(
    operator_client: Client, export: Export
) -> None:
    page = operator_client.get(f"{DISK}change/").content.decode()
    edition = page.split('name="edition" value="')[1].split('"')[0]
    operator_client.post(f"{DISK}change/", {"persistence": "reset", "version": ""})
    sent = {"persistence": "keep", "version": "1", "edition": edition}
    answer = operator_client.post(f"{DISK}change/", sent)
    assert answer.status_code == 422
    assert b"was changed meanwhile" in answer.content
    export.refresh_from_db()
    assert export.persistence == "reset"
