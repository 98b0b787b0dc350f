"""Measure imports against the program that unpacks, alone: `python -m tests.bench.importing [MiB]`."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests.bench.upload import timed
from tests.system.instance import Instance, Wire

MIB = 1024**2
ROUNDS = 3
HEAD = (
    "| file | its size (MiB) | by itself MB/s | uploaded MB/s | ratio | from the folder MB/s | ratio |\n"
    "|---|---|---|---|---|---|---|"
)
PACK = {
    "xz": "xz -T0 -1 -c {disk}", "gzip": "gzip -1 -c {disk}", "zstd": "zstd -qc -T0 {disk}",
    "qcow2": "qemu-img convert -f raw -O qcow2 {disk} {packed}",
}  # fmt: skip
ALONE = {
    "xz": "xz -dc -T0 {packed} > {out}", "gzip": "gzip -dc {packed} > {out}",
    "zstd": "zstd -dcq {packed} > {out}", "qcow2": "qemu-img convert -f qcow2 -O raw {packed} {out}",
}  # fmt: skip


def make_disk(path: Path, mib: int) -> None:
    """A third zeros, a sixth noise, the rest like programs: pieces that come again in another order."""
    chance = random.Random(1)
    words = [chance.randbytes(chance.randint(3, 40)) for _ in range(4096)]
    pages = [b"".join(chance.choices(words, k=60_000))[:MIB] for _ in range(16)]
    with path.open("wb") as file:
        for number in range(mib):
            kind = number % 6
            if kind in (2, 5):
                file.write(bytes(MIB))
            elif kind == 4:
                file.write(os.urandom(MIB))
            else:
                turn = chance.randrange(MIB)
                page = chance.choice(pages)
                file.write(page[turn:] + page[:turn])


def pack(kind: str, disk: Path, packed: Path) -> None:
    """The disk in a format; read once, so that both sides find it in memory."""
    command = PACK[kind].format(disk=disk, packed=packed)
    with packed.open("wb") as out:
        subprocess.run(command.split(), stdout=out, check=True, timeout=1200)
    packed.read_bytes()


def alone(kind: str, packed: Path, out: Path) -> float:
    """Seconds of the program by itself, until its bytes are on the disk and take the former ones' place."""
    new = out.with_suffix(".new")
    command = ALONE[kind].format(packed=packed, out=new)
    seconds = timed(["sh", "-c", f"{command} && sync -d {new}"])
    new.rename(out)
    return seconds


def touch_memory(mib: int) -> None:
    """A virtual machine's free memory is its host's: both sides find there as much as they will fill."""
    subprocess.run([sys.executable, "-c", f"bytes([1]) * ({mib} * 1024**2)"], check=True, timeout=60)


def uploaded(instance: Instance, packed: Path) -> float:
    """Seconds from the first byte that is sent until the image is ready."""
    began = time.time()
    url = f"http://{instance.address}:8000/api/v1/images/bench/content"
    words = ["curl", "--fail", "--silent", "--show-error", "-H", f"Authorization: Bearer {instance.token}"]
    timed(instance.wire.inside(*words, "-T", str(packed), url))
    ended = time.time()
    return (ended if is_ready(instance) else end_of_job(instance)) - began


def from_folder(instance: Instance, packed: Path) -> float:
    """Seconds from the request until the image is ready."""
    began = time.time()
    answer = instance.api("POST", "/api/v1/images/bench/import", {"file": packed.name})
    assert answer.status == 202, answer.text
    return end_of_job(instance) - began


def is_ready(instance: Instance) -> bool:
    """Whether the import has ended, and well."""
    image = instance.api("GET", "/api/v1/images/bench").json
    assert (image["state"], image["last_error"]) in {("ready", ""), ("importing", "")}
    return bool(image["state"] == "ready")


def end_of_job(instance: Instance) -> float:
    """When the last job ended, by the clock; it is seldom asked, since answers take time from it."""
    while not is_ready(instance):
        time.sleep(0.5)
    job = max(instance.api("GET", "/api/v1/jobs").json, key=lambda job: job["id"])
    return datetime.fromisoformat(job["finished_at"]).timestamp()


def measure(instance: Instance, kind: str, disk: Path, folder: Path) -> str:
    """Take turns, and tell the best of each: the machine's noise only ever adds."""
    packed = instance.data_path / "import" / f"bench.{kind}"
    pack(kind, disk, packed)
    times: dict[str, list[float]] = {"alone": [], "uploaded": [], "folder": []}
    for _ in range(ROUNDS):
        for name, work in (
            ("alone", lambda: alone(kind, packed, folder / "out.raw")),
            ("uploaded", lambda: uploaded(instance, packed)),
            ("folder", lambda: from_folder(instance, packed)),
        ):
            time.sleep(2)  # the former content is removed meanwhile
            touch_memory(2 * disk.stat().st_size // MIB)
            times[name].append(work())
    size = disk.stat().st_size
    rates = {name: size / 1e6 / min(seconds) for name, seconds in times.items()}
    shares = [rates[name] / rates["alone"] for name in ("uploaded", "folder")]
    packed_mib = packed.stat().st_size // MIB
    packed.unlink()
    row = (
        f"| {kind} | {packed_mib} | {rates['alone']:.0f} | {rates['uploaded']:.0f} | {shares[0]:.2f} "
        f"| {rates['folder']:.0f} | {shares[1]:.2f} |"
    )
    sys.stderr.write(f"{row}\n")
    return row


def main() -> None:
    """One disk in each format."""
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    kinds = sys.argv[2:] or list(PACK)
    folder = Path(tempfile.mkdtemp(prefix="netboot-bench-"))
    folder.chmod(0o755)
    disk = folder / "disk.raw"
    try:
        make_disk(disk, mib)
        with Wire.create() as wire, Instance(wire, folder / "data") as instance:
            body = {"id": "bench", "name": "Bench", "size_gb": mib / 1024, "device_type": "x64"}
            assert instance.api("POST", "/api/v1/images", body).status == 201
            rows = [measure(instance, kind, disk, folder) for kind in kinds]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write("\n".join([f"A disk of {mib} MiB, a third of it zeros.\n", HEAD, *rows]) + "\n")


if __name__ == "__main__":
    main()
