"""Measure the upload of a raw disk against dd: `python -m tests.bench.upload [MiB]`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.system.instance import Instance, Wire

MIB = 1024**2
ROUNDS = 3
HEAD = "| size | dd MB/s | upload MB/s | ratio |\n|---|---|---|---|"


def timed(argv: list[str]) -> float:
    """Seconds that a command takes; it must succeed."""
    begin = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    seconds = time.monotonic() - begin
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return seconds


def make_disk(path: Path, mib: int) -> None:
    """Bytes that no layer can shrink, read once so that both sides find them in memory."""
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
    path.read_bytes()


def upload(instance: Instance, disk: Path) -> float:
    """Seconds until the answer: by then the bytes are on the disk."""
    url = f"http://{instance.address}:8000/api/v1/images/bench/content"
    words = ["curl", "--fail", "--silent", "--show-error", "-H", f"Authorization: Bearer {instance.token}"]
    return timed(instance.wire.inside(*words, "-T", str(disk), url))


def main() -> None:
    """Take turns, and print the best of each: the machine's noise only ever adds."""
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    folder = Path(tempfile.mkdtemp(prefix="netboot-bench-"))
    folder.chmod(0o755)
    disk, copy = folder / "disk.raw", folder / "copy.raw"
    dd, ours = [], []
    try:
        make_disk(disk, mib)
        with Wire.create() as wire, Instance(wire, folder / "data") as instance:
            body = {"id": "bench", "name": "Bench", "size_gb": mib / 1024, "device_type": "x64"}
            assert instance.api("POST", "/api/v1/images", body).status == 201
            for _ in range(ROUNDS):
                dd.append(timed(["dd", f"if={disk}", f"of={copy}", "bs=1M", "conv=fsync"]))
                copy.unlink()
                ours.append(upload(instance, disk))
                time.sleep(2)  # the former content is removed meanwhile
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rates = [mib * MIB / 1e6 / min(seconds) for seconds in (dd, ours)]
    sys.stdout.write(f"{HEAD}\n| {mib} MiB | {rates[0]:.0f} | {rates[1]:.0f} | {rates[1] / rates[0]:.2f} |\n")


if __name__ == "__main__":
    main()
