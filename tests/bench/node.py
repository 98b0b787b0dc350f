"""A storage node to measure: a database, real files, a real tgtd and real layer processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests import early  # noqa: F401  # a private PostgreSQL, before Django's settings are read

if TYPE_CHECKING:
    from devices.models import Device
    from images.models import Export

_SPEED = re.compile(r"iops average \d+ \((\d+) MB/s\)")


class Node:
    """The node, and devices that are given disks of it."""

    def __init__(self, folder: Path) -> None:
        from images.models import StorageNode
        from images.qemu import QemuLayerStore
        from tests.images.tgtd import PORTAL_ADDRESS, Namespace, Tgtd

        self.row = StorageNode.objects.create(name="local", portal_address=PORTAL_ADDRESS)
        self.images = folder / "images"
        self.run = folder / "run"
        self.store = QemuLayerStore(self.run)
        self.namespace = Namespace()
        self.tgtd = Tgtd(self.namespace)

    def converge(self) -> None:
        """One round."""
        from images.convergence.round import converge_node
        from images.models import StorageNode

        converge_node(StorageNode.objects.get(), self.tgtd.server, self.store)

    def settle(self, done: Callable[[], bool], seconds: float = 120) -> None:
        """Rounds until it is so."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "the node does not settle"
            self.converge()

    def remove(self) -> None:
        """Nothing is left."""
        for name in self.store.observe():
            self.store.stop(name)
        self.tgtd.remove()
        self.namespace.remove()


@contextmanager
def storage_node() -> Iterator[Node]:
    """A node with a database and a folder of its own."""
    import django
    from django.conf import settings
    from django.db import connection

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")
    django.setup()
    connection.creation.create_test_db(verbosity=0)
    folder = Path(tempfile.mkdtemp(prefix="nb-bench-", dir="/var/tmp"))  # a disk, not memory
    settings.IMAGES_PATH = folder / "images"
    node = Node(folder)
    try:
        yield node
    finally:
        node.remove()
        shutil.rmtree(folder)
        connection.close()  # the private PostgreSQL waits for it at its end


def make_devices(count: int) -> list[Device]:
    """That many PCs."""
    from devices.services import register_device

    macs = [f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}" for number in range(count)]
    return [register_device(mac=mac, device_type="x64", name=f"pc-{at}") for at, mac in enumerate(macs)]


def all_ready(exports: list[Export]) -> bool:
    """Whether each of them can be booted from."""
    from images.models import Export

    keys = [export.pk for export in exports]
    return Export.objects.filter(pk__in=keys, observed_state="ready").count() == len(keys)


def read_together(node: Node, exports: list[Export], seconds: int) -> int:
    """MB/s of all together: each logs in and reads its whole disk in order, again and again."""
    from tests.images.tgtd import PORTAL

    clients = []
    for export in exports:
        account = f"{export.chap_username}%{export.chap_secret}"
        url = f"iscsi://{account}@{PORTAL}/{export.iqn}/1"
        # Now and then iscsi-perf misses its own end; it tells its average all the time, so it is ended then.
        words = ["timeout", str(seconds + 2), "iscsi-perf", "-i", export.initiator_name]
        argv = node.namespace.inside(*words, "-m", "8", "-b", "1024", "-t", str(seconds), url)
        clients.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    return sum(_speed(client.communicate(timeout=seconds + 60)[0]) for client in clients)


def _speed(output: str) -> int:
    found = _SPEED.findall(output.replace("\r", "\n"))
    assert found, output[-500:]
    return int(found[-1])
