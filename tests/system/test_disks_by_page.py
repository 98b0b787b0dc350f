"""A person's way with a golden image, in a real browser against a running orchestrator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import EXECUTABLE, Complaints, chromium, sign_in
from tests.system.disks import Disk, sql
from tests.system.instance import Instance, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.chromium, pytest.mark.real_tgtd]
MAC = "52:54:00:77:01:01"
MIB = 1024**2
DISK_BYTES = 256 * MIB
WITHIN_MS = 60_000
GOLDEN, CHANGED = 0x11, 0x5A
SEEN = "sleep 8000"  # milliseconds; a shorter login ends between two looks of the worker


@pytest.fixture(scope="module")
def browser(orchestrator: Instance, folder: Path) -> Iterator[Browser]:
    """One that is on the orchestrator's wire."""
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {" ".join(orchestrator.wire.inside(EXECUTABLE))} "$@"\n')
    program.chmod(0o755)
    with chromium(str(program)) as made:
        yield made


@pytest.fixture
def page(browser: Browser, orchestrator: Instance) -> Iterator[Page]:
    """Signed in as the administrator."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WITHIN_MS)
    password = (orchestrator.data_path / "admin-password").read_text().strip()
    sign_in(page, base_of(orchestrator), "admin", password)
    yield page
    page.close()


def base_of(orchestrator: Instance) -> str:
    return f"http://{orchestrator.address}:8000"


def golden_file(folder: Path) -> Path:
    path = folder / "golden.raw"
    with path.open("wb") as file:
        file.write(bytes([GOLDEN]) * MIB)
        file.truncate(DISK_BYTES)
    return path


def says(page: Page, text: str) -> None:
    expect(page.get_by_text(text).first).to_be_visible(timeout=WITHIN_MS)


def make_and_fill(page: Page, base: str, file: Path) -> None:
    page.goto(f"{base}/images/_new/")
    page.get_by_label("Disk image", exact=True).set_input_files(file)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="golden", exact=True)).to_be_visible(timeout=WITHIN_MS)
    says(page, "Ready")


def publish(page: Page, comment: str) -> None:
    page.get_by_role("link", name="Publish").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Comment").fill(comment)
    dialog.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("link", name=comment)).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_text("Being published")).not_to_be_visible(timeout=WITHIN_MS)


def assign_overlay(page: Page) -> None:
    page.get_by_role("link", name="Assign").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Device").select_option(MAC)
    dialog.get_by_label("As", exact=True).select_option("overlay")
    dialog.get_by_label("Version").select_option("production")
    dialog.get_by_role("button", name="Assign", exact=True).click()
    says(page, "Overlay on version 1")


def disk_is_ready(orchestrator: Instance) -> bool:
    answer = orchestrator.api("GET", f"/api/v1/devices/{MAC}/disk")
    return bool(answer.json.get("state") == "ready")


def nobody_is_logged_in(orchestrator: Instance) -> bool:
    return sql(orchestrator, "select count(*) from images_session where ended_at is null") == ["0"]


def reset(page: Page) -> None:
    page.get_by_role("link", name="Reset").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("What lab1-01 wrote to its disk is lost.")).to_be_visible()
    dialog.get_by_role("button", name="Reset").click()
    says(page, "The disk of lab1-01 is fresh again.")


def test_a_disk_is_uploaded_published_promoted_given_reset_and_rolled_back(
    page: Page, orchestrator: Instance, folder: Path
) -> None:
    complaints = Complaints()
    complaints.listen_to(page)
    make_and_fill(page, base_of(orchestrator), golden_file(folder))
    publish(page, "the first")
    page.get_by_role("button", name="Promote version 1 to production").click()
    says(page, "The channel production names version 1")
    body = {"mac": MAC, "device_type": "x64", "name": "lab1-01"}
    assert orchestrator.api("POST", "/api/v1/devices", body).status == 201
    assign_overlay(page)
    wait_for(lambda: disk_is_ready(orchestrator), 60)
    disk = Disk.of(orchestrator, MAC)
    disk.done(f"read -P {GOLDEN} 0 1M", f"write -P {CHANGED} 0 1M", "flush", SEEN)
    wait_for(lambda: nobody_is_logged_in(orchestrator), 60)
    says(page, "Overlay on version 1")
    reset(page)
    wait_for(lambda: disk_is_ready(orchestrator), 60)
    disk.done(f"read -P {GOLDEN} 0 1M")
    publish(page, "the second")
    page.get_by_role("link", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    says(page, "golden stands on version 1 again.")
    expect(page.locator("tr", has=page.locator("#version-1"))).to_contain_text("current", timeout=WITHIN_MS)
    assert complaints.seen == []
