"""The house's rules, held by reading the code."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FUNCTION_LINES = 50
LONGEST_TASK_LINES = 10
ROOMS = ("netboot_site", "devices", "images", "bootflow")


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _sources(*, with_tests: bool = False) -> list[Path]:
    rooms = (*ROOMS, "deploy", "tests") if with_tests else (*ROOMS, "deploy")
    files = _tracked("*.py")
    return [f for f in files if f.relative_to(ROOT).parts[0] in rooms and "migrations" not in f.parts]


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{_place(path, node)} {node.name}: {_lines(node)} lines"
        for path in _sources(with_tests=True)
        for node in _functions(path)
        if _lines(node) > LONGEST_FUNCTION_LINES
    ]
    assert long == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _sources()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_every_task_is_short_and_names_its_time_limits() -> None:
    wrong = []
    for path in _tracked("*/tasks.py"):
        for node in _functions(path):
            decorators = [ast.unparse(d) for d in node.decorator_list]
            task = next((d for d in decorators if d.startswith("shared_task")), None)
            if task is None:
                continue
            if "soft_time_limit=" not in task or " time_limit=" not in task:
                wrong.append(f"{_place(path, node)} {node.name} names no time limits")
            if _lines(node) > LONGEST_TASK_LINES:
                wrong.append(f"{_place(path, node)} {node.name} has {_lines(node)} lines")
    assert wrong == []


def test_tasks_are_sent_on_commit_only() -> None:
    sent = re.compile(r"\.(delay|apply_async|s|si)\(")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _sources()
        if path.name not in {"celery.py"}
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if sent.search(line) and "delay_on_commit" not in line
    ]
    assert wrong == []


def test_there_is_no_room_for_things_without_a_place() -> None:
    assert [p.name for p in _tracked("*/utils.py", "*/helpers.py", "*/common.py", "*/signals.py")] == []


@pytest.mark.parametrize(
    "pattern",
    [r"shell\s*=\s*True", r"os\.system\(", r"\bos\.popen\(", r"except\s*:", r"except (Base)?Exception\b"],
)
def test_nothing_reaches_for_a_shell_or_swallows_every_error(pattern: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _sources()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert wrong == []


def test_services_take_keywords_only() -> None:
    wrong = [
        f"{_place(path, node)} {node.name}"
        for path in _tracked("*/services.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.args.args
    ]
    assert wrong == []


def test_lock_files_hold_hashes_and_no_addresses() -> None:
    for lock in _tracked("requirements*.lock"):
        text = lock.read_text()
        assert "--hash=sha256:" in text, lock.name
        assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links", text), lock.name


def test_templates_hold_no_inline_script_and_no_inline_style() -> None:
    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+=|\sstyle=|<style", re.IGNORECASE)
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in _tracked("*.html")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if inline.search(line)
    ]
    assert wrong == []
