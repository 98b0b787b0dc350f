"""Measure exports and checksums against the tools alone: `python -m tests.bench.jobs [MiB]`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.upload import timed
from tests.system.instance import Instance, Wire, wait_for

MIB = 1024**2
ROUNDS = 3
HEAD = "| work | yardstick | yardstick MB/s | ours MB/s | ratio |\n|---|---|---|---|---|"
IMAGE = "/api/v1/images/bench"


def make_disk(path: Path, mib: int) -> None:
    """A quarter cannot be packed, a quarter can, half is a hole; read once, so that all find it in memory."""
    words = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(30_000))[:MIB]
    with path.open("wb") as file:
        for number in range(mib // 4):
            file.seek(number * 4 * MIB)
            file.write(os.urandom(MIB) + words.ljust(MIB, b"\n"))
        file.truncate(mib * MIB)
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)


def import_disk(instance: Instance, disk: Path, mib: int) -> None:
    """Version 1 is the raw file, version 2 a layer over it."""
    body = {"id": "bench", "name": "Bench", "size_gb": mib / 1024, "device_type": "x64"}
    assert instance.api("POST", "/api/v1/images", body).status == 201
    wait_for(lambda: instance.api("GET", IMAGE).json["state"] == "ready", 30)
    timed(instance.wire.inside(*curl(instance), "-T", str(disk), url(instance, "")))
    for number in (1, 2):
        assert instance.api("POST", f"{IMAGE}/versions", {"comment": str(number)}).status == 201
    wait_for(lambda: all(checksum_seconds(instance)), 600)


def curl(instance: Instance) -> list[str]:
    quiet = ["curl", "--fail", "--silent", "--show-error", "-o", "/dev/null"]
    return [*quiet, "-H", f"Authorization: Bearer {instance.token}"]


def url(instance: Instance, query: str) -> str:
    return f"http://{instance.address}:8000{IMAGE}/content{query}"


def checksum_seconds(instance: Instance) -> list[float]:
    """How long the checksums of both versions took; 0 while that is not known."""
    jobs: list[dict[str, Any]] = instance.api("GET", "/api/v1/jobs?image=bench").json
    found = {job["version"]: job for job in jobs if job["kind"] == "checksum" and job["state"] == "done"}
    return [_seconds(found[number]) if number in found else 0.0 for number in (1, 2)]


def _seconds(job: dict[str, Any]) -> float:
    begun, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return (ended - begun).total_seconds()


def export(instance: Instance, query: str) -> float:
    return timed(instance.wire.inside(*curl(instance), url(instance, query)))


def best(*turns: Any) -> list[float]:
    """Each in turn, and the best of each: the machine's noise only ever adds."""
    rounds = [[turn() for turn in turns] for _ in range(ROUNDS)]
    return [min(seconds) for seconds in zip(*rounds, strict=True)]


def measure(instance: Instance, disk: Path, folder: Path) -> list[tuple[str, str, float, float]]:
    """What was done, beside what, and the seconds of both."""
    convert = ["qemu-img", "convert", "-O", "qcow2", str(disk), str(folder / "copy.qcow2")]
    checksums, sums = checksum_seconds(instance), timed(["sha256sum", str(disk)])
    rows = [
        ("checksum of a raw version", "`sha256sum`", sums, checksums[0]),
        ("checksum of a layer over it", "`sha256sum`", sums, checksums[1]),
    ]
    for name, yardstick, alone, query in [
        ("export, raw", "`curl file://`", ["curl", "-s", "-o", "/dev/null", f"file://{disk}"], "raw"),
        ("export, qcow2", "`qemu-img convert`", convert, "qcow2"),
        ("export, zst", "`zstd -T0 -3`", ["zstd", "-qfT0", "-3", str(disk), "-o", "/dev/null"], "zst"),
    ]:  # fmt: skip
        for version, what in ((1, "a raw version"), (2, "a layer over it")):
            ours = f"?version={version}&format={query}"
            seconds = best(lambda argv=alone: timed(argv), lambda asked=ours: export(instance, asked))
            rows.append((f"{name}, of {what}", yardstick, *seconds))
    return rows


def main() -> None:
    """All rates count the disk's whole size, holes too."""
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    folder = Path(tempfile.mkdtemp(prefix="netboot-bench-"))
    folder.chmod(0o755)
    disk = folder / "disk.raw"
    try:
        make_disk(disk, mib)
        with Wire.create() as wire, Instance(wire, folder / "data") as instance:
            import_disk(instance, disk, mib)
            time.sleep(2)
            rows = measure(instance, disk, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lines = [
        f"| {what} | {beside} | {mib * MIB / 1e6 / alone:.0f} | {mib * MIB / 1e6 / ours:.0f} "
        f"| {alone / ours:.2f} |"
        for what, beside, alone, ours in rows
    ]
    sys.stdout.write("\n".join([HEAD, *lines]) + "\n")


if __name__ == "__main__":
    main()
