"""A layer's process or tgtd dies, or the disk is full, while a machine writes: what it flushed is there."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from images import qemu_serving
from images.ports import Disk, LayerFile, Served
from images.qemu import QemuLayerStore
from images.qemu_notes import mounts_below
from netboot_site import processes
from tests.images.tgtd import PORTAL, Initiator, Namespace, Tgtd, wait_until

pytestmark = [pytest.mark.real_tgtd, pytest.mark.real_qemu_storage]
IQN = "iqn.2026-02.local.netboot:disk1.525400000007"
NAME = "iqn.2026-02.local.netboot:device.525400000007"
MIB = 1024 * 1024
SIZE = 64 * MIB
BLOCK = 4096
PATTERN = 0x5A


class Lab:
    """A base, layers over it, and a tgtd that exports what is served."""

    def __init__(self, folder: Path, tgtd: Tgtd) -> None:
        self.folder, self.tgtd = folder, tgtd
        self.store = QemuLayerStore(folder / "run")
        self.base = LayerFile(str(folder / "images" / "head-1.raw"), "raw")
        Path(self.base.path).parent.mkdir(exist_ok=True)
        with Path(self.base.path).open("wb") as file:
            file.truncate(SIZE)

    def layer(self, parent: LayerFile, number: int) -> LayerFile:
        path = self.folder / "images" / f"layer-{number}.qcow2"
        self.store.create(str(path), SIZE, parent)
        return LayerFile(str(path), "qcow2")

    def export(self, served: Served) -> None:
        """A target for it, as the converger makes one."""
        server = self.tgtd.server
        server.create_target(5, IQN)
        server.create_disk(5, 1, Disk(served.path, "NETBOOT", "disk1", "disk1", "disk1"))
        server.create_account("disk1.abcdef", "s" * 16)
        server.bind_account(5, "disk1.abcdef")
        server.allow(5, NAME)
        server.add_portal(PORTAL)

    def logins(self) -> list[str]:
        return [login.handle for target in self.tgtd.server.observe().targets for login in target.logins]

    def kill_server_of(self, name: str) -> None:
        process = qemu_serving.find(self.folder / "run" / name)
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        assert processes.wait_for_end(process, 10)


class Writer:
    """A machine that writes block after block through iSCSI and flushes each; it tells what succeeded."""

    def __init__(self, namespace: Namespace, blocks: int, first: int = 0) -> None:
        initiator = Initiator(namespace, NAME, IQN, "disk1.abcdef", "s" * 16)
        self.process = subprocess.Popen(
            initiator.io_argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.lines: list[str] = []
        commands = "".join(
            f"write -P {PATTERN} {block * BLOCK} {BLOCK}\nflush\n" for block in range(first, first + blocks)
        )
        self._threads = [
            threading.Thread(target=self._say, args=(commands,), daemon=True),
            threading.Thread(target=self._read, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _say(self, commands: str) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError), self.process.stdin as stdin:
            stdin.write(commands.encode())

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace"))

    def written(self) -> list[int]:
        """The blocks that were acknowledged; all but the last of them were flushed, too."""
        found = [re.search(r"wrote \d+/\d+ bytes at offset (\d+)", line) for line in list(self.lines)]
        return [int(match[1]) // BLOCK for match in found if match]

    def flushed(self) -> list[int]:
        return self.written()[:-1]

    def failed(self) -> bool:
        return any("failed" in line for line in list(self.lines))

    def wait_for(self, blocks: int) -> None:
        wait_until(lambda: len(self.written()) >= blocks, 60, f"{blocks} blocks were written: {self.lines}")

    def end(self) -> None:
        """As a machine's power is cut."""
        self.process.kill()
        self.process.wait(10)
        for thread in self._threads:
            thread.join(10)

    def finish(self) -> None:
        self.process.wait(120)
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def lab(tmp_path: Path, tgtd: Tgtd) -> Iterator[Lab]:
    made = Lab(tmp_path, tgtd)
    yield made
    qemu_serving.let_go_on(tmp_path / "run")
    tgtd.kill()
    qemu_serving.clear_all(tmp_path / "run")
    assert mounts_below(tmp_path / "run") == [], "the test left mounts"


@pytest.fixture
def layer(lab: Lab) -> LayerFile:
    return lab.layer(lab.base, 2)


@pytest.fixture
def served(lab: Lab, layer: LayerFile) -> Served:
    served = lab.store.serve("e1", [layer, lab.base])
    lab.export(served)
    return served


@pytest.fixture
def writers(namespace: Namespace) -> Iterator[list[Writer]]:
    started: list[Writer] = []
    yield started
    for writer in started:
        writer.end()


def missing(path: str, blocks: list[int]) -> list[int]:
    """Those of the blocks that do not hold the pattern."""
    with Path(path).open("rb", buffering=0) as file:
        return [b for b in blocks if os.pread(file.fileno(), BLOCK, b * BLOCK) != bytes([PATTERN]) * BLOCK]


def test_what_was_flushed_before_its_process_was_killed_is_there(
    lab: Lab, served: Served, layer: LayerFile, namespace: Namespace, writers: list[Writer]
) -> None:
    writer = Writer(namespace, 4000)
    writers.append(writer)
    writer.wait_for(100)
    lab.kill_server_of("e1")
    wait_until(writer.failed, 60, "the machine is told that its disk is gone")
    writer.end()
    again = lab.store.serve("e1", [layer, lab.base])
    assert missing(again.path, writer.flushed()) == []
    assert len(writer.flushed()) >= 99


def test_what_was_acknowledged_before_tgtd_was_killed_is_there(
    lab: Lab, served: Served, namespace: Namespace, writers: list[Writer]
) -> None:
    writer = Writer(namespace, 4000)
    writers.append(writer)
    writer.wait_for(100)
    lab.tgtd.kill()
    acknowledged = writer.written()
    writer.end()
    assert lab.store.observe() == {"e1": served}, "tgtd does not take it along"
    assert missing(served.path, acknowledged) == []
    lab.tgtd.start()
    lab.export(served)
    after = Writer(namespace, 10, first=5000)
    writers.append(after)
    after.finish()
    assert missing(served.path, [*acknowledged, *range(5000, 5010)]) == []


def test_a_running_disk_is_frozen_at_one_point_and_its_session_lives_on(
    lab: Lab, served: Served, layer: LayerFile, namespace: Namespace, writers: list[Writer]
) -> None:
    writer = Writer(namespace, 1500)
    writers.append(writer)
    writer.wait_for(100)
    session, before = lab.logins(), writer.written()
    upper = lab.layer(layer, 3)
    lab.store.snapshot("e1", upper)
    lab.store.freeze(layer.path)
    frozen = Path(layer.path).read_bytes()
    writer.wait_for(len(writer.written()) + 100)
    assert lab.logins() == session
    writer.finish()
    assert not writer.failed(), writer.lines
    assert len(writer.written()) == 1500
    assert missing(served.path, writer.written()) == []
    assert Path(layer.path).read_bytes() == frozen, "the version changed after it was frozen"
    assert_is_a_point_in_time(lab, layer, before)


def assert_is_a_point_in_time(lab: Lab, layer: LayerFile, before: list[int]) -> None:
    """All up to one block, nothing after it: the machine wrote them in order."""
    version = lab.store.serve("e2", [layer, lab.base], writable=False)
    absent = missing(version.path, list(range(1500)))
    assert absent == list(range(absent[0], 1500)), "a block is missing before one that is there"
    assert absent[0] > max(before), "what was acknowledged before is in the version"


@pytest.mark.parametrize("told", [False, True])
def test_a_process_killed_around_a_snapshot_is_served_again_with_the_new_layer_on_top(
    lab: Lab, served: Served, layer: LayerFile, told: bool, namespace: Namespace, writers: list[Writer]
) -> None:
    writer = Writer(namespace, 4000)
    writers.append(writer)
    writer.wait_for(50)
    upper = lab.layer(layer, 3)
    if told:
        lab.store.snapshot("e1", upper)
        writer.wait_for(len(writer.written()) + 50)
    lab.kill_server_of("e1")
    wait_until(writer.failed, 60, "the machine is told that its disk is gone")
    writer.end()
    lab.store.freeze(layer.path)
    again = lab.store.serve("e1", [upper, layer, lab.base])
    assert missing(again.path, writer.flushed()) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB for images."""
    disk, folder = tmp_path / "small.ext4", tmp_path / "images"
    with disk.open("wb") as file:
        file.truncate(40 * MIB)
    folder.mkdir()
    subprocess.run(["mkfs.ext4", "-q", disk], check=True, timeout=60)
    subprocess.run(["mount", "-o", "loop", disk, folder], check=True, timeout=60)
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=60)


@pytest.fixture
def full(small: Path) -> Path:
    """A file that leaves about 4 MiB of it."""
    filler = small / "filler"
    room = os.statvfs(small)
    filler.write_bytes(b"f" * (room.f_bavail * room.f_frsize - 4 * MIB))
    return filler


def test_a_full_file_system_fails_writes_and_keeps_what_was_flushed(
    full: Path, lab: Lab, served: Served, layer: LayerFile, namespace: Namespace, writers: list[Writer]
) -> None:
    writer = Writer(namespace, 3000)
    writers.append(writer)
    wait_until(writer.failed, 60, "the file system is full")
    flushed = writer.flushed()
    writer.end()
    assert missing(served.path, flushed) == []
    full.unlink()
    after = Writer(namespace, 100, first=4000)
    writers.append(after)
    after.finish()
    assert not after.failed(), after.lines
    lab.kill_server_of("e1")
    again = lab.store.serve("e1", [layer, lab.base])
    assert missing(again.path, [*flushed, *range(4000, 4100)]) == []


def test_a_machine_that_is_paused_before_it_is_full_goes_on_where_it_was(
    full: Path, lab: Lab, served: Served, namespace: Namespace, writers: list[Writer]
) -> None:
    writer = Writer(namespace, 1500)
    writers.append(writer)
    writer.wait_for(50)
    session = lab.logins()
    lab.store.pause("e1")
    stood_at = len(writer.written())
    full.unlink()
    assert len(writer.written()) <= stood_at + 1
    lab.store.resume("e1")
    writer.finish()
    assert not writer.failed(), writer.lines
    assert session
    assert missing(served.path, list(range(1500))) == []
