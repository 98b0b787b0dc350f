"""Overlays in a running orchestrator: machines that follow their boot script to the letter, without firmware.

Each has its own address on the wire; it does what the script says: waits, asks again, logs in with the
script's account to the script's target. Tests of whole virtual machines are in tests/system/boots.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.system.instance import Instance, Wire, run, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.real_tgtd, pytest.mark.real_qemu_storage]
SIZE_GIB = 8
BOOT_WITHIN_SECONDS = 40.0  # two cores that other tests use too; tgtd gives a dead session up after 15 s
BLOCK = 4096


@dataclass
class Machine:
    """A network card on the wire, and what its firmware would do."""

    wire: Wire
    number: int
    waits: list[str] = field(default_factory=list)

    @property
    def mac(self) -> str:
        return f"52:54:00:77:00:{self.number:02x}"

    @property
    def namespace(self) -> str:
        return f"{self.wire.namespace}-m{self.number}"

    def plug_in(self) -> None:
        card = f"m{self.number}"
        run("ip", "netns", "add", self.namespace)
        inside = self.wire.inside
        run(
            *inside(
                "ip", "link", "add", card, "type", "veth", "peer", "name", "eth0", "netns", self.namespace
            )
        )
        run(*inside("ip", "link", "set", card, "master", self.wire.bridge, "up"))
        for words in (
            f"link set eth0 address {self.mac}", "link set lo up", "link set eth0 up",
            f"addr add 10.66.0.{100 + self.number}/24 dev eth0",
        ):  # fmt: skip
            run("ip", "-n", self.namespace, *words.split())

    def unplug(self) -> None:
        run("ip", "netns", "delete", self.namespace)

    def command(self, *argv: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self.namespace}", "--", *argv]

    def ask(self, retry: int) -> str:
        url = f"http://{self.wire.address}:8080/boot/script?retry={retry}&mac={self.mac.replace(':', '')}"
        return run(*self.command("curl", "-sS", "--max-time", "20", url))

    def boot(self) -> Disk:
        """Power on: until the script says sanboot."""
        self.waits = []
        deadline, retry = time.monotonic() + BOOT_WITHIN_SECONDS, 0
        while "sanboot iscsi:" not in (script := self.ask(retry)):
            self.waits += re.findall(r"^echo Disk (.*)$", script, re.MULTILINE)
            assert time.monotonic() < deadline, f"no disk yet: {self.waits[-3:]}\n{script}"
            pause = re.search(r"prompt --timeout (\d+) ", script)
            assert pause, script
            time.sleep(int(pause.group(1)) / 1000)
            retry += 1
        return Disk(self, script)


class Disk:
    """What a script gives access to."""

    def __init__(self, machine: Machine, script: str) -> None:
        words = dict(re.findall(r"^set (initiator-iqn|username|password) (\S+)$", script, re.MULTILINE))
        uri = re.search(r"^sanboot iscsi:([\d.]+)::(\d*):1:(\S+) ", script, re.MULTILINE)
        assert uri, script
        portal = f"{uri.group(1)}:{uri.group(2) or 3260}"
        options = (
            f"driver=raw,file.driver=iscsi,file.transport=tcp,file.portal={portal},file.target={uri.group(3)},"
            f"file.lun=1,file.user={words['username']},file.password-secret=chap,"
            f"file.initiator-name={words['initiator-iqn']}"
        )
        secret = f"secret,id=chap,data={words['password']}"
        self.argv = machine.command("qemu-io", "--object", secret, "--image-opts", options)

    def do(self, *commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        done = subprocess.run([*self.argv, *words], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    def write(self, sign: int, block: int) -> None:
        said = self.do(f"write -P {sign} {block * BLOCK} {BLOCK}", "flush")
        assert f"wrote {BLOCK}/{BLOCK}" in said, said

    def holds(self, sign: int, block: int) -> bool:
        said = self.do(f"read -P {sign} {block * BLOCK} {BLOCK}")
        assert f"read {BLOCK}/{BLOCK}" in said, said
        return "Pattern verification failed" not in said


@pytest.fixture(scope="module")
def machines(wire: Wire) -> Iterator[list[Machine]]:
    made = [Machine(wire, number) for number in range(1, 4)]
    for machine in made:
        machine.plug_in()
    yield made
    for machine in made:
        machine.unplug()


@pytest.fixture
def api(orchestrator: Instance) -> Callable[..., Any]:
    def call(method: str, path: str, body: Any = None, status: tuple[int, ...] = (200, 201, 202, 204)) -> Any:
        answer = orchestrator.api(method, f"/api/v1{path}", body)
        assert answer.status in status, f"{method} {path}: {answer.status} {answer.text}"
        return answer.json if answer.body else None

    return call


def register(api: Callable[..., Any], machine: Machine, image: str, query: str) -> None:
    """Enroll it and give it a disk, in place of any that it had."""
    path = f"/devices/{machine.mac}"
    api("DELETE", path, status=(204, 404))
    api("POST", "/devices", {"mac": machine.mac, "device_type": "x64", "name": f"pc-{machine.number}"})
    api("PUT", f"/images/{image}/assign?mac={machine.mac}&{query}")


def version_state(api: Callable[..., Any], image: str, number: int) -> str:
    return str({one["number"]: one["state"] for one in api("GET", f"/images/{image}/versions")}[number])


def nobody_is_logged_in(orchestrator: Instance) -> bool:
    bearer = {"Authorization": f"Bearer {orchestrator.token}"}
    return "\nnetboot_iscsi_sessions 0.0\n" in orchestrator.http("GET", "/metrics", **bearer).text


def golden(api: Callable[..., Any], machine: Machine, image: str) -> None:
    """An image whose version 1 holds the sign 17 in its block 0, written by a machine."""
    api("POST", "/images", {"id": image, "name": image, "size_gb": SIZE_GIB, "device_type": "x64"})
    wait_for(lambda: api("GET", f"/images/{image}")["state"] == "ready", 30)
    register(api, machine, image, "mode=exclusive")
    machine.boot().write(17, 0)
    api("POST", f"/images/{image}/versions", {"comment": "golden"})
    wait_for(lambda: version_state(api, image, 1) == "ready", 30)


def test_reset_is_clean_after_the_next_boot_and_keep_is_not(
    orchestrator: Instance, api: Callable[..., Any], machines: list[Machine]
) -> None:
    golden(api, machines[0], "lab")
    clean, keeps = machines[1], machines[2]
    register(api, clean, "lab", "mode=overlay&persistence=reset")
    register(api, keeps, "lab", "mode=overlay&persistence=keep")
    disks = [machine.boot() for machine in (clean, keeps)]
    for disk in disks:
        assert disk.holds(17, 0), "both read the version"
        disk.write(34, 1)
        assert disk.holds(34, 1)
    wait_for(lambda: nobody_is_logged_in(orchestrator), 20)
    again = clean.boot()
    assert "lab: Its disk is being reset." in clean.waits, clean.waits
    assert again.holds(0, 1), "its writes are gone"
    assert again.holds(17, 0)
    kept = keeps.boot()
    assert keeps.waits == [], "it boots straight away"
    assert kept.holds(34, 1)
    shown = api("GET", f"/devices/{keeps.mac}/disk")
    assert (shown["version"], shown["persistence"], shown["kept"]) == (1, "keep", [])


def test_an_overlay_moves_to_a_new_version_at_its_boot_and_its_changes_come_back_on_request(
    orchestrator: Instance, api: Callable[..., Any], machines: list[Machine]
) -> None:
    writer, follower = machines[0], machines[2]
    golden(api, writer, "moving")
    register(api, follower, "moving", "mode=overlay&persistence=keep&version=latest")
    follower.boot().write(51, 2)
    wait_for(lambda: api("GET", f"/devices/{follower.mac}/disk")["used_bytes"] is not None, 20)
    writer.boot().write(68, 3)
    api("POST", "/images/moving/versions", {"comment": "second"})
    wait_for(lambda: version_state(api, "moving", 2) == "ready", 30)
    wait_for(lambda: api("GET", f"/devices/{follower.mac}/disk")["stale"], 20)
    wait_for(lambda: nobody_is_logged_in(orchestrator), 20)  # a boot refreshes no disk that is in use
    moved = follower.boot()
    assert any("Its disk is moving to version 2." in why for why in follower.waits), follower.waits
    assert moved.holds(68, 3)
    assert moved.holds(0, 2)
    (kept,) = api("GET", f"/devices/{follower.mac}/disk")["kept"]
    assert kept["version"] == 1
    path = f"/devices/{follower.mac}/disk/kept/{kept['number']}/restore"
    wait_for(lambda: "mac" in api("POST", path, status=(200, 409)), 20)
    back = follower.boot()
    assert back.holds(51, 2)
    assert back.holds(0, 3), "it is on version 1 again"


def test_one_machines_changes_become_the_next_version_that_another_boots(
    api: Callable[..., Any], machines: list[Machine]
) -> None:
    golden(api, machines[0], "merging")
    author, reader = machines[1], machines[2]
    for machine in (author, reader):
        register(api, machine, "merging", "mode=overlay&persistence=reset")
    author.boot().write(85, 4)
    reader.boot()
    merge = f"/devices/{author.mac}/disk/merge"
    wait_for(lambda: "number" in api("POST", merge, {"comment": "pc-2"}, status=(200, 409)), 20)
    wait_for(lambda: version_state(api, "merging", 2) == "ready", 30)
    wait_for(lambda: api("GET", f"/devices/{reader.mac}/disk")["stale"], 20)
    disk = reader.boot()
    assert disk.holds(85, 4)
    assert disk.holds(17, 0)
    assert api("GET", "/images/merging")["versions"][0]["created_by"] == "admin"


def test_roll_back_and_clone_stand_on_the_version_and_take_no_room(
    api: Callable[..., Any], machines: list[Machine]
) -> None:
    machine = machines[0]
    golden(api, machine, "older")
    machine.boot().write(99, 0)
    rollback = {"version": 1}
    wait_for(lambda: "id" in api("POST", "/images/older/rollback", rollback, status=(200, 409)), 20)
    assert machine.boot().holds(17, 0), "what was written since is gone"
    api("POST", "/images/older/clone", {"id": "younger", "name": "Younger", "version": 1})
    wait_for(lambda: api("GET", "/images/younger")["state"] == "ready", 30)
    register(api, machines[1], "younger", "mode=exclusive")
    clone = machines[1].boot()
    assert clone.holds(17, 0)
    clone.write(102, 0)
    assert machine.boot().holds(17, 0), "the original is untouched"
    assert api("GET", "/images/younger")["used_bytes"] < 64 * 2**20
