"""Measure recorded check-ins: `python -m tests.bench.checkin`; see docs/PERFORMANCE.md for what came out."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.bench.instance import Instance, private_instance

DEVICE_COUNTS = (10, 1_000, 10_000, 100_000)
CLIENT_COUNTS = (1, 16, 100)
WORKERS, THREADS = 2, 4
LUA = """
math.randomseed(os.time() + {seed})
request = function()
    local n = math.random(0, {count} - 1)
    return wrk.format("GET", string.format("/api/v1/boot/check-in?mac=52540%07x", n))
end
done = function(summary, latency, requests)
    io.write(string.format("RESULT %d %d %d %.3f %.3f\\n", summary.requests, summary.duration,
        summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.connect
        + summary.errors.timeout, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""
DISKS = """
INSERT INTO images_storagenode (name, portal_address, portal_port, content_url, observed_target_server,
    observed_orphans, orphans_to_remove, last_error)
VALUES ('local', '127.0.0.1', 3260, '', '', '[]', '[]', '') ON CONFLICT DO NOTHING;
INSERT INTO images_image (id, name, size_bytes, device_type, node_id, state, generation, last_layer_number,
    last_version_number, contents, last_error, created_at, updated_at)
SELECT 'disk-' || d.id, 'disk', 1073741824, 'x64', 'local', 'ready', 1, 1, 0, '{}', '', now(), now()
FROM devices_device d;
INSERT INTO images_export (image_id, device_id, mode, persistence, follows, observed_stale, chap_username,
    chap_secret, observed_state, last_error, created_at)
SELECT 'disk-' || d.id, d.id, 'exclusive', 'keep', '', false, 'u' || d.id, '0123456789abcdef', 'ready', '',
    now()
FROM devices_device d;
ANALYZE;
"""
BARE_TABLES = """
CREATE TABLE bare_device (mac text PRIMARY KEY, image text);
CREATE TABLE bare_event (id bigserial PRIMARY KEY, at timestamptz NOT NULL, mac text, image text);
INSERT INTO bare_device SELECT mac, name FROM devices_device;
ANALYZE bare_device;
"""
EMPTY = "TRUNCATE bootflow_bootevent, bootflow_boot, images_export, images_image, devices_device CASCADE"


@dataclass(frozen=True)
class Figures:
    """What one run of wrk saw."""

    requests: int
    per_second: float
    errors: int
    median_ms: float
    p99_ms: float


def load(port: int, clients: int, devices: int, seconds: int, folder: Path) -> Figures:
    script = folder / "load.lua"
    script.write_text(LUA.format(seed=clients, count=devices))
    done = subprocess.run(
        ["wrk", "-t", str(min(2, clients)), "-c", str(clients), "-d", f"{seconds}s", "--timeout", "5s",
         "-s", str(script), f"http://127.0.0.1:{port}"],
        capture_output=True, text=True, check=True, timeout=seconds + 60,
    )  # fmt: skip
    match = re.search(r"RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    requests, microseconds, errors = (int(match.group(n)) for n in (1, 2, 3))
    return Figures(
        requests, requests / microseconds * 1e6, errors, float(match.group(4)), float(match.group(5))
    )


def connect(instance: Instance) -> psycopg.Connection:
    socket = instance.run / "postgres"
    return psycopg.connect(f"host={socket} user=netboot dbname=netboot", autocommit=True)


def make_devices(instance: Instance, count: int, connection: psycopg.Connection) -> float:
    """Import them as a person would, and give each its disk; returns the seconds of the import."""
    file = instance.path / "devices.csv"
    with file.open("w") as lines:
        lines.write("mac,name,device_type,group\n")
        lines.writelines(f"52540{n:07x},pc-{n},x64,room {n % 50}\n" for n in range(count))
    connection.execute(EMPTY)
    began = time.monotonic()
    instance.manage("import_devices", str(file))
    took = time.monotonic() - began
    connection.execute(DISKS)
    connection.execute("DROP TABLE IF EXISTS bare_device, bare_event")
    connection.execute(BARE_TABLES)
    return took


def count_of(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row
    return int(row[0])


@dataclass(frozen=True)
class Row:
    """One row of the table: ours, and the bare view just before."""

    devices: int
    clients: int
    ours: Figures
    plain: Figures
    lost: int

    @property
    def ratio(self) -> float:
        return self.ours.per_second / self.plain.per_second

    def __str__(self) -> str:
        ours = self.ours
        return (
            f"| {self.devices:,} | {self.clients} | {ours.per_second:,.0f} | {ours.median_ms:.1f} "
            f"| {ours.p99_ms:.1f} | {ours.errors} | {self.lost} | {self.plain.per_second:,.0f} "
            f"| {self.plain.p99_ms:.1f} | {self.ratio:.2f} |"
        )


def measure(
    instance: Instance, connection: psycopg.Connection, clients: int, devices: int, seconds: int
) -> Row:
    """A client that is cut off at the end leaves at most one recorded request without its answer."""
    plain = load(instance.bare_port, clients, devices, seconds, instance.path)
    before = count_of(connection, "bootflow_bootevent")
    ours = load(instance.boot_port, clients, devices, seconds, instance.path)
    time.sleep(0.5)
    recorded = count_of(connection, "bootflow_bootevent") - before
    assert recorded <= ours.requests + clients, f"{recorded} recorded, {ours.requests} answered"
    return Row(devices, clients, ours, plain, max(0, ours.requests - recorded))


HEAD = (
    "| devices | clients | recorded check-ins/s | median ms | p99 ms | errors | lost | bare view/s "
    "| its p99 ms | ratio |\n|---|---|---|---|---|---|---|---|---|---|"
)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def growth(rows: list[Row]) -> str:
    """What a check-in costs with the most devices, against the fewest, each relative to its bare view."""
    few, many = min(row.devices for row in rows), max(row.devices for row in rows)
    costs = []
    for clients in dict.fromkeys(row.clients for row in rows):
        ratio = {row.devices: row.ratio for row in rows if row.clients == clients}
        costs.append(f"{ratio[few] / ratio[many]:.2f} ({clients} clients)")
    return f"Cost with {many:,} devices against {few:,}: {', '.join(costs)}."


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, nargs="*", default=DEVICE_COUNTS)
    parser.add_argument("--clients", type=int, nargs="*", default=CLIENT_COUNTS)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--threads", type=int, default=THREADS)
    options = parser.parse_args()
    rows: list[Row] = []
    imports: list[str] = []
    with private_instance() as instance, connect(instance) as connection:
        boot, plain = "netboot_site.boot_wsgi:application", "tests.bench.bare:application"
        instance.start_application("boot", boot, options.workers, options.threads)
        instance.start_application("bare", plain, options.workers, options.threads)
        instance.start_nginx()
        say(HEAD)
        for devices in options.devices:
            took = make_devices(instance, devices, connection)
            imports.append(f"{devices:,} in {took:.1f} s")
            load(instance.boot_port, 16, devices, 2, instance.path)  # warm up
            for clients in options.clients:
                rows.append(measure(instance, connection, clients, devices, options.seconds))
                say(str(rows[-1]))
    say(f"\n{growth(rows)} Load average at the end: {os.getloadavg()[0]:.1f}.")
    say(f"granian: {options.workers} process with {options.threads} threads.")
    say(f"`manage.py import_devices`, start of Python included: {', '.join(imports)}.")


if __name__ == "__main__":
    main()
