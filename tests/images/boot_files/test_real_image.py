"""A disk laid out as Raspberry Pi OS is, from the archive that a person imports to rows of boot files."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devices.models import Device
from images import lineage, services
from images.jobs.round import work_once
from images.models import BootFile, Image, ImageState, Job, JobKind, JobState, Layer, LayerFormat
from tests.conftest import Api
from tests.images.boot_files.disks import row_of
from tests.images.real_layers import Node, fresh
from tests.images.tgtd import Initiator
from tests.pi.image import DISK_BYTES, pi_image_xz
from tests.pi.options import DISK_ID

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MIB = 1024 * 1024


@pytest.fixture
def empty(settings: Any, tmp_path: Path, make_image: Callable[..., Image]) -> Image:
    """An image, and the archive in the import folder."""
    settings.IMPORT_PATH = tmp_path / "import"
    settings.IMPORT_PATH.mkdir()
    (settings.IMPORT_PATH / "raspios.img.xz").hardlink_to(pi_image_xz())
    return make_image("raspios", 64 * MIB, "raspi")


def import_it(image: Image, converge: Callable[[], None]) -> Layer:
    """Through the importer, until its boot files are read."""
    converge()
    details = {"source": "file", "name": "raspios.img.xz"}
    job = services.request_import(image=Image.objects.get(pk=image.pk), details=details)
    assert work_once("local")
    job.refresh_from_db()
    assert (job.state, job.last_error) == (JobState.DONE, "")
    converge()
    read_all()
    return lineage.head_of(Image.objects.get(pk=image.pk))


def read_all() -> None:
    """Every job of boot files that there is to do."""
    services.request_boot_files(node="local")
    while Job.objects.filter(kind=JobKind.BOOT_FILES, finished_at=None).exists():
        assert work_once("local")
    failed = Job.objects.filter(kind=JobKind.BOOT_FILES).exclude(state=JobState.DONE)
    assert list(failed.values_list("state", "last_error")) == []


def content(layer: Layer, path: str) -> bytes:
    sha256 = BootFile.objects.get(boot_files__layer=layer, path=path).blob_id
    data = b"".join(services.blob_pieces(sha256=sha256))
    assert hashlib.sha256(data).hexdigest() == sha256, f"{path} is damaged"
    return data


def test_an_imported_archive_is_ready_to_boot_a_raspberry_pi(
    empty: Image, converge: Callable[[], None], api: Api
) -> None:
    head = import_it(empty, converge)
    row = row_of(head)
    assert (row.state, row.last_error, row.facts["warnings"]) == ("ready", "", [])
    assert row.facts["initramfs"][0]["iscsi"] == "added", "its initramfs cannot reach a disk"
    assert row.facts["root"] == f"PARTUUID={DISK_ID:08x}-02"
    names = set(row.files.values_list("path", flat=True))
    assert {"kernel8.img", "initramfs8", "config.txt", "start4.elf", "overlays/vc4-kms-v3d.dtbo"} <= names
    assert b"auto_initramfs=1" in content(head, "config.txt")
    assert content(head, "kernel8.img")[:2] == b"\x1f\x8b", "not the gzip that Raspberry Pi OS has"
    told = api.get("/api/v1/images/raspios").json()["boot_files"]
    assert (told["state"], told["warnings"], told["last_error"]) == ("ready", [], "")
    assert told["kernels"][0] == row.facts["kernels"][0]
    assert set(told) == {"state", "read_at", "last_error", "warnings", "kernels"}


@pytest.mark.real_tgtd
@pytest.mark.real_qemu_storage
def test_a_layer_over_it_is_read_where_its_machine_has_it(
    empty: Image, lab: Node, make_device: Callable[..., Device], initiator: Callable[[Any], Initiator],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr("images.logins.local_server", lambda: lab.tgtd.server)
    first = import_it(empty, lab.round)
    export = services.assign_image(image=empty, device=make_device(7, "raspi"))
    services.publish_version(image=Image.objects.get(state=ImageState.READY))
    for _ in range(3):
        lab.round()
    head = lineage.head_of(Image.objects.get())
    assert head.format == LayerFormat.QCOW2
    assert content(head, "initramfs8") == content(first, "initramfs8")
    machine = initiator(fresh(export))
    with machine.logged_in():
        lab.round()
    new = edited_boot_partition(tmp_path)
    done = machine.io(f"write -s {new} 8M 96M", "flush")
    assert done.returncode == 0, done.stdout
    lab.round()
    reads = Job.objects.filter(kind=JobKind.BOOT_FILES).count()
    read_all()
    assert Job.objects.filter(kind=JobKind.BOOT_FILES).count() == reads + 1
    assert content(head, "config.txt") == b"arm_64bit=1\n# edited by its machine\n"
    assert content(first, "config.txt") != content(head, "config.txt")
    assert row_of(head).facts["initramfs"] == row_of(first).facts["initramfs"]
    same = content(head, "initramfs8") == content(first, "initramfs8")
    assert same, "the same initramfs is helped to another one at each reading: the database would fill"


def edited_boot_partition(folder: Path) -> Path:
    """As its machine would write it: with another config.txt."""
    disk, text, part = folder / "disk", folder / "config.txt", folder / "part"
    subprocess.run(["xz", "-dc", str(pi_image_xz())], stdout=disk.open("wb"), check=True, timeout=60)
    assert disk.stat().st_size == DISK_BYTES
    text.write_text("arm_64bit=1\n# edited by its machine\n")
    subprocess.run(
        ["mcopy", "-o", "-i", f"{disk}@@{8 * MIB}", str(text), "::/config.txt"], check=True, timeout=60
    )
    with disk.open("rb") as file:
        file.seek(8 * MIB)
        part.write_bytes(file.read(96 * MIB))
    return part
