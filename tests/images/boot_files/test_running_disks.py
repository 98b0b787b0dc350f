"""Disks behind a real tgtd and real qemu-storage-daemons: read where they are served, in nobody's way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from devices.models import Device
from images import lineage, services
from images.disk_reading import layer_path
from images.jobs.round import work_once
from images.models import BootFiles, Export, Image, Job, JobKind, JobState, Layer, LayerFormat, Session
from images.qemu import local_store
from tests.images.boot_files.disks import SIZE, FakeReader, boot_partition, import_disk, kernel_of, row_of
from tests.images.real_layers import Guest, Node, fresh
from tests.images.tgtd import Initiator, wait_until

pytestmark = [
    pytest.mark.real_tgtd, pytest.mark.real_qemu_storage, pytest.mark.django_db(transaction=True),
]  # fmt: skip
Guests = Callable[[Export], Guest]


class Lab:
    """A storage node, one image that is a Raspberry Pi's own, and what is done with it."""

    def __init__(self, node: Node, reader: FakeReader, export: Export, folder: Path) -> None:
        self.node, self.reader, self.export, self.folder = node, reader, export, folder

    @property
    def head(self) -> Layer:
        return lineage.head_of(Image.objects.get(pk=self.export.image_id))

    def read(self) -> Job | None:
        """The next job of boot files, if there is one to do."""
        self.node.round()
        services.request_boot_files(node="local")
        job = Job.objects.filter(kind=JobKind.BOOT_FILES, finished_at=None).order_by("pk").first()
        if job is not None:
            assert work_once("local")
            job.refresh_from_db()
        self.node.round()
        return job

    def publish(self) -> Layer:
        """A running or resting disk becomes a version. Gives the version's layer."""
        made = services.publish_version(image=Image.objects.get(pk=self.export.image_id))
        self.node.round()
        self.node.round()
        return made.layer

    def write(self, initiator: Initiator, kernel: str) -> None:
        """A whole session: log in, write another kernel, log out; the node sees both."""
        source = self.folder / "sector"
        source.write_bytes(boot_partition(kernel).ljust(512, b"\0"))
        with initiator.logged_in():
            self.node.round()
        done = initiator.io(f"write -s {source} 0 512", "flush")
        assert done.returncode == 0, done.stdout + done.stderr
        self.node.round()


@pytest.fixture
def running(
    lab: Node, reader: FakeReader, make_image: Callable[..., Image], make_device: Callable[..., Device],
    images_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> Lab:  # fmt: skip
    monkeypatch.setattr("images.logins.local_server", lambda: lab.tgtd.server)
    image = make_image("pi", SIZE, "raspi")
    export = services.assign_image(image=image, device=make_device(7, "raspi"))
    lab.round()
    import_disk(image, boot_partition("imported"), images_path)
    lab.round()
    return Lab(lab, reader, fresh(export), tmp_path)


@pytest.fixture
def machine(running: Lab, initiator: Callable[[Export], Initiator]) -> Initiator:
    return initiator(running.export)


def raw_and_layered(running: Lab, form: str) -> None:
    """The head as an import left it, or a layer over a version, served by a process of its own."""
    if form == LayerFormat.QCOW2:
        running.publish()
    assert running.head.format == form


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_what_a_machine_has_written_is_read_when_it_has_logged_out(
    running: Lab, machine: Initiator, form: str
) -> None:
    running.read()
    raw_and_layered(running, form)
    assert kernel_of(running.head) == "imported"
    running.write(machine, "by the machine")
    job = running.read()
    assert job is not None, "nobody noticed the session"
    assert (job.state, kernel_of(running.head)) == (JobState.DONE, "by the machine")
    where = str(running.reader.disks[-1])
    assert ("/run/e" in where) == (form == "qcow2"), f"it was read at {where}"
    assert running.read() is None, "it is read again"


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_nothing_is_read_while_a_machine_is_logged_in(running: Lab, machine: Initiator, form: str) -> None:
    raw_and_layered(running, form)
    BootFiles.objects.all().delete()
    Layer.objects.update(used_at=None)
    with machine.logged_in():
        running.node.round()
        running.node.round()
        jobs = [running.read() for _ in range(2)]
        assert running.head.pk not in {job.layer_id for job in jobs if job}, "read under the machine"
    running.node.round()
    while running.read():
        pass
    assert row_of(running.head).state == "ready"


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_machine_that_logs_in_while_its_disk_is_read_is_not_hindered(
    running: Lab, machine: Initiator, guests: Guests, form: str
) -> None:
    running.read()
    raw_and_layered(running, form)
    running.write(machine, "second")
    seen: list[str] = []

    def log_in(work: Path) -> None:
        guest = guests(running.export)
        guest.write(7, "8M")
        seen.append(guest.do("read -P 7 8M 64k"))
        running.reader.during = lambda work: None

    running.reader.during = log_in
    job = running.read()
    assert "read 65536/65536" in seen[0], "it could not use its disk"
    assert job is not None
    assert job.state == JobState.CANCELLED, "what was read while a machine wrote counts"
    assert "Its machine is using the disk" in job.last_error
    assert kernel_of(running.head) == "imported"
    assert list((running.folder / "images" / ".boot-files").iterdir()) == []


def test_a_session_within_a_reading_makes_it_void(running: Lab, machine: Initiator) -> None:
    running.read()
    running.write(machine, "second")

    def use(work: Path) -> None:
        running.reader.during = lambda work: None
        running.write(machine, "third")

    running.reader.during = use
    job = running.read()
    assert job is not None
    assert job.state == JobState.CANCELLED
    Job.objects.update(finished_at=job.created_at - services.boot_files.GIVE_WAY)
    assert running.read() is not None, "the third kernel is forgotten"
    assert kernel_of(running.head) == "third"


def test_a_disk_that_nobody_has_can_be_given_away_while_it_is_read(
    running: Lab, machine: Initiator, make_device: Callable[..., Device], guests: Guests
) -> None:
    running.publish()
    while running.read():
        pass
    running.write(machine, "of its first owner")
    image = running.export.image
    services.unassign_image(image=image)
    running.node.round()
    done: list[str] = []

    def give_away(work: Path) -> None:
        running.reader.during = lambda work: None
        export = services.assign_image(image=image, device=make_device(8, "raspi"))
        running.node.round()
        running.node.round()
        assert fresh(export).state == "ready", fresh(export).last_error
        done.append(guests(fresh(export)).do("read 0 512"))

    running.reader.during = give_away
    job = None
    while not done:
        job = running.read()
    assert "read 512/512" in done[0], "its new owner had to wait"
    assert job is not None
    assert job.state == JobState.CANCELLED


def test_a_version_is_read_while_machines_run_on_it(running: Lab, guests: Guests) -> None:
    running.publish()
    guest = guests(running.export)
    running.node.round()
    (running.folder / "sector").write_bytes(boot_partition("upgraded").ljust(512, b"\0"))
    guest.do(f"write -s {running.folder / 'sector'} 0 512")
    guest.do("flush")
    version = running.publish()
    while running.read():
        pass
    assert kernel_of(version) == "upgraded"
    assert Session.objects.filter(ended_at=None).exists(), "its machine was logged out"
    guest.write(1, "4M")
    assert kernel_of(running.head) == "upgraded", "the head over it boots with nothing"


def test_a_paused_disk_is_left_for_later(running: Lab, machine: Initiator) -> None:
    running.read()
    running.publish()
    running.write(machine, "second")
    services.request_boot_files(node="local")
    (job,) = Job.objects.filter(layer=running.head)
    local_store().pause(f"e{running.export.pk}")
    try:
        while Job.objects.get(pk=job.pk).finished_at is None:
            assert work_once("local")
    finally:
        local_store().resume(f"e{running.export.pk}")
    assert Job.objects.get(pk=job.pk).state == JobState.CANCELLED
    Job.objects.all().delete()
    running.read()
    assert kernel_of(running.head) == "second"


def test_a_worker_that_is_killed_while_it_reads_leaves_the_reading_to_the_next(
    running: Lab, machine: Initiator, images_path: Path
) -> None:
    running.publish()
    running.write(machine, "second")
    version = running.publish()
    BootFiles.objects.all().delete()
    running.node.round()
    services.request_boot_files(node="local")
    Job.objects.exclude(layer=version).delete()
    job = Job.objects.get()
    connection.close()  # a child must not share it
    child = os.fork()
    if child == 0:
        running.reader.during = lambda work: os.kill(os.getpid(), signal.SIGKILL)
        try:
            work_once("local")
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it was not killed while it read"
    folder = images_path / ".boot-files" / f"j{job.pk}"
    assert folder.is_dir(), "there is nothing of the killed one to remove"
    assert f"j{job.pk}" in local_store().observe()
    wait_until(lambda: work_once("local"), 10, "the job is begun again")
    job.refresh_from_db()
    assert (job.state, kernel_of(version)) == (JobState.DONE, "second")
    assert not folder.exists(), "the work folder of the killed process is left"
    assert f"j{job.pk}" not in local_store().observe(), "what it served is left"


def test_a_process_that_shows_the_disk_and_dies_makes_the_reading_void(
    running: Lab, machine: Initiator
) -> None:
    running.read()
    running.publish()
    running.write(machine, "second")
    running.reader.during = lambda work: running.node.kill_server_of(running.export)
    job = running.read()
    assert job is not None
    assert job.state == JobState.CANCELLED, job.last_error
    assert row_of(running.head).state == "ready", "a dead process was taken for a damaged disk"
    running.reader.during = lambda work: None
    Job.objects.all().delete()
    for _ in range(3):
        running.read()
    assert kernel_of(running.head) == "second"


def test_the_file_of_a_frozen_layer_is_not_written(running: Lab, images_path: Path) -> None:
    layer = running.publish()
    before = layer_path(layer).stat().st_mtime_ns
    running.read()
    assert kernel_of(layer) == "imported"
    assert layer_path(layer).stat().st_mtime_ns == before
