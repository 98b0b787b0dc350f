"""Layers pause before the disk is full, and go on when there is room: with the fake store, then for real."""
# ruff: noqa: F811  # fixtures are found by their names

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from images import qemu_serving, room
from images.ports import LayerFile, Served
from images.qemu import QemuLayerStore
from images.room import Limits, RoomWatch
from netboot_site.formats import GIB
from tests.images.fake_layers import BrokenLayerStore, FakeLayerStore
from tests.images.test_layer_faults import (  # noqa: F401
    BLOCK,
    MIB,
    Lab,
    Writer,
    lab,
    layer,
    missing,
    served,
    small,
    writers,
)
from tests.images.tgtd import Namespace, Tgtd, wait_until

RESERVE = 1000


class Room:
    """What is free on the file system."""

    free = RESERVE


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Room:
    told = Room()
    monkeypatch.setattr(room, "free_bytes", lambda path: told.free)
    return told


@pytest.fixture
def store(tmp_path: Path) -> FakeLayerStore:
    """Two layers that are written, one that is only read, one whose process is dead."""
    store = FakeLayerStore(tmp_path / "run")
    base = tmp_path / "head-1.raw"
    base.write_bytes(bytes(4096))
    for number in range(1, 5):
        path = tmp_path / f"layer-{number}.qcow2"
        store.create(str(path), 4096, LayerFile(str(base), "raw"))
        store.serve(f"e{number}", [LayerFile(str(path), "qcow2")], writable=number != 3)
    store.kill("e4")
    return store


def paused(store: FakeLayerStore) -> list[str]:
    return [name for name, each in store.observe().items() if each.paused]


def test_the_limits_of_the_default_reserve() -> None:
    assert Limits.of(GIB) == Limits(pause_below=GIB // 2, resume_from=GIB * 3 // 4)


def test_half_of_the_reserve_pauses_what_is_written(
    free: Room, store: FakeLayerStore, tmp_path: Path
) -> None:
    watch = RoomWatch(store, tmp_path, RESERVE)
    for free.free in (RESERVE, 600, 500):
        watch.look()
        assert paused(store) == []
    free.free = 499
    watch.look()
    assert paused(store) == ["e1", "e2"]


def test_it_goes_on_at_three_quarters_and_not_before(
    free: Room, store: FakeLayerStore, tmp_path: Path
) -> None:
    watch = RoomWatch(store, tmp_path, RESERVE)
    free.free = 0
    watch.look()
    for free.free in (499, 500, 749):
        watch.look()
        assert paused(store) == ["e1", "e2"], free.free
    free.free = 750
    watch.look()
    assert paused(store) == []


def test_what_is_started_while_there_is_no_room_waits_too(
    free: Room, store: FakeLayerStore, tmp_path: Path
) -> None:
    watch = RoomWatch(store, tmp_path, RESERVE)
    free.free = 0
    watch.look()
    store.serve("e9", [LayerFile(str(tmp_path / "layer-3.qcow2"), "qcow2")])
    watch.look()
    assert paused(store) == ["e1", "e2", "e9"]


def test_what_a_killed_watch_left_paused_goes_on(free: Room, store: FakeLayerStore, tmp_path: Path) -> None:
    store.pause("e1")
    RoomWatch(store, tmp_path, RESERVE).look()
    assert paused(store) == []


def test_with_room_it_leaves_the_store_alone(free: Room, store: FakeLayerStore, tmp_path: Path) -> None:
    watch = RoomWatch(store, tmp_path, RESERVE)
    watch.look()
    store.pause("e2")  # somebody else's business from now on
    watch.look()
    assert paused(store) == ["e2"]


def test_a_store_that_does_not_answer_is_told_once_and_asked_again(
    free: Room, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = RoomWatch(BrokenLayerStore(tmp_path), tmp_path, RESERVE)
    free.free = 0
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            watch.look()
    assert [record.message for record in caplog.records] == ["The store of layers does not answer."]


def test_a_folder_that_cannot_be_looked_at_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        RoomWatch(BrokenLayerStore(tmp_path), tmp_path / "nowhere", RESERVE).look()
    assert len(caplog.records) == 1


def test_free_bytes_are_those_that_a_program_may_take(tmp_path: Path) -> None:
    state = os.statvfs(tmp_path)
    assert abs(room.free_bytes(tmp_path) - state.f_bavail * state.f_frsize) < GIB


class Watching:
    """A room watch at work on a real store, as its program is."""

    def __init__(self, lab: Lab, reserve_bytes: int) -> None:
        self.watch = RoomWatch(lab.store, lab.folder / "images", reserve_bytes)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(room.LOOK_SECONDS):
            self.watch.look()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(10)


@pytest.fixture
def watching(lab: Lab) -> Iterator[Callable[[int], Watching]]:
    started: list[Watching] = []

    def watch(reserve_bytes: int) -> Watching:
        started.append(Watching(lab, reserve_bytes))
        return started[-1]

    yield watch
    for each in started:
        each.end()


def leave(folder: Path, free: int) -> Path:
    """A file that leaves so much room."""
    filler = folder / "filler"
    filler.write_bytes(b"f" * (room.free_bytes(folder) - free))
    os.sync()
    return filler


@pytest.mark.real_tgtd
@pytest.mark.real_qemu_storage
def test_a_writing_machine_waits_for_room_and_loses_nothing(
    small: Path, lab: Lab, served: Served, layer: LayerFile, namespace: Namespace,
    writers: list[Writer], watching: Callable[[int], Watching],
) -> None:  # fmt: skip
    filler = leave(small, 12 * MIB)
    watching(16 * MIB)
    writer = Writer(namespace, 3000)
    writers.append(writer)
    wait_until(lambda: lab.store.observe()["e1"].paused, 60, f"it pauses: {writer.lines[-2:]}")
    wrote = len(writer.written())
    left = room.free_bytes(small)
    assert 0 < left < 8 * MIB
    assert writer.process.poll() is None
    assert 0 < wrote < 3000
    filler.unlink()
    writer.finish()
    assert not writer.failed(), writer.lines[-4:]
    assert missing(served.path, list(range(3000))) == []
    lab.tgtd.kill()
    lab.store.stop("e1")
    checked = subprocess.run(["qemu-img", "check", layer.path], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.real_tgtd
@pytest.mark.real_qemu_storage
def test_a_machine_that_waits_keeps_its_session_and_other_disks_are_served(
    small: Path, lab: Lab, served: Served, tgtd: Tgtd, namespace: Namespace, writers: list[Writer],
    watching: Callable[[int], Watching],
) -> None:  # fmt: skip
    filler = leave(small, 10 * MIB)
    watching(16 * MIB)
    writer = Writer(namespace, 3000)
    writers.append(writer)
    wait_until(lambda: lab.store.observe()["e1"].paused, 60, "it pauses")
    session = lab.logins()
    assert session
    tgtd.server.create_target(9, "iqn.2026-02.local.netboot:another")
    assert lab.logins() == session, "tgtd answers while one of its disks waits"
    filler.unlink()
    writer.finish()
    assert not writer.failed(), writer.lines[-4:]


@pytest.mark.real_qemu_storage
def test_its_program_pauses_and_ends_when_told(small: Path, lab: Lab, layer: LayerFile) -> None:
    run_path = lab.folder / "instance"
    lab.store = QemuLayerStore(run_path / "layers")
    served = lab.store.serve("e1", [layer, lab.base])
    environment = {
        **os.environ, "DATA_PATH": str(lab.folder), "RUN_PATH": str(run_path),
        "STORAGE_RESERVE_BYTES": str(GIB),
    }  # fmt: skip
    argv = [sys.executable, str(django_settings.BASE_PATH / "manage.py"), "run_room_watch"]
    process = subprocess.Popen(argv, env=environment)
    try:
        wait_until(lambda: lab.store.observe()["e1"].paused, 60, "40 MiB are less than half of 1 GiB")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
        lab.store.resume("e1")
        assert Path(served.path).read_bytes()[:BLOCK] == bytes(BLOCK)
    finally:
        process.kill()
        process.wait(10)
        qemu_serving.clear_all(run_path / "layers")
