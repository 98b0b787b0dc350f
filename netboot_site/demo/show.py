"""`make demo`: boots a virtual PC against the running orchestrator, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError

from bootflow.models import BootNetwork
from netboot_site.auth import create_token
from netboot_site.demo import private_network
from netboot_site.demo.client import Client
from netboot_site.demo.disk import DISK_BYTES, GuestOptions, build_disk
from netboot_site.demo.machine import Hardware, Machine
from netboot_site.demo.packages import CACHE_PATH
from netboot_site.demo.stages import Story, summary
from netboot_site.errors import ConflictError, NotFoundError, UnavailableError
from netboot_site.formats import GIB
from netboot_site.models import ApiToken
from netboot_site.runtime import instance_lock

Say = Callable[[str], None]
MAC = "52:54:00:de:30:01"  # 52:54:00 is QEMU's; this one is the demonstration's own
IMAGE = "nbdemo"
NAME = "Demonstration"
_NEEDED = ["qemu-system-x86_64", "grub-mkimage", "mformat", "mke2fs", "busybox", "setpriv", "nsenter"]
_BOOT_SECONDS = 120.0
_SESSION_END_SECONDS = 40.0  # tgtd drops a session after three unanswered probes, 5 s apart
_POLL_SECONDS = 0.3
_BAR = 30


def check_conditions() -> None:
    """Raises UnavailableError with what a person has to do first."""
    if os.geteuid() != 0:
        raise UnavailableError("The demonstration makes a private network: run it as root.")
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        raise UnavailableError(f"Not installed: {', '.join(missing)}; `make demo` installs what it needs.")
    if instance_lock.holder(settings.DATA_PATH) is None:
        raise UnavailableError("The orchestrator does not run on this DATA_PATH: start it with `make up`.")


class Show:
    """One demonstration, from the empty wire to the summary."""

    def __init__(self, say: Say, client: Client, folder: Path) -> None:
        self._say = say
        self._client = client
        self._folder = folder
        self._story = Story()
        self._machine = Machine(
            Hardware(MAC, private_network.TAP, product="Demonstration PC"), private_network.NAMESPACE, folder
        )

    def run(self) -> None:
        """All of it. Raises OrchestratorError; what was made is removed in any case."""
        started = monotonic()
        self._expect_health()
        self.clean_up()
        try:
            self._prepare()
            boot = self._boot()
        finally:
            self._say("Removing the virtual PC, its device, its image and its network ...")
            self.clean_up()
        for line in summary(boot, total_seconds=monotonic() - started):
            self._say(line)

    def _expect_health(self) -> None:
        health = self._client.health()
        if health != "healthy":
            raise UnavailableError(f"The orchestrator is not healthy: {health}")

    def _prepare(self) -> None:
        disk = self._folder / "disk.raw"
        self._say("Building a small disk: GRUB, Debian's kernel, busybox ...")
        build_disk(disk, CACHE_PATH, GuestOptions(boot_http_port=settings.BOOT_HTTP_PORT))
        self._say(f"Creating the image {IMAGE} and uploading {DISK_BYTES // 2**20} MiB ...")
        size = {"size_gb": DISK_BYTES / GIB, "device_type": "x64"}
        self._client.call("POST", "/api/v1/images", {"id": IMAGE, "name": NAME, **size})
        self._client.upload(f"/api/v1/images/{IMAGE}/content", disk, progress_bar(self._say))
        self._wait("the image is ready", lambda: self._image()["state"] == "ready", 60)
        network = private_network.free_network(private_network.reached_networks())
        self._say(f"Making a private network, {network}, that dnsmasq serves ...")
        private_network.build(network)
        add_boot_network(network)
        config = settings.DNSMASQ_PATH / "dnsmasq.conf"
        served = f"interface={private_network.INTERFACE}\n"
        self._wait("dnsmasq serves it", lambda: served in _text(config), 30)

    def _boot(self) -> dict[str, Any]:
        self._say(f"Power on: a virtual PC (BIOS, no hardware virtualisation), {MAC}.")
        self._machine.power_on()
        self._wait("it appears among the unknown devices", self._is_unknown, _BOOT_SECONDS)
        self._say("It waits among the unknown devices. Approving it, with the image ...")
        approval = {"name": f"{NAME} PC", "device_type": "x64", "image_id": IMAGE}
        self._client.call("POST", f"/api/v1/unknown-devices/{MAC}/approve", approval)
        self._wait("its system is up", self._is_up, _BOOT_SECONDS)
        said = [
            line for line in self._machine.console().splitlines() if line.startswith("netboot-demo: root")
        ]
        self._say(f"The PC says: {said[-1].partition(': ')[2]}")
        return self._newest_boot()

    def _is_unknown(self) -> bool:
        return any(device["mac"] == MAC for device in self._client.call("GET", "/api/v1/unknown-devices"))

    def _is_up(self) -> bool:
        boot = self._newest_boot()
        for line in self._story.news(boot):
            self._say(line)
        console = self._machine.console()
        return "netboot-demo: root is on iSCSI" in console and boot["outcome"] == "ok"

    def _newest_boot(self) -> dict[str, Any]:
        boots = self._client.call("GET", f"/api/v1/devices/{MAC}/boots?limit=1")
        if not boots:
            return {"id": 0, "events": [], "outcome": "", "own_seconds": 0.0}
        newest: dict[str, Any] = boots[0]
        return newest

    def _image(self) -> dict[str, Any]:
        image: dict[str, Any] = self._client.call("GET", f"/api/v1/images/{IMAGE}")
        return image

    def _wait(self, what: str, seen: Callable[[], bool], seconds: float) -> None:
        deadline = monotonic() + seconds
        while not seen():
            if monotonic() > deadline:
                last = "\n".join(self._machine.console().splitlines()[-15:])
                raise UnavailableError(f"It took longer than {seconds:.0f} s until {what}.\n{last}".strip())
            sleep(_POLL_SECONDS)

    def clean_up(self) -> None:
        """Remove all that a demonstration makes, this one or one that was killed."""
        self._machine.power_off()
        private_network.answer_for(MAC)
        self._wait("its disk is free again", self._remove_device, _SESSION_END_SECONDS)
        private_network.remove()
        BootNetwork.objects.filter(interface=private_network.INTERFACE).delete()
        for path in (f"/api/v1/unknown-devices/{MAC}", f"/api/v1/images/{IMAGE}"):
            with suppress(NotFoundError):
                self._client.call("DELETE", path)

    def _remove_device(self) -> bool:
        """False while the target server still holds the session of the PC that has lost its power."""
        try:
            self._client.call("DELETE", f"/api/v1/devices/{MAC}")
        except NotFoundError:
            return True
        except ConflictError:
            return False
        return True


def add_boot_network(network: IPv4Network) -> None:
    """Have dnsmasq serve the demonstration's wire; its converger picks the row up."""
    BootNetwork.objects.create(
        interface=private_network.INTERFACE,
        address=str(network.network_address + 1),
        prefix_length=network.prefixlen,
        first_address=str(network.network_address + 100),
        last_address=str(network.network_address + 150),
    )


def progress_bar(say: Say) -> Callable[[int, int], None]:
    """A bar on a terminal; elsewhere a line at its end."""

    def show(sent: int, size: int) -> None:
        if sys.stdout.isatty():
            done = _BAR * sent // size
            end = "\n" if sent == size else ""
            sys.stdout.write(f"\r  [{'#' * done}{'.' * (_BAR - done)}] {100 * sent // size:3d} %{end}")
            sys.stdout.flush()
        elif sent == size:
            say("  uploaded.")

    return show


@contextmanager
def short_lived_client() -> Iterator[Client]:
    """A client with a token that ends with the demonstration. Raises UnavailableError without a person."""
    name = "make demo"
    ApiToken.objects.filter(name=name).delete()
    user = User.objects.filter(is_superuser=True, is_active=True).first()
    if user is None:
        raise UnavailableError("There is no administrator to act for: start the orchestrator once.")
    row, token = create_token(user=user, name=name, scope=ApiToken.Scope.FULL)
    host = "127.0.0.1" if settings.API_HOST in ("0.0.0.0", "::") else settings.API_HOST  # noqa: S104
    try:
        yield Client(host, settings.API_PORT, token)
    finally:
        row.delete()


def demonstrate(say: Say) -> None:
    """The whole demonstration. Raises OrchestratorError with a sentence for the person."""
    check_conditions()
    with tempfile.TemporaryDirectory(prefix="nbdemo-") as folder:
        try:
            with short_lived_client() as client:
                Show(say, client, Path(folder)).run()
        except DatabaseError as error:
            raise UnavailableError(f"The orchestrator's database does not answer: {error}") from error


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text()
    return ""
