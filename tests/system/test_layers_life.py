"""Processes that serve layers outlive workers and tgtd, and end with the instance: nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.qemu_notes import mounts_below
from netboot_site import processes
from tests.system.instance import PROJECT, Instance, Wire, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.real_qemu_storage]
SERVE = """
import django; django.setup()
from django.conf import settings
from images.ports import LayerFile
from images.qemu import local_store
base = settings.IMAGES_PATH / "by-hand" / "head-1.raw"
base.parent.mkdir(exist_ok=True)
base.write_bytes(bytes(2**20))
for number in range(2, 5):
    layer = base.with_name(f"layer-{number}.qcow2")
    local_store().create(str(layer), 2**20, LayerFile(str(base), "raw"))
    chain = [LayerFile(str(layer), "qcow2"), LayerFile(str(base), "raw")]
    served = local_store().serve(f"test-{number}", chain)
    open(served.path, "r+b", buffering=0).write(b"written")
local_store().pause("test-4")
"""


@pytest.fixture
def instance(wire: Wire, folder: Path) -> Iterator[Instance]:
    """An instance that serves three layers; the third is paused."""
    made = Instance(wire, folder / "data")
    made.start()
    serve_as_its_storage_user(made)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()
    assert_nothing_is_left(made)


def serve_as_its_storage_user(instance: Instance) -> None:
    become = ["setpriv", "--reuid=netboot-storage", "--regid=netboot-storage", "--init-groups"]
    variables = {**instance.settings(), "DJANGO_SETTINGS_MODULE": "netboot_site.settings"}
    argv = instance.wire.inside(*become, str(PROJECT / ".venv/bin/python"), "-c", SERVE)
    done = subprocess.run(
        argv, env=variables, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(serving(instance)) == 3


def serving(instance: Instance) -> list[int]:
    found = processes.with_option("--pidfile", f"{instance.run_path}/layers/")
    return sorted(process.pid for process in found)


def resume(instance: Instance) -> None:
    for pid in serving(instance):
        os.kill(pid, signal.SIGCONT)


def assert_nothing_is_left(instance: Instance) -> None:
    assert serving(instance) == []
    assert mounts_below(instance.run_path) == []
    assert [entry.name for entry in (instance.run_path / "layers").iterdir() if entry.is_dir()] == []


def test_they_outlive_a_worker_and_tgtd_and_end_with_ctrl_c(instance: Instance) -> None:
    before = serving(instance)
    assert {Path(f"/proc/{pid}").owner() for pid in before} == {"netboot-storage"}
    for program in ("worker-storage", "tgtd"):
        instance.kill(program)
    instance.wait_until_healthy()
    assert serving(instance) == before
    instance.stop()
    assert_nothing_is_left(instance)
    layer = instance.data_path / "images" / "by-hand" / "layer-2.qcow2"
    assert b"written" in layer.read_bytes(), "what was written is in the layer"


def test_when_make_up_alone_is_killed_they_end_after_everything_else(instance: Instance) -> None:
    resume(instance)  # a tgtd that waits for a paused one could not be killed
    assert instance.process is not None
    os.kill(instance.process.pid, signal.SIGKILL)
    instance.process.wait()
    wait_for(lambda: instance.processes() == {} and serving(instance) == [], 60)
    assert_nothing_is_left(instance)


def test_after_everything_was_killed_the_next_start_leaves_none_of_it(instance: Instance) -> None:
    launcher = instance.process
    assert launcher is not None
    for pid in [launcher.pid, *instance.processes()]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    launcher.wait()
    dead = mounts_below(instance.run_path)
    instance.start()
    assert set(mounts_below(instance.run_path)).isdisjoint(dead)
    assert serving(instance) == []


def test_they_end_when_supervisor_was_killed_and_all_starts_again(instance: Instance) -> None:
    before = serving(instance)
    supervisor = instance.supervisor_pid()
    os.kill(supervisor, signal.SIGKILL)
    instance.wait_until_healthy(60)
    assert not set(serving(instance)) & set(before)
