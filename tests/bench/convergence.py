"""How long storage takes to mend itself: `python -m tests.bench.convergence [IMAGES]`.

Prints one row for docs/PERFORMANCE.md: all disks new, a quiet round, and the round after tgtd was killed.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests import early  # noqa: F401  # a private PostgreSQL, before Django's settings are read

HEADER = (
    "| disks | all new (s) | a quiet round (ms) | its CPU (ms) | its queries | after tgtd was killed (s) "
    "| tgtd's memory (MiB) |\n|---|---|---|---|---|---|---|"
)
SIZE_BYTES = 64 * 1024 * 1024
QUIET_ROUNDS = 20


def make_rows(count: int) -> None:
    """That many images, each with its device."""
    from devices.models import Device
    from images.models import Export, Image, Layer, StorageNode
    from tests.images.tgtd import PORTAL_ADDRESS

    node = StorageNode.objects.create(name="local", portal_address=PORTAL_ADDRESS)
    macs = [f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}" for number in range(count)]
    devices = Device.objects.bulk_create(Device(mac=mac, name=mac, device_type="x64") for mac in macs)
    images = Image.objects.bulk_create(
        Image(id=f"disk{number}", name=f"Disk {number}", size_bytes=SIZE_BYTES, device_type="x64", node=node)
        for number in range(count)
    )
    Layer.objects.bulk_create(
        Layer(image=image, number=1, format="raw", size_bytes=SIZE_BYTES) for image in images
    )
    Export.objects.bulk_create(
        Export(image=image, device=device, chap_username=f"{image.id}.abcdef", chap_secret="s" * 16)
        for image, device in zip(images, devices, strict=True)
    )


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def cpu_seconds() -> float:
    """What this process and the programs it started have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def queries_of(work: Callable[[], object]) -> int:
    """How many statements it sends to the database."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


def measure(count: int) -> str:
    """The row of the table."""
    from images.convergence.round import converge_node
    from images.models import Export, StorageNode
    from images.qemu import QemuLayerStore
    from tests.images.tgtd import Namespace, Tgtd

    make_rows(count)
    namespace = Namespace()
    tgtd = Tgtd(namespace)
    store = QemuLayerStore(tgtd.folder / "layers")
    try:
        node = StorageNode.objects.get()

        def work() -> None:
            converge_node(node, tgtd.server, store)

        first = seconds(work)
        assert Export.objects.filter(observed_state="ready").count() == count
        work()
        cpu = cpu_seconds()
        quiet = statistics.median(seconds(work) for _ in range(QUIET_ROUNDS))
        cpu = (cpu_seconds() - cpu) / QUIET_ROUNDS
        queries = queries_of(work)
        tgtd.kill()
        work()
        assert not Export.objects.filter(observed_state="ready").exists()
        tgtd.start()
        rebuilt = seconds(work)
        assert Export.objects.filter(observed_state="ready").count() == count
        assert tgtd.process is not None
        memory = memory_mib(tgtd.process.pid)
    finally:
        tgtd.remove()
        namespace.remove()
    cells = (count, f"{first:.1f}", f"{quiet * 1000:.0f}", f"{cpu * 1000:.0f}", queries)
    return f"| {' | '.join(map(str, cells))} | {rebuilt:.1f} | {memory:.0f} |"


def main() -> None:
    """Prepare a database of its own, measure, print."""
    import django
    from django.db import connection

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")
    django.setup()
    connection.creation.create_test_db(verbosity=0)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(HEADER)  # noqa: T201
    print(measure(count))  # noqa: T201
    connection.close()  # the private PostgreSQL waits for it at its end


if __name__ == "__main__":
    main()
