"""Measure every page, live part and list of the API: `python -m tests.bench.pages`."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from tests.bench.instance import ROOT, Instance, private_instance

SIZES = ((1, 10), (1_000, 100_000), (10_000, 100_000))  # devices, boot events
LISTS = [
    "/api/v1/devices?limit=100", "/api/v1/images?limit=100", "/api/v1/boots?limit=50", "/api/v1/dashboard",
    "/api/v1/unknown-devices", "/api/v1/storage", "/api/v1/kernel-sets", "/api/v1/os-installers",
]  # fmt: skip
FILTERED = [
    "/devices/?q=lab-00&sort=name",
    "/devices/?page=5",
    "/boots/?outcome=failed",
    "/boots/?mac=52:54:00",
]
FILES = ("/devices/export/",)  # a file of all devices is no page
TIMES = 15
LIMIT_MS = 200.0
DEVICES_LIMIT_MS = {10_000: 300.0}  # the devices page with so many of them


@dataclass(frozen=True)
class Figures:
    """What one address cost."""

    statements: int
    median_ms: float
    p95_ms: float


def fill(instance: Instance, devices: int, events: int) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.bench.page_rows", str(devices), str(events)]
    done = subprocess.run(
        argv, env=instance.environment, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


class Visitor:
    """A signed-in person's browser, as far as it asks for pages."""

    def __init__(self, instance: Instance, found: dict[str, Any]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", instance.boot_port, timeout=60)
        self._page = {"Cookie": f"sessionid={found['session']}", "Accept": "text/html"}
        self._api = {"Authorization": f"Bearer {found['token']}"}

    def get(self, path: str) -> tuple[int, int, float]:
        """Status, statements and milliseconds of one answer."""
        headers = self._api if path.startswith("/api/") else self._page
        began = time.perf_counter()
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        took = (time.perf_counter() - began) * 1000
        assert "X-Statements" in answer.headers, f"{path}: {answer.status}"
        return answer.status, int(answer.headers["X-Statements"]), took

    def measure(self, path: str) -> Figures | None:
        """None where there is no page for these rows."""
        if self.get(path)[0] not in (200, 204):
            return None
        self.get(path)
        seen = [self.get(path) for _ in range(TIMES)]
        taken = [took for _, _, took in seen]
        slow = statistics.quantiles(taken, n=20)[-1]
        return Figures(max(count for _, count, _ in seen), statistics.median(taken), slow)


def measure(instance: Instance, devices: int, events: int) -> dict[str, Figures]:
    """Name -> its figures; a page is called by its pattern, so that it has one name whatever the rows."""
    found = fill(instance, devices, events)
    visitor = Visitor(instance, found)
    named = {"a bare view": "/bare/", **{path: path for path in FILTERED + LISTS}}
    for path, pattern in found["pages"].items():
        named.setdefault(f"/{pattern}", path)
    figures = {name: visitor.measure(path) for name, path in named.items()}
    return {name: one for name, one in figures.items() if one is not None}


def limit_of(name: str, devices: int) -> float:
    return DEVICES_LIMIT_MS.get(devices, LIMIT_MS) if name.startswith("/devices/") else LIMIT_MS


def table(seen: dict[int, dict[str, Figures]]) -> list[str]:
    """A row for each page: statements with few and with many rows; times at each size, also as bare views."""
    sizes = [size for size in seen if size > 1]
    head = "| page | statements, 1 row | rows by the thousand |"
    head += "".join(f" p50 ms, {size:,} | p95 ms | times a bare view |" for size in sizes)
    lines = [head, "|" + "---|" * (head.count("|") - 1)]
    for name in seen[sizes[-1]]:
        few = seen[1].get(name)
        cells = [f"`{name}`", str(few.statements) if few else "", str(seen[sizes[-1]][name].statements)]
        for size in sizes:
            one, plain = seen[size].get(name), seen[size]["a bare view"]
            cells += (
                [f"{one.median_ms:.1f}", f"{one.p95_ms:.1f}", f"{one.median_ms / plain.median_ms:.0f}"]
                if one
                else ["", "", ""]
            )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def slow(seen: dict[int, dict[str, Figures]]) -> list[str]:
    return [
        f"`{name}` with {size:,} devices ({one.p95_ms:.0f} ms)"
        for size, figures in seen.items()
        for name, one in figures.items()
        if size > 1 and one.p95_ms > limit_of(name, size) and name not in FILES
    ]


def growing(seen: dict[int, dict[str, Figures]]) -> list[str]:
    """Pages whose statements grow with the rows; a page that is empty with one row asks for less there."""
    few, many = seen[min(size for size in seen if size > 1)], seen[max(seen)]
    return [
        f"`{name}`" for name, one in many.items() if name in few and one.statements > few[name].statements
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, help="instead of 100,000 for the larger sizes")
    options = parser.parse_args()
    seen: dict[int, dict[str, Figures]] = {}
    with private_instance() as instance:
        instance.manage("collectstatic", "--no-input")
        instance.start_application("boot", "tests.bench.counted:application", 1, 4)
        instance.start_nginx()
        for devices, events in SIZES:
            seen[devices] = measure(instance, devices, options.events or events if devices > 1 else events)
    sys.stdout.write("\n".join(table(seen)) + "\n\n")
    sys.stdout.write(f"Slower than the limit at the 95th percentile: {', '.join(slow(seen)) or 'none'}.\n")
    sys.stdout.write(f"More statements with more rows: {', '.join(growing(seen)) or 'none'}.\n")
    sys.stdout.write(f"Load average at the end: {os.getloadavg()[0]:.1f}.\n")


if __name__ == "__main__":
    main()
