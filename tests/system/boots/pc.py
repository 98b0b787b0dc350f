"""Virtual PCs on a test's wire, their disks, and what the orchestrator says of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netboot_site.demo.disk import GuestOptions, build_disk, read_root_file
from netboot_site.demo.machine import Hardware, Machine
from netboot_site.demo.netns import Namespace
from netboot_site.demo.packages import CACHE_PATH
from tests.system.disks import hang_up
from tests.system.instance import Instance

UP = "netboot-demo: root is on iSCSI"
BOOT_WITHIN_SECONDS = 150.0  # under emulation, on two cores that daemons and other tests use too
DEAD_PROMPTS = ("iPXE>", "grub rescue>", "grub>", "Shell>", "Kernel panic")


def wait_until(what: str, seen: Callable[[], Any], seconds: float) -> Any:
    """The first truth that `seen` returns; fails with what was waited for."""
    deadline = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return found


@dataclass
class Pc:
    """A virtual PC on the orchestrator's wire."""

    instance: Instance
    machine: Machine

    @classmethod
    def plug(cls, instance: Instance, folder: Path, number: int, firmware: str = "bios") -> Pc:
        """Plug a new one into the wire; it is off."""
        tap = f"nbtap{number}"
        namespace = Namespace(instance.wire.namespace)
        namespace.add_tap(tap, bridge=instance.wire.bridge)
        mac = f"52:54:00:0b:00:{number:02x}"
        hardware = Hardware(mac, tap, firmware, product=f"Test PC {number}", serial_number=f"SN{number}")
        return cls(instance, Machine(hardware, namespace, folder / f"pc{number}"))

    @property
    def mac(self) -> str:
        return self.machine.hardware.mac

    def leave(self) -> None:
        """Pull its plug; its connections end at once, where tgtd would notice after 20 s by its own pings."""
        self.machine.power_off()
        hang_up(self.instance, f"device.{self.mac.replace(':', '')}")

    def wait_for(self, text: str, seconds: float = BOOT_WITHIN_SECONDS) -> str:
        """Its console once the text stands there; a dead prompt on the way is a failure."""
        console = self.machine.wait_for(text, timeout_seconds=seconds)
        assert not [prompt for prompt in DEAD_PROMPTS if prompt in console], console
        return console

    def last_record(self) -> int:
        """The number of the last record whose write its disk has acknowledged."""
        told = re.findall(r"^netboot-demo: record (\d+)$", self.machine.console(), re.MULTILINE)
        return int(told[-1]) if told else 0

    def boots(self) -> list[dict[str, Any]]:
        """Newest first."""
        answer = self.instance.api("GET", f"/api/v1/devices/{self.mac}/boots")
        assert answer.status == 200, answer.text
        return list(answer.json)

    def finished_boot(self, outcome: str, seconds: float = 40) -> dict[str, Any]:
        """Its newest boot, once it has this outcome."""
        deadline = time.monotonic() + seconds
        while not (found := self.boots()) or found[0]["outcome"] != outcome:
            assert time.monotonic() < deadline, f"{self.mac} has no boot that is {outcome}: {found[:2]}"
            time.sleep(0.2)
        return found[0]

    def unknown(self) -> dict[str, Any] | None:
        """Its row among the unknown devices."""
        answer = self.instance.api("GET", "/api/v1/unknown-devices")
        assert answer.status == 200, answer.text
        return next((row for row in answer.json if row["mac"] == self.mac), None)

    def device(self) -> dict[str, Any]:
        return dict(self.instance.api("GET", f"/api/v1/devices/{self.mac}").json)

    def register(self, image: str | None = None, **more: Any) -> None:
        body = {"mac": self.mac, "device_type": "x64", "name": f"PC {self.mac[-2:]}", "image_id": image}
        answer = self.instance.api("POST", "/api/v1/devices", body | more)
        assert answer.status == 201, answer.text


def make_image(instance: Instance, image: str, folder: Path, options: GuestOptions | None = None) -> None:
    """Create an image with the guest's disk as its content."""
    disk = folder / f"{image}.raw"
    build_disk(disk, CACHE_PATH, options)
    content = disk.read_bytes()
    body = {"id": image, "name": image, "size_gb": len(content) / 1024**3, "device_type": "x64"}
    answer = instance.api("POST", "/api/v1/images", body)
    assert answer.status == 201, answer.text
    answer = instance.http(
        "PUT",
        f"/api/v1/images/{image}/content",
        content,
        timeout=60,
        Authorization=f"Bearer {instance.token}",
    )
    assert answer.status == 202, answer.text
    state = lambda: instance.api("GET", f"/api/v1/images/{image}").json  # noqa: E731
    wait_until(f"the image is ready: {state()}", lambda: state()["state"] == "ready", 30)


def disk_file(instance: Instance, image: str) -> Path:
    """The image's head on the storage node."""
    heads = sorted((instance.data_path / "images" / image).glob("head-*.raw"))
    assert len(heads) == 1, heads
    return heads[0]


def read_from_disk(instance: Instance, image: str, name: str, work: Path) -> str:
    """A file that a guest wrote to its iSCSI disk, read from the image itself."""
    return read_root_file(disk_file(instance, image), name, work)
