"""The uploader in a real browser: in pieces, with a bar, on after a reload, a cut line or a pause."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from images.models import Image, ImageState, Layer, LayerState
from images.services import create_image, register_node
from netboot_site.formats import GIB
from tests.browser.chromium import Complaints

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True)]
MIB = 1024**2
PIECE = 32 * MIB
LINE_BYTES_PER_SECOND = 24 * MIB
PAGE = "/images/debian/"


@pytest.fixture
def images_path(settings: Any, tmp_path: Path) -> Path:
    settings.IMAGES_PATH = tmp_path / "images"
    (settings.IMAGES_PATH / "debian").mkdir(parents=True)
    return settings.IMAGES_PATH


@pytest.fixture
def image(live_server: object, images_path: Path) -> Image:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    made = create_image(image_id="debian", name="Debian 12", size_bytes=GIB, device_type="x64")
    as_converged(made, images_path)
    return made


def as_converged(image: Image, images_path: Path) -> None:
    """There is no worker here: its file and state are made by hand."""
    Image.objects.filter(pk=image.pk).update(state=ImageState.READY)
    Layer.objects.filter(image=image).update(state=LayerState.READY)
    (images_path / image.head_name).parent.mkdir(exist_ok=True)
    (images_path / image.head_name).touch()


@pytest.fixture
def disk_file(tmp_path: Path) -> Callable[[int], Path]:
    """A raw disk of so many bytes, mostly holes: quick to make, and no piece of it like another."""

    def make(size_bytes: int) -> Path:
        path = tmp_path / "disk.raw"
        with path.open("wb") as file:
            file.truncate(size_bytes)
            for place in range(0, size_bytes, 16 * MIB):
                file.seek(place)
                file.write(hashlib.sha256(b"%d" % place).digest() * 128)
        return path

    return make


def assert_holds(image_file: Path, file: Path) -> None:
    """The disk begins with the file's bytes; what is behind them was there before."""
    with image_file.open("rb") as disk, file.open("rb") as sent:
        while piece := sent.read(PIECE):
            assert disk.read(len(piece)) == piece, f"other bytes before {sent.tell()}"


def begin(page: Page, base: str, path: Path) -> None:
    page.goto(base + PAGE)
    page.get_by_label("Disk image", exact=True).set_input_files(path)
    page.get_by_role("button", name="Upload").click()


@pytest.fixture
def line(dashboard: Page) -> Callable[..., None]:
    """So slow a line that a test can do something meanwhile; or none."""
    session = dashboard.context.new_cdp_session(dashboard)

    def set_line(*, is_cut: bool = False) -> None:
        speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": LINE_BYTES_PER_SECOND}
        session.send("Network.emulateNetworkConditions", {"offline": is_cut, **speed})

    session.send("Network.enable")
    return set_line


def until(what: Callable[[], bool]) -> None:
    """Return when it is so."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "not within a minute"
        time.sleep(0.1)


def first_bytes(requests: list[Request]) -> list[int]:
    """Where each piece began."""
    return [int(one.headers["content-range"].split()[1].split("-")[0]) for one in requests]


def pieces_of(page: Page) -> list[Request]:
    """Those that are sent from now on."""
    seen: list[Request] = []
    page.on("request", lambda one: seen.append(one) if one.method == "PUT" else None)
    return seen


def is_here(page: Page) -> None:
    expect(page.get_by_text("All of disk.raw is here")).to_be_visible(timeout=60_000)


def stored(images_path: Path) -> Path:
    """The head's file."""
    return images_path / Image.objects.get(pk="debian").head_name


@pytest.mark.slow
def test_a_gibibyte_is_uploaded_with_a_bar_that_survives_a_reload(
    dashboard: Page, base: str, image: Image, images_path: Path, disk_file: Callable[[int], Path]
) -> None:
    file = disk_file(GIB)
    dashboard.on("dialog", lambda dialog: dialog.accept())  # "leave the page?"
    begin(dashboard, base, file)
    bar = dashboard.get_by_role("progressbar", name="Upload", exact=True)
    expect(dashboard.locator("[data-part=figures]")).to_contain_text("of 1 GiB ·")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[1-9]\d"))
    dashboard.reload()
    expect(dashboard.get_by_text("are here already. Choose the same file again to go on.")).to_be_visible()
    assert float(bar.get_attribute("aria-valuenow") or 0) > 0
    sent = pieces_of(dashboard)
    dashboard.get_by_label("Disk image", exact=True).set_input_files(file)
    dashboard.get_by_role("button", name="Go on").first.click()
    is_here(dashboard)
    assert first_bytes(sent)[0] > 0, "it began anew"
    assert_holds(stored(images_path), file)


def test_a_cut_line_is_waited_for_and_the_upload_goes_on_where_it_stood(
    dashboard: Page, base: str, image: Image, images_path: Path, disk_file: Callable[[int], Path],
    line: Callable[..., None],
) -> None:  # fmt: skip
    file = disk_file(4 * PIECE)
    line()
    begin(dashboard, base, file)
    until(lambda: (Image.objects.get(pk="debian").upload_received_bytes or 0) >= PIECE)
    line(is_cut=True)
    expect(dashboard.get_by_text("The connection is gone; goes on in").first).to_be_visible()
    sent = pieces_of(dashboard)
    line()
    is_here(dashboard)
    assert first_bytes(sent)[0] > 0, "it began anew"
    assert_holds(stored(images_path), file)


def test_an_upload_is_paused_and_goes_on(
    dashboard: Page, base: str, image: Image, images_path: Path, disk_file: Callable[[int], Path],
    line: Callable[..., None],
) -> None:  # fmt: skip
    file = disk_file(4 * PIECE)
    line()
    sent = pieces_of(dashboard)
    begin(dashboard, base, file)
    dashboard.get_by_role("button", name="Pause").click()
    expect(dashboard.get_by_text("Paused.")).to_be_visible()
    stopped = len(sent)
    dashboard.wait_for_timeout(1_500)
    assert len(sent) == stopped
    dashboard.get_by_role("button", name="Go on").last.click()
    is_here(dashboard)
    assert_holds(stored(images_path), file)


def test_a_refusal_is_told_in_the_server_s_words_and_is_not_tried_again(
    dashboard: Page, base: str, image: Image, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.img.xz"
    broken.write_bytes(b"\xfd7zXZ\x00" + b"no archive at all" * 1000)
    sent = pieces_of(dashboard)
    begin(dashboard, base, broken)
    refused = dashboard.locator("[data-part=note].text-red")
    expect(refused).to_contain_text("xz")
    assert len(sent) == 1


def test_another_file_than_the_one_that_was_begun_begins_anew(
    dashboard: Page, base: str, image: Image, images_path: Path, disk_file: Callable[[int], Path],
    line: Callable[..., None],
) -> None:  # fmt: skip
    dashboard.on("dialog", lambda dialog: dialog.accept())
    line()
    begin(dashboard, base, disk_file(3 * PIECE))
    until(lambda: (Image.objects.get(pk="debian").upload_received_bytes or 0) >= PIECE)
    dashboard.reload()
    expect(dashboard.get_by_text("are here already. Choose the same file again")).to_be_visible()
    file = disk_file(PIECE)
    sent = pieces_of(dashboard)
    dashboard.get_by_label("Disk image", exact=True).set_input_files(file)
    expect(dashboard.get_by_text("This is another file: the upload begins anew.")).to_be_visible()
    dashboard.get_by_role("button", name="Upload").click()
    is_here(dashboard)
    assert set(first_bytes(sent)) == {0}
    assert_holds(stored(images_path), file)


def test_a_new_image_is_made_and_filled_in_one_go(
    dashboard: Page, base: str, image: Image, images_path: Path, disk_file: Callable[[int], Path],
    complaints: Complaints,
) -> None:  # fmt: skip
    file = disk_file(PIECE + 512)
    dashboard.goto(f"{base}/images/_new/")
    dashboard.get_by_label("Disk image", exact=True).set_input_files(file)
    expect(dashboard.get_by_label("Id", exact=True)).to_have_value("disk")
    expect(dashboard.get_by_label("Size in GiB")).to_have_value("1")
    dashboard.get_by_role("button", name="Create").click()
    until(lambda: Image.objects.filter(pk="disk").exists())
    as_converged(Image.objects.get(pk="disk"), images_path)
    expect(dashboard.get_by_role("heading", name="disk", exact=True)).to_be_visible(timeout=60_000)
    assert Image.objects.get(pk="disk").upload_received_bytes == file.stat().st_size
    assert complaints.seen == []
