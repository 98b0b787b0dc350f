"""The page of an image: its versions and channels, and what an operator does with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from devices.models import Device
from images.models import Channel, Image, Job, Layer, Session, Version
from images.services import create_image, promote, publish_version
from netboot_site.formats import GIB
from tests.images.overlays import overlay_of, published, settle

PAGE = "/images/debian-12/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def image(node: object) -> Image:
    made = create_image(image_id="debian-12", name="Debian 12", size_bytes=20 * GIB, device_type="x64")
    settle(made)
    return made


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_version_is_published_with_a_comment_and_its_author(operator_client: Client, image: Image) -> None:
    assert b"Publish Debian 12" in operator_client.get(f"{PAGE}publish/").content
    answer = operator_client.post(f"{PAGE}publish/", {"comment": "with Firefox 142"})
    assert answer["Location"] == PAGE
    version = Version.objects.get()
    assert (version.number, version.comment, version.created_by) == (1, "with Firefox 142", "operator")


def test_a_dialog_that_publishes_closes_where_it_stands(operator_client: Client, image: Image) -> None:
    answer = operator_client.post(f"{PAGE}publish/", {"comment": ""}, headers=HTMX)
    assert answer.status_code == 204
    assert '"saved"' in answer["HX-Trigger"]
    assert Version.objects.get().comment == ""


def test_a_refused_publication_says_why_and_keeps_the_comment(operator_client: Client, image: Image) -> None:
    Image.objects.update(state="importing")
    answer = operator_client.post(f"{PAGE}publish/", {"comment": "too early"})
    assert answer.status_code == 422
    assert b"this can be done when it is ready" in answer.content
    assert b'value="too early"' in answer.content
    assert not Version.objects.exists()


def test_a_publication_that_would_hold_nothing_new_says_so(operator_client: Client, image: Image) -> None:
    published(image)
    assert (
        b"Nothing was written to the disk since version 1" in operator_client.get(f"{PAGE}publish/").content
    )


def test_the_table_shows_each_version_with_its_checksum_channels_and_disks(
    viewer_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    published(image, comment="the first", author="ada")
    published(image, comment="with Firefox")
    Version.objects.filter(number=1).update(sha256="ab" * 32)
    promote(image=image, channel="production", number=1)
    overlay_of(image, make_device(1), version="1")
    page = viewer_client.get(PAGE).content.decode()
    rows = [text_of(row) for row in page.split("<tr>") if "/images/debian-12/versions/" in row]
    newest, first = rows
    assert newest.startswith("Version 2 with Firefox")
    assert "the head stands on it" in newest
    assert "to come 0" in newest
    assert "ada" in first
    assert "ab" * 32 in first
    assert "production 1" in first


def test_a_version_that_is_still_written_says_what_it_waits_for(viewer_client: Client, image: Image) -> None:
    publish_version(image=image)
    Version.objects.update(last_error="Waits for lab1-07 to log out.")
    page = viewer_client.get(PAGE).content.decode()
    assert "Being published" in page
    assert "Waits for lab1-07 to log out." in page


def test_one_click_promotes_a_version_and_another_one_moves_the_channel(
    operator_client: Client, image: Image
) -> None:
    published(image)
    published(image)
    for number in (1, 2):
        answer = operator_client.post(f"{PAGE}versions/{number}/promote/", {"channel": "test"})
        assert answer["Location"] == PAGE
        assert Channel.objects.get().version.number == number
    page = operator_client.get(PAGE).content.decode()
    assert "Promote version 1 to" in page
    assert page.count("channels/test/close/") == 2  # the button's two ways: with and without our script


def test_a_pressed_promotion_tells_its_refusal_in_place(operator_client: Client, image: Image) -> None:
    published(image)
    answer = operator_client.post(f"{PAGE}versions/1/promote/", {"channel": "beta"}, headers=HTMX)
    assert answer.status_code == 204
    assert "A channel is one of test, production" in answer["HX-Trigger"]
    assert not Channel.objects.exists()


def test_a_channel_is_closed(operator_client: Client, image: Image) -> None:
    published(image)
    promote(image=image, channel="test", number=1)
    operator_client.post(f"{PAGE}channels/test/close/")
    assert not Channel.objects.exists()


def test_rolling_back_asks_first_and_names_what_is_lost(operator_client: Client, image: Image) -> None:
    published(image, comment="the good one")
    published(image)
    Layer.objects.filter(image=image, number=image.generation + 2).update(used_at=timezone.now())
    page = text_of(operator_client.get(f"{PAGE}versions/1/roll-back/").content.decode())
    assert "begins anew from version 1 (the good one)" in page
    assert "What was written to the disk since version 2 is lost" in page
    before = Image.objects.get().generation
    assert operator_client.post(f"{PAGE}versions/1/roll-back/")["Location"] == PAGE
    head = Layer.objects.get(number=Image.objects.get().generation)
    assert head.number > before
    assert head.parent == Version.objects.get(number=1).layer


def test_a_roll_back_that_loses_nothing_warns_of_nothing(operator_client: Client, image: Image) -> None:
    published(image)
    published(image)
    assert b"is lost" not in operator_client.get(f"{PAGE}versions/1/roll-back/").content


def test_a_disk_in_use_is_not_rolled_back_and_the_dialog_says_whose(
    operator_client: Client, image: Image
) -> None:
    published(image)
    Session.objects.create(
        iqn=image.iqn, handle="1", image=image, initiator_name="iqn.x:lab1-07", started_at=timezone.now()
    )
    before = Image.objects.get().generation
    answer = operator_client.post(f"{PAGE}versions/1/roll-back/", headers=HTMX)
    assert answer.status_code == 422
    assert b"in use by iqn.x:lab1-07" in answer.content
    assert Image.objects.get().generation == before


def test_a_version_is_cloned_and_the_way_leads_to_the_clone(operator_client: Client, image: Image) -> None:
    published(image)
    page = operator_client.get(f"{PAGE}clone/?version=1").content.decode()
    assert '<option value="1" selected>' in page
    answer = operator_client.post(f"{PAGE}clone/", {"name": "Exam", "image_id": "exam", "version": "1"})
    assert answer["Location"] == "/images/exam/"
    assert Layer.objects.get(image_id="exam").parent == Version.objects.get().layer


@pytest.mark.parametrize(
    ("change", "told"),
    [({"image_id": "debian-12"}, "exists already"), ({"image_id": "Ex am"}, "Small letters"),
     ({"name": ""}, "required"), ({"version": "9"}, "not one of the available choices"),
     ({"version": "x"}, "not one of the available choices")],
)  # fmt: skip
def test_a_clone_that_cannot_be_is_told(
    operator_client: Client, image: Image, change: dict[str, str], told: str
) -> None:
    answer = operator_client.post(
        f"{PAGE}clone/", {"name": "Exam", "image_id": "exam", "version": "", **change}
    )
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert Image.objects.count() == 1


def test_a_version_s_own_page_has_all_that_is_known_of_it(viewer_client: Client, image: Image) -> None:
    published(image, comment="line one\nline <two>")
    Version.objects.update(sha256="cd" * 32, verified_at=timezone.now())
    page = viewer_client.get(f"{PAGE}versions/1/").content.decode()
    for part in ("cd" * 32, "line &lt;two&gt;", "20 GiB", "the head"):
        assert part in page
    assert "roll-back" not in page
    assert "delete" not in page


def test_a_version_that_is_needed_is_not_deleted_and_one_that_is_not_goes(
    operator_client: Client, image: Image
) -> None:
    published(image)
    refused = operator_client.post(f"{PAGE}versions/1/delete/", headers=HTMX)
    assert refused.status_code == 422
    assert b"the image&#x27;s head stands on it" in refused.content
    published(image)
    operator_client.post(f"{PAGE}versions/1/roll-back/")
    assert operator_client.post(f"{PAGE}versions/2/delete/")["Location"] == PAGE
    assert [version.number for version in Version.objects.all()] == [1]


@pytest.mark.parametrize(
    "path", ["versions/7/", "versions/7/roll-back/", "versions/7/delete/", "versions/0/", "versions/x/",
             "versions/99999999999999/"],
)  # fmt: skip
def test_a_version_that_there_is_not_is_404(operator_client: Client, image: Image, path: str) -> None:
    assert operator_client.get(PAGE + path).status_code == 404


@pytest.mark.parametrize(
    "path", ["publish/", "clone/", "versions/1/promote/", "versions/1/roll-back/", "versions/1/delete/",
             "versions/1/squash/",
             "channels/test/close/"],
)  # fmt: skip
def test_a_viewer_changes_no_version_and_is_offered_nothing(
    viewer_client: Client, image: Image, path: str
) -> None:
    published(image)
    assert viewer_client.post(PAGE + path, {"channel": "test", "image_id": "x"}).status_code == 403
    assert f'"{PAGE}{path}"' not in viewer_client.get(PAGE).content.decode()
    assert (Version.objects.count(), Channel.objects.count(), Image.objects.count()) == (1, 0, 1)


def test_the_live_part_is_the_same_again_and_holds_nothing_that_polling_could_wipe(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    published(image)
    overlay_of(image, make_device(1), used_bytes=GIB)
    page = operator_client.get(f"{PAGE}live/").content.decode()
    assert "<form" not in page
    assert "csrf" not in page
    seen = page.split("seen=")[1].split('"')[0]
    assert operator_client.get(f"{PAGE}live/?seen={seen}").status_code == 204


def test_the_page_asks_as_much_of_the_database_for_many_versions_and_disks_as_for_one(
    operator_client: Client, image: Image, make_device: Callable[..., Device],
    django_assert_num_queries: Callable[[int], Any],
) -> None:  # fmt: skip
    operator_client.get(PAGE)
    # who asks (2), the image, around (4), versions (3), head, disks (5), logins (2), work (2), history
    asked = 21
    for number in range(1, 4):
        published(image)
        overlay_of(image, make_device(number), used_bytes=GIB)
        with django_assert_num_queries(asked):
            operator_client.get(f"{PAGE}live/")


def test_a_chain_is_squashed_in_the_background_and_a_refusal_is_told(
    operator_client: Client, image: Image
) -> None:
    published(image)
    published(image)
    squash = f"{PAGE}versions/2/squash/"
    assert squash in operator_client.get(f"{PAGE}versions/2/").content.decode()
    assert "being squashed" in operator_client.post(squash, headers=HTMX)["HX-Trigger"]
    job = Job.objects.get(kind="squash")
    assert (job.version.number if job.version else None, job.created_by) == (2, "operator")
    refused = operator_client.post(f"{PAGE}versions/7/squash/", headers=HTMX)
    assert "has no version 7" in refused["HX-Trigger"]
