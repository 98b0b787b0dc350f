"""Whatever people and machines do, and wherever a worker is killed: every disk ends with its own boot files.

None is read while a machine is logged in to it, none is forgotten, and none is read for ever.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from hypothesis import example, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from devices.models import Device
from images import lineage, services
from images.disk_reading import layer_path
from images.jobs import boot_files
from images.jobs.round import unfinished
from images.jobs.running import claimed, perform
from images.models import (
    BootFiles,
    Export,
    Image,
    Job,
    JobKind,
    Layer,
    LayerFormat,
    Persistence,
    Version,
)
from images.raspberry_pi.initiator import Initiator
from images.raspberry_pi.reading import BootBundle
from images.services import boot_files as boot_services
from netboot_site.errors import ConflictError, ValidationError
from tests.images.boot_files.disks import bundle, kernel_of
from tests.images.strict_fakes import HarmError
from tests.images.test_converge_histories import World

ROUNDS_TO_REST = 12
DAMAGED = -1
DEEDS = (
    "publish", "roll back", "assign", "overlay", "unassign", "reset", "merge", "restore", "promote", "clone",
    "delete version", "delete image", "resize", "boot", "log in", "log in", "log out", "write", "write",
    "import disk", "squash", "kill server", "restart tgtd", "round", "round", "work", "killed round",
    "killed work", "half a round",
)  # fmt: skip
# What happens while a disk is read.
INTERRUPTIONS: tuple[tuple[str, ...], ...] = (
    (), ("log in",), ("log in", "round", "write"), ("log in", "round", "write", "log out", "round"),
    ("publish", "round"), ("unassign", "round"), ("import disk", "round"), ("merge", "round"),
    ("kill server",), ("assign", "round", "log in", "round", "write", "log out", "round"),
)  # fmt: skip
SESSION = [("log in", 0), ("round", 0), ("write", 2), ("log out", 0), ("round", 0)]
BEGUN = [("import disk", 1), ("round", 0), ("assign", 0), ("round", 0)]
HISTORIES = st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 40)), max_size=30)


class Killed(BaseException):
    """kill -9: from now on nothing that this process does reaches the database."""


class PiWorld(World):
    """Disks of Raspberry Pis. What is written to a disk is a number, and the kernel in its boot partition."""

    device_type = "raspi"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.contents: dict[str, int] = {}  # by the layer's path
        self.written = 0
        self.reads: dict[str, int] = {}
        self.seen: set[str] = set()  # targets whose logins a whole round has seen
        self.interruption: tuple[str, ...] = ()

    # --- what happens ------------------------------------------------------------------------------------

    def round(self, *_: object) -> None:
        super().round()
        self.seen = {target.iqn for target in self.server.observe().targets if target.logins}

    def log_out(self, image: Image, device: Device, number: int) -> None:
        """Whoever is there for less than a second is nobody's business."""
        self.round()
        super().log_out(image, device, number)

    def restart_tgtd(self, image: Image, device: Device, number: int) -> None:
        self.round()
        super().restart_tgtd(image, device, number)

    def write(self, image: Image, device: Device, number: int) -> None:
        """A machine installs another kernel, or ruins its disk."""
        for path in self.written_now()[number % 2 :][:1]:
            self.written += 1
            self.contents[path] = DAMAGED if number % 7 == 0 else self.written

    def import_disk(self, image: Image, device: Device, number: int) -> None:
        if any(target.iqn == image.iqn and target.logins for target in self.server.observe().targets):
            raise ConflictError("in use")
        taken = services.take_layer_number(image=image)
        path = layer_path(Layer(image=image, number=taken, format=LayerFormat.RAW))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(b"\1" * 4096)
            file.truncate(image.size_bytes)
        self.written += 1
        self.contents[str(path)] = self.written
        services.replace_content(image=image, number=taken, size_bytes=image.size_bytes)

    def squash(self, image: Image, device: Device, number: int) -> None:
        """As the job ends it."""
        version = services.get_version(image=image, number=1 + number % 3)
        if version.layer.parent is None or not version.is_ready:
            raise ConflictError("nothing to squash")
        taken = services.take_layer_number(image=image)
        path = layer_path(Layer(image=image, number=taken, format=LayerFormat.RAW))
        with path.open("wb") as file:
            file.truncate(version.size_bytes)
        path.chmod(0o444)
        self.contents[str(path)] = self.content_of(version.layer)
        services.complete_squash(version=version, number=taken, sha256="0" * 64, used_bytes=4096)

    def work(self, image: Image, device: Device, number: int) -> None:
        """The worker for long work does what there is to do; somebody may come in between."""
        self.interruption = INTERRUPTIONS[number % len(INTERRUPTIONS)]
        services.request_boot_files(node="local")
        for job in list(unfinished("local").filter(kind=JobKind.BOOT_FILES)):
            with claimed(job) as ours:
                if ours:
                    perform(job)

    def killed_round(self, image: Image, device: Device, number: int) -> None:
        with killed_at_query(number):
            self.round()

    def killed_work(self, image: Image, device: Device, number: int) -> None:
        with killed_at_query(number):
            self.work(image, device, 0)

    # --- what the reading sees ---------------------------------------------------------------------------

    def written_now(self) -> list[str]:
        """The layers that take the writes of machines that are logged in."""
        tops = {one.path: one.top for one in self.store.living()}
        busy = [target for target in self.server.observe().targets if target.logins]
        return sorted({tops.get(lun.path, lun.path) for target in busy for lun in target.luns})

    def content_of(self, layer: Layer) -> int:
        """What was written last to it, or to what it stands on; 0: nothing."""
        current: Layer | None = layer
        while current is not None:
            if str(layer_path(current)) in self.contents:
                return self.contents[str(layer_path(current))]
            current = current.parent
        return 0

    @contextmanager
    def shown(self, layer: Layer, name: str) -> Iterator[Path]:
        yield layer_path(layer)

    def read(self, disk: Path, work: Path, initiator: object, report: Callable[[int, int], None]) -> Any:
        """Stands for images.raspberry_pi.reading."""
        if str(disk) in self.written_now():
            raise HarmError(f"{disk.name} is read while a machine writes it")
        layer = next(one for one in Layer.objects.all() if layer_path(one) == disk)
        found = self.content_of(layer)
        self.reads[str(disk)] = self.reads.get(str(disk), 0) + 1
        interruption, self.interruption = self.interruption, ()
        for deed in interruption:
            self.do(deed, 0)
        report(1, 2)
        if found == DAMAGED:
            raise ValidationError("The boot partition is damaged.")
        return self.bundle(work, found)

    def bundle(self, work: Path, found: int) -> BootBundle | None:
        return bundle(work, str(found).encode()) if found else None

    def come_to_rest(self) -> None:
        super().come_to_rest()
        ago = timezone.now() - 2 * boot_services.RETRY_AFTER  # a process that was killed thrice is left alone
        BootFiles.objects.exclude(last_error="").update(wanted_at=ago, read_at=ago)
        for _ in range(ROUNDS_TO_REST):
            self.round()
            self.work(Image(), Device(), 0)


@contextmanager
def killed_at_query(number: int) -> Iterator[None]:
    """The process dies before its query of that number."""
    count = 0

    def die(execute: Any, sql: Any, *rest: Any) -> Any:
        nonlocal count
        count += 1
        # What a dead process had not committed, the database takes back.
        if count > number and not str(sql).startswith("ROLLBACK"):
            raise Killed
        return execute(sql, *rest)

    with contextlib.suppress(Killed), connection.execute_wrapper(die):
        yield


@contextmanager
def a_world() -> Iterator[PiWorld]:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        stack.enter_context(
            override_settings(
                IMAGES_PATH=folder / "images", LAYERS_RUN_PATH=folder / "layers", STORAGE_RESERVE_BYTES=1,
                CELERY_TASK_ALWAYS_EAGER=False,
            )
        )  # fmt: skip
        world = PiWorld(folder)
        replaced = {
            "read_boot_files": world.read, "_shown": world.shown,
            "find_initiator": lambda work: Initiator({}),
            "logged_in_now": lambda iqn: any(
                target.iqn == iqn and target.logins for target in world.server.observe().targets
            ),
        }  # fmt: skip
        for attribute, stand_in in replaced.items():
            stack.enter_context(patch.object(boot_files, attribute, stand_in))
        stack.enter_context(patch.object(boot_services, "GIVE_WAY", timedelta(0)))
        yield world


def layers_that_boot() -> list[Layer]:
    """Heads, versions, and overlays with changes that their devices keep."""
    heads = [lineage.head_of(image) for image in Image.objects.all()]
    versions = [version.layer for version in Version.objects.select_related("layer")]
    kept = Export.objects.filter(mode="overlay", persistence=Persistence.KEEP, layer__used_at__isnull=False)
    overlays = [export.layer for export in kept.select_related("layer") if export.layer]
    return [*heads, *versions, *overlays]


@pytest.mark.slow
class Histories(TestCase):
    """Each example has a database and a folder of its own."""

    @given(HISTORIES)
    @example([*BEGUN, ("log in", 0), ("work", 0)])
    @example([*BEGUN, *SESSION, ("work", 0), *SESSION])  # a second time, after it was read
    @example([*BEGUN, ("work", 3)])  # a whole session while it is read
    @example([*BEGUN, ("work", 2), ("work", 0)])
    @example([*BEGUN, ("work", 6)])
    @example(
        [*BEGUN, *SESSION, ("work", 0), ("publish", 0), ("round", 0), *SESSION, ("work", 3), ("roll back", 0)]
    )
    @example([  # published while its machine writes: the version, and the head over it
        ("assign", 0), ("round", 0), ("publish", 0), ("round", 0), ("log in", 0), ("round", 0), ("write", 2),
        ("publish", 0), ("round", 0), ("write", 2), ("log out", 0),
    ])  # fmt: skip
    @example(
        [("import disk", 0), ("round", 0), ("killed work", 14), ("killed work", 20), ("killed work", 25)]
    )
    @hypothesis_settings(max_examples=8, deadline=None)
    def test_every_history_ends_with_the_boot_files_of_the_newest_content(
        self, history: list[tuple[str, int]]
    ) -> None:
        with a_world() as world:
            note(f"history: {history}")
            for deed, number in history:
                world.do(deed, number)
            world.come_to_rest()
            self.check_rest(world)

    def check_rest(self, world: PiWorld) -> None:
        for layer in layers_that_boot():
            content, row = world.content_of(layer), BootFiles.objects.filter(layer=layer).first()
            assert row is not None, f"{layer} was never read"
            assert row.read_at is not None, f"{layer} waits for ever"
            assert row.wanted_at <= row.read_at, f"{layer} is to be read again, and nobody does"
            if content == DAMAGED:
                assert row.state == "failed", f"{layer} is damaged"
            else:
                expected = (str(content), "ready") if content else (None, "none")
                assert (kernel_of(layer), row.state) == expected, f"{layer} has another disk's files"
        self.check_quiet(world)

    def check_quiet(self, world: PiWorld) -> None:
        reads = dict(world.reads)
        for _ in range(3):
            world.round()
            world.work(Image(), Device(), 0)
        assert world.reads == reads, "disks are read again and again"
        folder = Path(settings.IMAGES_PATH) / boot_files.READING_FOLDER
        boot_files.remove_leftovers()
        assert (list(folder.iterdir()) if folder.exists() else []) == []
        assert not Job.objects.filter(kind=JobKind.BOOT_FILES, finished_at=None).exists()
