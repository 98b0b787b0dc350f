"""`make bench`: runs each measurement and writes its table into docs/PERFORMANCE.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "PERFORMANCE.md"
PARTS = ("startup", "checkin", "convergence", "layers", "disks", "upload", "importing", "jobs", "pi", "pages")


def run(part: str) -> str:
    """What the measurement printed; its progress can be followed meanwhile."""
    argv = [sys.executable, "-m", f"tests.bench.{part}"]
    lines = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(line)
    if process.returncode != 0:
        raise SystemExit(
            f"the measurement {part} ended with {process.returncode}; the page keeps its old table"
        )
    return "".join(lines).strip()


def put(page: str, part: str, table: str) -> str:
    """The page with the part's table in place of its former one."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE.name} has no place for {part}")
    today = datetime.datetime.now(datetime.UTC)
    stamp = f"{today:%Y-%m-%d}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}"
    return pattern.sub(lambda _: f"{begin}\n\nMeasured {stamp}.\n\n{table}\n\n{end}", page)


def main() -> None:
    """Measure the named parts, or all."""
    for part in sys.argv[1:] or PARTS:
        sys.stdout.write(f"\n== {part}\n")
        table = run(part)
        PAGE.write_text(put(PAGE.read_text(), part, table))


if __name__ == "__main__":
    main()
