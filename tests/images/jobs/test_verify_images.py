"""manage.py verify_images: a line for each version, and an exit code that a script can trust."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from images import services
from images.disk_reading import layer_path
from images.jobs.round import work_once
from images.models import Image, Job, Layer, Version
from netboot_site import system
from tests.images.jobs.conftest import SIZE
from tests.images.jobs.disks import MIB, add_version, content, sha256
from tests.images.tgtd import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_qemu_storage]
FIRST, SECOND = {0: b"boot", 2 * MIB: os.urandom(MIB)}, {MIB: b"more"}


def verify(*images: str) -> str:
    out = io.StringIO()
    call_command("verify_images", *images, stdout=out)
    return out.getvalue()


def verify_damaged(*images: str) -> tuple[str, str]:
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("verify_images", *images, stdout=out)
    assert error.value.returncode == 1
    return out.getvalue(), str(error.value)


@pytest.fixture
def versions(image: Image) -> list[Version]:
    return [add_version(image, FIRST), add_version(image, SECOND)]


def test_intact_versions_are_told_with_their_checksums(versions: list[Version]) -> None:
    assert verify().splitlines() == [
        f"version 1 of disk1: intact, SHA-256 {sha256(content(SIZE, FIRST))}",
        f"version 2 of disk1: intact, SHA-256 {sha256(content(SIZE, FIRST, SECOND))}",
        "2 of 2 versions are intact.",
    ]
    assert verify("disk1").splitlines()[-1] == "2 of 2 versions are intact."


def test_a_changed_byte_is_found_in_every_version_that_shows_it(versions: list[Version]) -> None:
    verify()
    path = layer_path(versions[0].layer)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(2 * MIB)
        file.write(b"??")
    path.chmod(0o444)
    told, error = verify_damaged("disk1")
    changed = "DAMAGED: Its content is not what was published: its SHA-256 has changed."
    assert told.splitlines() == [f"version 1 of disk1: {changed}", f"version 2 of disk1: {changed}"]
    assert error == "2 of 2 versions are damaged or missing."
    assert str(settings.IMAGES_PATH) not in told + error


def test_a_missing_file_is_told(versions: list[Version]) -> None:
    layer_path(versions[1].layer).unlink()
    told, error = verify_damaged()
    assert "version 1 of disk1: intact" in told
    assert "version 2 of disk1: DAMAGED: The file of layer 2 of disk1 is missing" in told
    assert error == "1 of 2 versions are damaged or missing."


def test_only_the_named_images_are_read(versions: list[Version], make_image: Callable[..., Image]) -> None:
    layer_path(versions[0].layer).unlink()
    add_version(make_image("disk2", SIZE), FIRST)
    assert verify("disk2").splitlines()[-1] == "1 of 1 versions are intact."


def test_an_unknown_image_is_told(db: None) -> None:
    with pytest.raises(CommandError, match="There is no image 'nothing'"):
        verify("nothing")


def test_a_version_that_is_still_written_is_left_alone(versions: list[Version]) -> None:
    Layer.objects.filter(pk=versions[1].layer_id).update(observed_frozen_at=None)
    assert "version 2 of disk1: not yet frozen, not looked at" in verify()


def test_what_another_nodes_worker_must_read_is_waited_for(versions: list[Version]) -> None:
    services.register_node(name="other", portal_address="10.66.0.2", portal_port=3260)
    Image.objects.update(node="other")

    def work() -> None:
        wait_until(lambda: Job.objects.exists(), 20, "the command asks for a checksum")
        wait_until(lambda: not work_once("other") and Job.objects.count() == 2, 20, "both are done")
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert verify().splitlines()[-1] == "2 of 2 versions are intact."
    worker.join(20)


def test_root_goes_on_as_the_files_owner(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 12345, 12346)
    child = os.fork()
    if child == 0:
        system.act_as_owner_of(tmp_path)
        os._exit(0 if (os.getuid(), os.getgid(), os.getgroups()) == (12345, 12346, []) else 1)
    assert os.waitpid(child, 0)[1] == 0
    system.act_as_owner_of(Path("/"))
    assert os.geteuid() == 0
