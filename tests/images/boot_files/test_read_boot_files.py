"""The job that reads a disk's boot files: what it leaves, how it ends, and what it leaves alone."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devices.models import Device
from images import services
from images.convergence import orphans
from images.jobs import boot_files
from images.models import Blob, BootFile, BootFiles, Image, Job, JobKind, JobState, Layer
from netboot_site.errors import ConflictError
from tests.images.boot_files.disks import (
    DAMAGED,
    FakeReader,
    boot_partition,
    files_of,
    import_disk,
    kernel_of,
    make_old,
    row_of,
)
from tests.images.jobs.conftest import elsewhere
from tests.images.rows import log_in

pytestmark = pytest.mark.django_db(transaction=True)
Rounds = Callable[[], list[Job]]


def raise_it(error: BaseException) -> Callable[..., Any]:
    def act(*_: object, **__: object) -> Any:
        raise error

    return act


def left_in(images_path: Path) -> list[Path]:
    folder = images_path / ".boot-files"
    return list(folder.iterdir()) if folder.exists() else []


def test_an_imported_disk_is_read_once_and_its_files_are_rows(
    head: Layer, rounds: Rounds, reader: FakeReader, images_path: Path
) -> None:
    (job,) = rounds()
    assert (job.state, job.last_error, job.layer_id, job.image_id) == (JobState.DONE, "", head.pk, "pi")
    assert files_of(head) == {"kernel8.img": b"6.1", "overlays/vc4.dtbo": b"the same everywhere"}
    row = row_of(head)
    assert (row.state, row.last_error, row.facts["root"]) == ("ready", "", "PARTUUID=6c586e13-02")
    assert row.read_at is not None
    assert row.wanted_at <= row.read_at <= job.finished_at, "it was read when the reading began"
    assert reader.disks == [images_path / "pi" / f"head-{head.number}.raw"]
    rounds()
    assert len(reader.disks) == 1, "it was read again, and nothing had changed"
    assert left_in(images_path) == []


def test_an_empty_disk_has_no_boot_files_and_is_not_even_opened(
    image: Image, rounds: Rounds, reader: FakeReader
) -> None:
    assert rounds() == []
    assert BootFiles.objects.get().state == "none"
    assert reader.disks == []


def test_a_disk_without_a_boot_partition_is_said_to_have_none(
    image: Image, rounds: Rounds, images_path: Path
) -> None:
    layer = import_disk(image, b"something else", images_path)
    assert [job.state for job in rounds()] == [JobState.DONE]
    assert (row_of(layer).state, files_of(layer)) == ("none", {})


def test_a_disk_of_a_pc_is_never_read(
    make_image: Callable[..., Image], rounds: Rounds, images_path: Path
) -> None:
    import_disk(make_image("pc"), boot_partition("6.1"), images_path)
    assert rounds() == []
    assert not BootFiles.objects.exists()


def test_a_damaged_disk_says_why_keeps_what_it_had_and_is_tried_again_in_an_hour(
    head: Layer, rounds: Rounds, reader: FakeReader, images_path: Path
) -> None:
    rounds()
    with (images_path / "pi" / f"head-{head.number}.raw").open("r+b") as file:
        file.write(DAMAGED)
    BootFiles.objects.update(wanted_at=Job.objects.latest("pk").finished_at)
    jobs = rounds()
    assert [job.state for job in jobs] == [JobState.DONE, JobState.FAILED]
    assert (row_of(head).state, row_of(head).last_error) == ("failed", "The boot partition is damaged.")
    assert kernel_of(head) == "6.1", "what was read before does not count any more"
    assert len(rounds()) == 2, "it is tried again and again"
    make_old(head)
    assert len(rounds()) == 3, "it is never tried again"
    with (images_path / "pi" / f"head-{head.number}.raw").open("r+b") as file:
        file.write(boot_partition("6.12"))
    make_old(head)
    assert [job.state for job in rounds()][-1] == JobState.DONE
    assert (row_of(head).state, row_of(head).last_error, kernel_of(head)) == ("ready", "", "6.12")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EIO, "x", "/secret"), "The storage node could not read or write its files."),
        (OSError(errno.ENOSPC, "x", "/secret"), "No room is left on the storage node."),
        (ConflictError("Told."), "Told."),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence_and_leaves_no_file(
    head: Layer, rounds: Rounds, reader: FakeReader, images_path: Path, error: Exception, told: str
) -> None:
    reader.during = raise_it(error)
    (job,) = rounds()
    assert (job.state, job.last_error) == (JobState.FAILED, told)
    assert (row_of(head).state, row_of(head).last_error) == ("failed", told)
    assert left_in(images_path) == []


def test_a_mistake_of_ours_is_not_tried_again_at_once(
    head: Layer, rounds: Rounds, reader: FakeReader, images_path: Path
) -> None:
    reader.during = raise_it(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        rounds()
    assert "mistake of this program" in row_of(head).last_error
    assert len(rounds()) == 1, "it is tried again and again"
    assert left_in(images_path) == []


def test_a_node_without_room_does_not_begin(
    head: Layer, rounds: Rounds, reader: FakeReader, settings: Any
) -> None:
    settings.STORAGE_RESERVE_BYTES = 2**60
    rounds()
    assert reader.disks == []
    assert re.fullmatch(r"0\.02 GiB do not fit: .*", row_of(head).last_error)


def test_room_that_is_filled_while_it_reads_ends_it(
    head: Layer, rounds: Rounds, reader: FakeReader, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot_files, "REPORT_PERIOD_SECONDS", 0.0)
    reader.during = lambda work: setattr(settings, "STORAGE_RESERVE_BYTES", 2**60)
    (job,) = rounds()
    assert job.state == JobState.FAILED
    assert "do not fit" in row_of(head).last_error


def test_a_person_can_cancel_it_and_it_is_left_alone_until_it_is_wanted_again(
    head: Layer, rounds: Rounds, reader: FakeReader, images_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel(work: Path) -> None:
        services.cancel_job(job=Job.objects.get(kind=JobKind.BOOT_FILES))

    monkeypatch.setattr("images.jobs.progress.REPORT_PERIOD_SECONDS", 0.0)
    reader.during = cancel
    (job,) = rounds()
    assert (job.state, row_of(head).state) == (JobState.CANCELLED, "waiting")
    assert left_in(images_path) == []
    reader.during = lambda work: None
    assert len(rounds()) == 1, "somebody has said that this is not wanted"
    BootFiles.objects.update(wanted_at=job.finished_at)
    assert [one.state for one in rounds()] == [JobState.CANCELLED, JobState.DONE]


def test_a_file_whose_name_is_too_long_is_left_out_and_said(
    head: Layer, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "overlays/" + "x" * 200

    def read(disk: Path, work: Path, *_: object) -> Any:
        (work / "a").write_bytes(b"a")
        facts = {"warnings": [], "config": "nul \0 and \ud800 signs"}
        return boot_files.BootBundle({"kernel8.img": work / "a", long: work / "a"}, facts)  # type: ignore[arg-type]

    monkeypatch.setattr(boot_files, "read_boot_files", read)
    rounds()
    assert set(files_of(head) or {}) == {"kernel8.img"}
    facts = row_of(head).facts
    assert facts["warnings"] == [f"The file {long[:40]}... is left out: its name is too long."]
    assert facts["config"] == "nul  and ? signs", "PostgreSQL takes neither"


def test_work_folders_of_killed_processes_are_removed_and_others_are_not(
    head: Layer, rounds: Rounds, images_path: Path, reader: FakeReader
) -> None:
    left = images_path / ".boot-files" / "j999999" / "disk"
    left.mkdir(parents=True)
    (left / "kernel8.img").write_bytes(b"x")
    (left / "etc").symlink_to("/etc")

    def work_goes_on(work: Path) -> None:
        elsewhere(boot_files.remove_leftovers)
        assert work.is_dir(), "the folder of a living job was removed"

    reader.during = work_goes_on
    assert [job.state for job in rounds()] == [JobState.DONE]
    assert left_in(images_path) == []
    assert Path("/etc/passwd").exists()


def test_the_work_folder_is_no_orphan(head: Layer, rounds: Rounds, reader: FakeReader) -> None:
    names: list[str] = []

    def look(work: Path) -> None:
        os.utime(work, (0, 0))
        owned = orphans.load_owned(Image.objects.get().node)
        names.extend(each.name for each in orphans.find_orphans(work.parents[2], owned))

    reader.during = look
    rounds()
    assert names == []


def test_the_same_file_of_two_disks_is_kept_once(
    head: Layer, rounds: Rounds, make_image: Callable[..., Image], images_path: Path
) -> None:
    other = import_disk(make_image("pi2", device_type="raspi"), boot_partition("6.12"), images_path)
    rounds()
    assert kernel_of(other) == "6.12"
    assert (BootFile.objects.count(), Blob.objects.count()) == (4, 3)


def test_a_file_that_a_newer_disk_lacks_is_gone_with_the_old_one(
    head: Layer, rounds: Rounds, image: Image, images_path: Path
) -> None:
    rounds()
    newer = import_disk(image, b"no boot partition", images_path)
    rounds()
    assert files_of(newer) == {}
    rounds()
    assert not BootFile.objects.exists(), "the old layer has gone, its files have not"


def test_who_has_the_disk_is_not_asked_twice_while_it_is_in_use(
    head: Layer, rounds: Rounds, reader: FakeReader, make_device: Callable[..., Device], image: Image
) -> None:
    image.refresh_from_db()
    export = services.assign_image(image=image, device=make_device(1, "raspi"))
    session = log_in(export)
    services.request_boot_files(node="local")
    BootFiles.objects.create(layer=head, wanted_at=session.started_at)
    services.request_boot_files(node="local")
    assert not Job.objects.exists(), "a disk in use is to be read"
