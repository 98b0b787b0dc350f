"""`python -m tests.browser.screenshots [NAME...]`: pictures of the real pages of a believable lab."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import django

import tests.early  # noqa: F401  # a database of its own, before Django's settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in this thread
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.test.testcases import LiveServerThread  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402

from bootflow import pi_overview  # noqa: E402
from bootflow.lists import keep_list  # noqa: E402
from bootflow.models import Boot, Outcome  # noqa: E402
from bootflow.raspberry_pi.waiting.outlook import WaitingSystem  # noqa: E402
from bootflow.views import network as network_pages  # noqa: E402
from devices.models import Device  # noqa: E402
from netboot_site import service_states  # noqa: E402
from netboot_site.doctor.doctor import local_doctor  # noqa: E402
from netboot_site.health import HEALTHY  # noqa: E402
from tests.browser import believable_doctor, believable_network  # noqa: E402
from tests.browser.believable import PASSWORD, fill, mac_of  # noqa: E402
from tests.browser.chromium import chromium, sign_in  # noqa: E402

FOLDER = Path(settings.BASE_PATH) / "docs" / "screenshots"
DESKTOP = {"width": 1360, "height": 980}
PHONE = {"width": 390, "height": 844}
WAITING = WaitingSystem(FOLDER, ("Raspberry Pi 3", "Raspberry Pi 3+", "Raspberry Pi 4", "Raspberry Pi 400"))


PROCESSES = ("boot", "dnsmasq", "storage-http")
WORKERS = ["worker-control", "worker-storage", "worker-jobs", "recorder", "tgtd"]


@contextmanager
def site() -> Iterator[str]:
    """The site on a free port, over an empty database of its own."""
    connection.creation.create_test_db(verbosity=0)
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    waiting = patch.object(pi_overview, "look_at_waiting_system", lambda: WAITING)
    storages = {**settings.STORAGES, "staticfiles": plain}
    running = patch.object(service_states, "check_processes", lambda: dict.fromkeys(PROCESSES, HEALTHY))
    host = patch.object(network_pages, "local_host", believable_network.Host)
    told = {"STORAGES": storages, "EXPECTED_SERVICES": WORKERS, **believable_network.SETTINGS}
    with waiting, running, host, override_settings(**told):
        server = LiveServerThread("127.0.0.1", StaticFilesHandler)
        server.start()
        server.is_ready.wait(20)
        if server.error:
            raise server.error
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.terminate()


def looked_at_list() -> str:
    """A list that somebody is about to import: two new rooms' worth, and a slip of the pen."""
    rows = [f"52:54:00:2b:00:{n:02x},lab2-{n:02},x64,Lab 2,debian-12-golden,overlay" for n in range(1, 9)]
    text = "\n".join(["mac,name,device_type,group,image,mode", *rows, "52:54:00:2b:00,lab2-09,x64,Lab 2,,"])
    return str(keep_list(file_name="lab2.csv", text=text, changes_known=False).pk)


def device_list_shots() -> dict[str, Callable[[], tuple[str, dict[str, int], str]]]:
    """The table of devices and what leads on from it."""
    return {
        "devices": lambda: ("/devices/", DESKTOP, "light"),
        "devices-dark": lambda: ("/devices/?sort=-last_boot_at", DESKTOP, "dark"),
        "devices-phone": lambda: ("/devices/", PHONE, "light"),
        "devices-delete": lambda: ("/devices/bulk/?action=delete&all=1&group=Lab+1", DESKTOP, "light"),
        "devices-import": lambda: (f"/devices/import/{looked_at_list()}/", DESKTOP, "light"),
        "groups": lambda: ("/groups/", DESKTOP, "light"),
    }


def boot_shots(pi: str) -> dict[str, Callable[[], tuple[str, dict[str, int], str]]]:
    """Of single boots, one of them of a Raspberry Pi."""
    found = {
        "done": Boot.objects.filter(outcome=Outcome.OK, mac=mac_of(2)).first(),
        "pi": Boot.objects.filter(outcome=Outcome.OK, mac=pi).first(),
        "failed": Boot.objects.filter(outcome=Outcome.FAILED, mac=mac_of(6)).first(),
        "running": Boot.objects.filter(outcome="", mac=mac_of(11)).first(),
    }
    at = {name: f"/boots/{boot.pk}/" for name, boot in found.items() if boot is not None}
    return {
        "boot": lambda: (at["done"], DESKTOP, "light"),
        "boot-dark": lambda: (at["done"], DESKTOP, "dark"),
        "boot-phone": lambda: (at["done"], PHONE, "light"),
        "boot-failed": lambda: (at["failed"], DESKTOP, "light"),
        "boot-running": lambda: (at["running"], DESKTOP, "light"),
        "pi-boot": lambda: (at["pi"], DESKTOP, "light"),
        "pi-boot-dark": lambda: (at["pi"], DESKTOP, "dark"),
    }


def further_shots() -> dict[str, Callable[[], tuple[str, dict[str, int], str]]]:
    """The pages behind those of the first row."""
    device = f"/devices/{mac_of(2)}"
    paths = {
        "device-boots": f"{device}/boots/",
        "device-identity": f"{device}/identity/",
        "device-power": f"{device}/power/",
        "device-history": f"{device}/history/",
        "device-new": "/devices/new/",
        "ignored": "/devices/ignored/",
        "version": "/images/debian-12-golden/versions/4/",
        "image-publish": "/images/debian-12-golden/publish/",
        "kernel-set-new": "/kernel-sets/_new/",
        "installer-new": "/installers/_new/",
        "pi-mac-prefixes": "/pi-mac-prefixes/",
        "admin": "/admin/",
    }
    return {
        name: functools.partial(lambda path: (path, DESKTOP, "light"), path) for name, path in paths.items()
    }


def shots() -> dict[str, Callable[[], tuple[str, dict[str, int], str]]]:
    """Name -> address, window and colours, asked for when rows are there."""
    pi = Device.objects.get(name="signage-entrance")
    return {
        "dashboard": lambda: ("/", DESKTOP, "light"),
        "dashboard-dark": lambda: ("/", DESKTOP, "dark"),
        "phone": lambda: ("/", PHONE, "light"),
        **device_list_shots(),
        **boot_shots(pi.mac),
        **further_shots(),
        "network": lambda: ("/network/", DESKTOP, "light"),
        "device": lambda: (f"/devices/{mac_of(2)}/", DESKTOP, "light"),
        "wizard": lambda: ("/devices/wizard/", DESKTOP, "light"),
        "wizard-dark": lambda: ("/devices/wizard/", DESKTOP, "dark"),
        "wizard-phone": lambda: ("/devices/wizard/", PHONE, "light"),
        "image": lambda: ("/images/debian-12-golden/", DESKTOP, "light"),
        "image-versions": lambda: ("/images/debian-12-golden/#versions-title", DESKTOP, "light"),
        "image-dark": lambda: ("/images/debian-12-golden/", DESKTOP, "dark"),
        "image-new": lambda: ("/images/_new/", DESKTOP, "light"),
        "storage": lambda: ("/storage/", DESKTOP, "light"),
        "images": lambda: ("/images/", DESKTOP, "light"),
        "disks": lambda: ("/disks/", DESKTOP, "light"),
        "jobs": lambda: ("/jobs/", DESKTOP, "light"),
        "installers": lambda: ("/installers/", DESKTOP, "light"),
        "installer": lambda: ("/installers/debian-12-netinst/", DESKTOP, "light"),
        "boots": lambda: ("/boots/", DESKTOP, "light"),
        "boots-phone": lambda: ("/boots/", PHONE, "light"),
        "pi": lambda: (f"/devices/{pi.mac}/", DESKTOP, "light"),
        "device-preview": lambda: (f"/devices/{mac_of(2)}/preview/", DESKTOP, "light"),
        "device-disk": lambda: (f"/devices/{mac_of(2)}/disk/", DESKTOP, "light"),
        "device-dark": lambda: (f"/devices/{mac_of(2)}/", DESKTOP, "dark"),
        "device-phone": lambda: (f"/devices/{mac_of(2)}/preview/", PHONE, "light"),
        "kernel-sets": lambda: ("/kernel-sets/", DESKTOP, "light"),
        "kernel-set": lambda: ("/kernel-sets/rpi-6.6/", DESKTOP, "light"),
        "doctor": lambda: ("/doctor/", DESKTOP, "light"),
        "doctor-dark": lambda: ("/doctor/", DESKTOP, "dark"),
        "doctor-phone": lambda: ("/doctor/", PHONE, "light"),
        "login": lambda: ("/login/", DESKTOP, "light"),
    }


def shoot(browser: Browser, base: str, name: str, path: str, window: dict[str, int], colours: str) -> None:
    """One picture."""
    page = browser.new_page(viewport=window, color_scheme=colours)  # type: ignore[arg-type]
    if path != "/login/":
        sign_in(page, base, "admin", PASSWORD)
    page.goto(base + path)
    page.wait_for_timeout(400)
    save(page, FOLDER / f"{name}.png")
    page.close()


def save(page: Page, path: Path) -> None:
    """The page's upper part, as a file of a size that a repository can bear."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, animations="disabled")
    sys.stdout.write(f"{path.name} {path.stat().st_size}\n")


def main(names: list[str]) -> None:
    """All pictures, or those named."""
    with site() as base, chromium() as browser:
        if not names or "first-start" in names:
            first = User.objects.create_superuser("admin", password=PASSWORD)
            shoot(browser, base, "first-start", "/", DESKTOP, "light")
            first.delete()
        fill()
        local_doctor._examine = believable_doctor.examine
        local_doctor.fresh()
        for name, where in shots().items():
            if not names or name in names:
                shoot(browser, base, name, *where())


if __name__ == "__main__":
    main(sys.argv[1:])
