"""Contents in the database: each once, whole or not at all, and no longer than something names it."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from bootflow.models import KernelSet, KernelSetFile
from images import lineage, services
from images.models import BLOB_MAX_BYTES, PART_BYTES, Blob, BlobPart, BootFile, BootFiles, Image
from images.services import blobs
from netboot_site.errors import ConflictError, NotFoundError, ValidationError
from tests.images.tgtd import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SIZES = [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7]
HOUR = timedelta(hours=1)


def stored(sha256: str) -> bytes:
    return b"".join(services.blob_pieces(sha256=sha256))


def age(by: timedelta = 2 * HOUR) -> None:
    """As if everything had been brought so long ago."""
    Blob.objects.update(created_at=F("created_at") - by)


def side_by_side(*acts: Callable[[], Any]) -> list[Any]:
    """All at once, each on a connection of its own, and what they gave."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        start.wait(10)
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts, timeout=60))


@pytest.mark.parametrize("size", SIZES)
def test_a_content_comes_back_as_it_was(size: int, tmp_path: Path) -> None:
    data, path = os.urandom(size), tmp_path / "kernel8.img"
    path.write_bytes(data)
    sha256 = services.store_blob(source=path)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert stored(sha256) == data
    services.write_blob(sha256=sha256, path=tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert Blob.objects.get().size_bytes == size
    assert BlobPart.objects.count() == -(-size // PART_BYTES)


def test_bytes_and_a_file_with_the_same_content_are_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"the same")
    keys = {services.store_blob(source=source) for source in (b"the same", tmp_path / "a", tmp_path / "a")}
    assert len(keys) == 1
    assert (Blob.objects.count(), BlobPart.objects.count()) == (1, 1)


def test_what_is_there_already_is_left_as_it_is_and_is_spared_anew() -> None:
    sha256 = services.store_blob(source=b"old")
    part = BlobPart.objects.get()
    age()
    services.store_blob(source=b"old")
    assert BlobPart.objects.get().pk == part.pk, "it was written a second time"
    assert services.remove_unused_blobs() == 0, "it was taken from whoever has just brought it"
    assert stored(sha256) == b"old"


def test_a_content_that_is_too_large_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(BLOB_MAX_BYTES + 1)
    with pytest.raises(ValidationError, match="at most 128 MiB"):
        services.store_blob(source=path)
    assert not Blob.objects.exists()


def test_the_largest_content_is_taken_a_part_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(BLOB_MAX_BYTES)
    before = peak_kib()
    sha256 = services.store_blob(source=path)
    assert sum(len(piece) for piece in services.blob_pieces(sha256=sha256)) == BLOB_MAX_BYTES
    grown = peak_kib() - before
    assert grown < 32 * 1024, f"memory grew by {grown} KiB for 128 MiB"


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, measured = tmp_path / "config.txt", blobs._measured
    path.write_bytes(b"before")

    def measure(file: Any) -> tuple[str, int]:
        found = measured(file)
        path.write_bytes(b"after!")
        return found

    monkeypatch.setattr(blobs, "_measured", measure)
    with pytest.raises(ConflictError, match="changed while it was read"):
        services.store_blob(source=path)
    assert not Blob.objects.exists(), "half of two contents is kept under the key of one"
    assert not BlobPart.objects.exists()


def test_many_who_bring_the_same_content_at_once_keep_it_once() -> None:
    data = os.urandom(3 * PART_BYTES + 5)
    keys = side_by_side(*[lambda: services.store_blob(source=data)] * 4)
    assert keys == [hashlib.sha256(data).hexdigest()] * 4
    assert stored(keys[0]) == data
    assert BlobPart.objects.count() == 4, "its parts are there more than once"


def test_nobody_sees_a_content_before_all_of_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    data, half_way, seen = os.urandom(2 * PART_BYTES), threading.Event(), threading.Event()

    def slow_file(source: object) -> Any:
        return _Paused(data, half_way, seen)

    monkeypatch.setattr(blobs, "_opened", slow_file)

    def look() -> tuple[int, int]:
        assert half_way.wait(10)
        found = Blob.objects.count(), BlobPart.objects.count()
        seen.set()
        return found

    sha256, found = side_by_side(lambda: services.store_blob(source=data), look)
    assert found == (0, 0), "a content with half of its parts could be read"
    assert stored(sha256) == data


class _Paused:
    """A file that waits before the last part of its second reading."""

    def __init__(self, data: bytes, half_way: threading.Event, seen: threading.Event) -> None:
        self._data, self._half_way, self._seen, self._at, self._times = data, half_way, seen, 0, 1

    def __enter__(self) -> _Paused:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def seek(self, at: int) -> None:
        self._at, self._times = at, self._times + 1

    def read(self, size: int) -> bytes:
        if self._times == 2 and self._at == PART_BYTES:
            self._half_way.set()
            assert self._seen.wait(10)
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece


def test_a_process_that_is_killed_in_the_middle_leaves_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(3 * PART_BYTES)
    connection.close()  # a child must not share it
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(blobs, "_opened", lambda _: _Killer(data))
        try:
            services.store_blob(source=data)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "the child was not killed while it wrote"
    wait_until(lambda: not BlobPart.objects.exists(), 10, "its parts are gone")
    assert not Blob.objects.exists()
    assert stored(services.store_blob(source=data)) == data


class _Killer(_Paused):
    """It ends the process that reads its last part the second time."""

    def __init__(self, data: bytes) -> None:
        nobody_waits = threading.Event()
        nobody_waits.set()
        super().__init__(data, threading.Event(), nobody_waits)

    def read(self, size: int) -> bytes:
        if self._times == 2 and self._at == 2 * PART_BYTES:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size)


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        list(services.blob_pieces(sha256="0" * 64))
    sha256 = services.store_blob(source=bytes(2 * PART_BYTES))
    pieces = services.blob_pieces(sha256=sha256)
    next(pieces)
    BlobPart.objects.all().delete()
    with pytest.raises(NotFoundError, match="removed while it was read"):
        next(pieces)


def test_a_new_file_is_written_and_never_one_that_is_there(tmp_path: Path) -> None:
    sha256 = services.store_blob(source=b"new")
    (tmp_path / "kernel8.img").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        services.write_blob(sha256=sha256, path=tmp_path / "kernel8.img")
    assert (tmp_path / "kernel8.img").read_bytes() == b"old"


def test_only_what_nothing_names_is_removed(make_image: Callable[..., Image]) -> None:
    keys = {
        name: services.store_blob(source=name.encode()) for name in ("of a disk", "of a set", "of nothing")
    }
    layer = lineage.head_of(make_image())
    rows = BootFiles.objects.create(layer=layer, wanted_at=timezone.now())
    BootFile.objects.create(boot_files=rows, path="kernel8.img", blob_id=keys["of a disk"])
    KernelSetFile.objects.create(
        kernel_set=KernelSet.objects.get(), path="config.txt", blob_id=keys["of a set"]
    )
    assert services.remove_unused_blobs() == 0, "what was just brought is spared for an hour"
    age()
    assert services.remove_unused_blobs() == 1
    assert set(Blob.objects.values_list("pk", flat=True)) == {keys["of a disk"], keys["of a set"]}
    assert BlobPart.objects.count() == 2, "its parts are left"


def test_unused_contents_go_a_few_at_a_time_the_oldest_first() -> None:
    for name in (b"1", b"2", b"3"):
        services.store_blob(source=name)
        age(timedelta(minutes=40))
    age()
    assert services.remove_unused_blobs(most=2) == 2
    assert stored(Blob.objects.get().pk) == b"3"
    assert services.remove_unused_blobs(most=2) == 1
    assert services.remove_unused_blobs(most=2) == 0


def test_what_somebody_is_just_bringing_again_is_not_removed() -> None:
    sha256 = services.store_blob(source=b"wanted again")
    age()
    with transaction.atomic():
        services.store_blob(source=b"wanted again")
        assert side_by_side(services.remove_unused_blobs) == [0]
    assert stored(sha256) == b"wanted again"


def test_whoever_brings_what_is_just_being_removed_writes_it_anew() -> None:
    data = b"removed and brought"
    services.store_blob(source=data)
    age()
    for _ in range(10):
        removed, sha256 = side_by_side(services.remove_unused_blobs, lambda: services.store_blob(source=data))
        assert removed in {0, 1}, removed
        assert stored(sha256) == data, "the new one was removed with the old one"
        age()
