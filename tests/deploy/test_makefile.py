"""The commands that are promised, and what continuous integration calls."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TARGETS = {
    "up": ("deploy/setup.sh\n", "manage.py up\n"),
    "storage-node": ("deploy/setup.sh\n", "manage.py storage_node\n"),
    "down": ("manage.py down\n",),
    "test": ("deploy/setup.sh test\n", "-m pytest -n 2 --dist loadfile --no-loadscope-reorder\n"),
    "check": ("deploy/setup.sh test\n", "deploy/check.sh\n"),
    "demo": ("deploy/setup.sh test\n", "manage.py demo\n"),
    "bench": ("deploy/setup.sh test\n", "-m tests.bench\n"),
    "screenshots": ("deploy/setup.sh test\n", "-m tests.browser.screenshots\n"),
    "lock": ("deploy/setup.sh test\n", "deploy/lock.sh\n"),
    "setup": ("deploy/setup.sh\n",),
}


def make(*words: str) -> str:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", *words], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_installs_what_it_needs_and_then_does_its_work(target: str) -> None:
    shown = make("--dry-run", "--always-make", target)
    places = [shown.find(command) for command in TARGETS[target]]
    assert -1 not in places, f"{TARGETS[target]} is not all in:\n{shown}"
    assert places == sorted(places), f"in another order:\n{shown}"


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_of_that_name_does_not_keep_a_target_from_running(target: str) -> None:
    assert re.search(rf"^\.PHONY:.*\b{target}\b", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def test_without_a_word_make_lists_every_target_with_what_it_does() -> None:
    listed = dict(line.split("\t", 1) for line in make().splitlines())
    assert TARGETS.keys() <= listed.keys()
    assert all(listed.values())


def test_what_targets_run_exists() -> None:
    for path in (
        "manage.py",
        "deploy/setup.sh",
        "deploy/check.sh",
        "deploy/lock.sh",
        "tests/bench/__main__.py",
    ):
        assert (PROJECT / path).exists(), path
    assert (PROJECT / "tests/browser/screenshots.py").exists()


@pytest.mark.parametrize(
    ("fails", "called", "code"),
    [("", ["check", "test"], 0), ("check", ["check"], 1), ("test", ["check", "test"], 1)],
)
def test_continuous_integration_runs_check_and_test_and_fails_with_either(
    tmp_path: Path, fails: str, called: list[str], code: int
) -> None:
    shutil.copytree(PROJECT / ".ci", tmp_path / ".ci")
    assert os.access(PROJECT / ".ci" / "run", os.X_OK)
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "make"
    stand_in.write_text('#!/bin/bash\nread -r line && exit 9\necho "$1" >>"$CALLS"\ntest "$1" != "$FAILS"\n')
    stand_in.chmod(0o755)
    variables = {
        "PATH": f"{stand_in.parent}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "FAILS": fails,
    }
    argv = [str(tmp_path / ".ci" / "run")]
    done = subprocess.run(
        argv, env={**os.environ, **variables}, cwd="/", input="typed", text=True, timeout=20
    )
    assert (tmp_path / "calls").read_text().split() == called
    assert min(done.returncode, 1) == code


def check_with(tmp_path: Path, failing: str) -> subprocess.CompletedProcess[str]:
    """`make check` in a copy whose tools are stand-ins, one of which finds something."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(PROJECT / "deploy/check.sh", tmp_path / "deploy")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("ruff", "mypy", "lint-imports", "djade", "python"):
        tool = tmp_path / ".venv/bin" / name
        tool.write_text(f'#!/bin/bash\ncase "$*" in {failing or "nothing"}) echo "found: $*"; exit 1; esac\n')
        tool.chmod(0o755)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return subprocess.run([tmp_path / "deploy/check.sh"], capture_output=True, text=True, timeout=20)


STEPS = {"format": "format*", "lint": "check?.", "migrations": "*makemigrations*", "deployment": "*--deploy*"}


@pytest.mark.parametrize("name", STEPS)
def test_a_finding_fails_the_check_is_shown_and_the_rest_is_looked_at(tmp_path: Path, name: str) -> None:
    done = check_with(tmp_path, STEPS[name])
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert f"FAILED  {name}" in lines
    assert any(line.startswith("        found: ") for line in lines), lines
    assert sum(line.startswith("ok ") for line in lines) == 6, lines
    assert done.stderr == f"failed: {name}\n"


def test_a_clean_tree_passes_the_check(tmp_path: Path) -> None:
    done = check_with(tmp_path, "")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.count("ok ") == 7
