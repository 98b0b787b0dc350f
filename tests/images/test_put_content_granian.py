"""Uploads through granian itself: bodies are streamed, connections break, processes are killed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from images.models import Image, ImageState
from tests.conftest import Api
from tests.images.tgtd import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024
TOTAL = 64 * MIB


class Granian:
    """A storage node's HTTP process on a socket of its own."""

    def __init__(self, folder: Path, data_path: Path) -> None:
        self.socket_path = folder / "http.sock"
        host = quote(str(settings.POSTGRES_SOCKET_PATH), safe="")
        name = connection.settings_dict["NAME"]
        database = f"postgresql://netboot@{host}/{name}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "granian", "--interface", "wsgi", "--uds", str(self.socket_path),
             "--workers", "1", "--blocking-threads", "2", "netboot_site.wsgi:application"],
            env={**os.environ, "DATABASE_URL": database, "DATA_PATH": str(data_path)},
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self.listens, 20, "granian listens")

    def listens(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(30)
        made.connect(str(self.socket_path))
        return made

    def memory_bytes(self) -> int:
        """Of it and its worker."""
        listed = subprocess.run(
            ["ps", "-o", "rss=", "-g", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        return sum(map(int, listed.stdout.split())) * 1024

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def granian(images_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Granian]:
    folder = Path(f"/tmp/nb-g{os.getpid()}")
    folder.mkdir(exist_ok=True)
    made = Granian(folder, images_path.parent)
    yield made
    if made.process.poll() is None:
        made.kill()
    made.socket_path.unlink(missing_ok=True)
    folder.rmdir()


@pytest.fixture
def image(make_image: Callable[..., Image], converge: Callable[[], None]) -> Image:
    made = make_image("disk1", MIB)
    converge()
    made.refresh_from_db()
    return made


def head(api: Api, length: int, content_range: str = "") -> bytes:
    lines = [
        "PUT /api/v1/images/disk1/content HTTP/1.1", "Host: x", f"Authorization: Bearer {api.token}",
        f"Content-Length: {length}", *([f"Content-Range: {content_range}"] if content_range else []),
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(sock: socket.socket) -> int:
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    return answer.status


def state_of(image: Image) -> tuple[str, int | None]:
    image.refresh_from_db()
    return image.state, image.upload_received_bytes


def test_a_large_body_goes_through_without_being_held_in_memory(
    granian: Granian, image: Image, api: Api, images_path: Path
) -> None:
    piece, total = os.urandom(MIB), 300 * MIB
    with granian.connect() as sock:
        sock.sendall(head(api, total))
        sock.sendall(piece)
        before = granian.memory_bytes()
        for _ in range(total // MIB - 1):
            sock.sendall(piece)
        grown = granian.memory_bytes() - before
        assert status_of(sock) == 202
    image.refresh_from_db()
    assert image.size_bytes == total
    assert grown < 100 * MIB, f"{grown / MIB:.0f} MiB of memory for a body of {total / MIB:.0f} MiB"


def test_a_cut_connection_leaves_its_bytes_to_go_on_from(
    granian: Granian, image: Image, api: Api, images_path: Path
) -> None:
    data = os.urandom(MIB)
    with granian.connect() as sock:
        sock.sendall(head(api, TOTAL))
        for _ in range(10):
            sock.sendall(data)
    wait_until(
        lambda: state_of(image)[0] == ImageState.READY and state_of(image)[1], 20, "the cut is noticed"
    )
    received = image.upload_received_bytes
    assert received is not None
    assert 0 < received <= 10 * MIB
    with granian.connect() as sock:
        sock.sendall(head(api, TOTAL - received, f"bytes {received}-{TOTAL - 1}/{TOTAL}"))
        sock.sendall((data * 64)[received:])
        assert status_of(sock) == 202
    image.refresh_from_db()
    assert (images_path / image.head_name).read_bytes() == data * 64


def test_a_second_upload_is_refused_while_one_runs(granian: Granian, image: Image, api: Api) -> None:
    with granian.connect() as first, granian.connect() as second:
        first.sendall(head(api, TOTAL) + b"x" * MIB)
        wait_until(lambda: state_of(image)[0] == ImageState.IMPORTING, 20, "the first one runs")
        second.sendall(head(api, 4) + b"abcd")
        assert status_of(second) == 409


def test_a_killed_process_leaves_the_old_content_and_the_converger_frees_the_image(
    granian: Granian, image: Image, api: Api, images_path: Path, converge: Callable[[], None]
) -> None:
    (images_path / image.head_name).write_bytes(b"old" + bytes(MIB - 3))
    with granian.connect() as sock:
        sock.sendall(head(api, TOTAL) + b"n" * MIB)
        wait_until(lambda: state_of(image)[0] == ImageState.IMPORTING, 20, "the upload runs")
        converge()
        assert state_of(image)[0] == ImageState.IMPORTING, "a live upload is left alone"
        granian.kill()

    def freed() -> bool:
        converge()
        return state_of(image)[0] == ImageState.READY

    wait_until(freed, 10, "the image is ready again")
    assert (images_path / image.head_name).read_bytes()[:3] == b"old"
    assert image.generation == 1
