"""A person's morning at the dashboard: a real browser, a running orchestrator, a virtual PC."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.bootflow.dhcp_lab import Client, fetch, ip
from tests.bootflow.dhcp_lab import Wire as Cable
from tests.bootflow.test_dnsmasq_answers import pxe
from tests.browser.chromium import EXECUTABLE, Complaints, chromium, sign_in
from tests.system.boots.conftest import SERVER_MODE
from tests.system.boots.pc import BOOT_WITHIN_SECONDS, Pc, make_image
from tests.system.disks import Disk, sql
from tests.system.instance import Instance, Wire, wait_for

pytestmark = [
    pytest.mark.slow, pytest.mark.chromium, pytest.mark.real_tgtd, pytest.mark.qemu, pytest.mark.real_dnsmasq,
]  # fmt: skip
SILENT_MAC = "52:54:00:77:01:09"  # of a machine that fetches its loader and is never heard of again
CLIENTS = "nb-story-pcs"
MAC, OTHER_MAC = "52:54:00:77:01:01", "52:54:00:77:01:03"
MIB = 1024**2
DISK_BYTES = 256 * MIB
WITHIN_MS = 60_000
GOLDEN, CHANGED = 0x11, 0x5A
SEEN = "sleep 8000"  # milliseconds; a shorter login ends between two looks of the worker


@pytest.fixture(scope="module")
def orchestrator(wire: Wire, folder: Path) -> Iterator[Instance]:
    """It gives addresses: a firmware asks nobody else here."""
    with Instance(wire, folder / "data", SERVER_MODE) as instance:
        yield instance


@pytest.fixture(scope="module", autouse=True)
def silent_machine(orchestrator: Instance) -> Iterator[None]:
    """A PC that reached TFTP and nothing after it; half a minute later that is a failed boot."""
    wire = orchestrator.wire
    ip("netns", "add", CLIENTS)
    try:
        veth = f"link add nbstory0 type veth peer name eth0 netns {CLIENTS}"
        ip("-n", wire.namespace, *veth.split())
        ip("-n", wire.namespace, "link", "set", "nbstory0", "master", wire.bridge, "up")
        ip("-n", CLIENTS, "link", "set", "eth0", "up")
        cable, pc = Cable(CLIENTS, "eth0"), Client(SILENT_MAC, pxe(7), 7)
        offer = cable.discover(pc)
        assert offer is not None, "no offer"
        assert cable.request(pc, offer.yiaddr) is not None
        ip("-n", CLIENTS, "address", "replace", f"{offer.yiaddr}/24", "dev", "eth0")
        assert len(fetch(CLIENTS, "snponly.efi")) > 50_000
        yield
    finally:
        ip("netns", "delete", CLIENTS)


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
    bar = page.get_by_role("progressbar", name="Upload")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[1-9]"), timeout=WITHIN_MS)
    expect(page.get_by_role("heading", name="golden", exact=True)).to_be_visible(timeout=WITHIN_MS)
    says(page, "Ready")


def publish(page: Page, comment: str) -> None:
    page.get_by_role("link", name="Publish").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Comment").fill(comment)
    dialog.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("link", name=comment)).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_text("Being published")).not_to_be_visible(timeout=WITHIN_MS)


@pytest.fixture
def navigations(page: Page) -> list[str]:
    """Every address that the page's own frame went to from now on."""
    seen: list[str] = []
    page.on("framenavigated", lambda frame: seen.append(frame.url) if frame == page.main_frame else None)
    return seen


def stages_done(page: Page) -> list[str]:
    """What the dashboard's track of the boot in progress shows as reached."""
    reached = page.locator(".running", has_text="lab1-02").locator(
        ".track-done .track-label, .track-now .track-label"
    )
    return reached.all_text_contents()


def watch_stages(page: Page, is_over: Callable[[], bool]) -> list[str]:
    """Each stage in the order in which it came into view."""
    seen: list[str] = []
    deadline = time.monotonic() + BOOT_WITHIN_SECONDS
    while not is_over():
        assert time.monotonic() < deadline, f"the boot did not end; seen so far: {seen}"
        seen += [stage for stage in stages_done(page) if stage not in seen]
        page.wait_for_timeout(300)
    return seen


def test_a_pc_that_is_powered_on_appears_is_approved_and_boots_without_a_reload(
    page: Page, orchestrator: Instance, folder: Path, navigations: list[str]
) -> None:
    complaints = Complaints()
    complaints.listen_to(page)
    make_image(orchestrator, "debian", folder)
    pc = Pc.plug(orchestrator, folder, 31)
    pc.machine.power_on()
    try:
        card = page.locator(".waiting-device", has_text=pc.mac)
        expect(card).to_be_visible(timeout=90_000)
        card.get_by_role("link", name="Approve").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("lab1-02")
        dialog.get_by_label("Disk").select_option("debian")
        dialog.get_by_role("button", name="Approve").click()
        says(page, "lab1-02 is approved and boots now.")
        seen = watch_stages(page, lambda: pc.boots()[0]["outcome"] == "ok")
        last = page.locator("section", has=page.locator("#last-title"))
        expect(last.get_by_role("row", name="lab1-02").first).to_contain_text("Booted", timeout=WITHIN_MS)
        reached = last.get_by_role("row", name="lab1-02").first.locator(".dots")
        expect(reached).to_have_attribute("aria-label", re.compile("Script.*iSCSI.*OS"))
    finally:
        pc.leave()
    assert seen == sorted(seen, key=["Firmware", "DHCP", "TFTP", "Script", "iSCSI", "OS"].index), seen
    assert len(seen) > 1, f"the dashboard showed no more than {seen}"  # it looks every five seconds
    assert navigations == [], "the page was loaded again"
    assert complaints.seen == []


def test_a_boot_that_failed_stands_on_the_dashboard_with_its_reason(
    page: Page, orchestrator: Instance
) -> None:
    reason = "the machine reached TFTP but not HTTP port 8080"
    failures = page.locator("section", has=page.locator("#failures-title"))
    expect(failures.get_by_text(reason)).to_be_visible(timeout=WITHIN_MS)
    failures.get_by_role("link", name=SILENT_MAC).click()
    says(page, reason)


def assign_in_bulk(page: Page, base: str, names: list[str]) -> None:
    """Overlays of the golden image, from the table of devices."""
    page.goto(f"{base}/devices/")
    for name in names:
        page.get_by_role("checkbox", name=f"Select {name}").check()
    page.get_by_role("button", name="Assign", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("list", name="Devices").get_by_role("listitem")).to_have_text(names)
    dialog.get_by_label("Disk").select_option(label="Overlay of golden")
    dialog.get_by_role("button", name="Assign").click()
    says(page, "2 devices are")
    expect(dialog).not_to_be_visible()


def disk_is_ready(orchestrator: Instance) -> bool:
    answer = orchestrator.api("GET", f"/api/v1/devices/{MAC}/disk")
    return bool(answer.json.get("state") == "ready")


def nobody_is_logged_in(orchestrator: Instance) -> bool:
    return sql(orchestrator, "select count(*) from images_session where ended_at is null") == ["0"]


def reset(page: Page) -> None:
    page.get_by_role("row", name="lab1-01").get_by_role("link", name="Reset").click()
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
    for name, mac in (("lab1-01", MAC), ("lab1-03", OTHER_MAC)):
        body = {"mac": mac, "device_type": "x64", "name": name}
        assert orchestrator.api("POST", "/api/v1/devices", body).status == 201
    assign_in_bulk(page, base_of(orchestrator), ["lab1-01", "lab1-03"])
    page.goto(f"{base_of(orchestrator)}/images/golden/")
    says(page, "Overlay on version 1")
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
