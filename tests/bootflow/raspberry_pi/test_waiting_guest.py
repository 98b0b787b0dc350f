"""The scripts of the waiting system, as far as this machine's busybox can run them without a Pi."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bootflow.raspberry_pi.waiting import build

HERE = build.HERE
ENCODED = HERE.joinpath("init.sh").read_text().partition("encoded() {")[2].partition("\n}\n")[0]
OBEY = HERE.joinpath("init.sh").read_text().partition("obey() {")[2].partition("\n}\n")[0]


def shell(script: str, *words: str) -> str:
    """What busybox's shell prints."""
    done = subprocess.run(
        ["/bin/busybox", "sh", "-c", script, "sh", *words], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted(HERE.glob("*.sh")), ids=lambda path: path.name)
def test_the_script_is_understood_by_busybox(path: Path) -> None:
    done = subprocess.run(["/bin/busybox", "sh", "-n", str(path)], capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("Raspberry Pi 3 Model B Rev 1.2", "Raspberry%20Pi%203%20Model%20B%20Rev%201.2"),
        ("00000000b66c4c16", "00000000b66c4c16"),
        ("a&b=c%d\ne", "a%26b%3dc%25d%0ae"),
        ("Zz09-._~", "Zz09-.%5f%7e"),
        ("é", "%c3%a9"),
        ("", ""),
    ],
)
def test_what_a_board_says_of_itself_cannot_break_the_question(text: str, encoded: str) -> None:
    assert shell(f'encoded() {{{ENCODED}\n}}\nencoded "$1"', text) == encoded


def obeyed(answer: str) -> list[str]:
    """What is shown, and how the guest goes on after an answer."""
    stubs = 'title=Title\nshow() { echo "$1"; }\nrestart() { echo "(restart after $seconds)"; }\n'
    script = f'{stubs}obey() {{{OBEY}\n}}\nanswer=$1\nobey\necho "($action, $seconds)"'
    return shell(script, answer).splitlines()


def test_an_answer_is_shown_line_by_line() -> None:
    assert obeyed("action wait\nseconds 5\nsay Name: it told none\nsay Code:  7K4Q") == [
        "Title", "Name: it told none", "Code:  7K4Q", "(wait, 5)",
    ]  # fmt: skip


def test_it_restarts_when_told_and_only_then() -> None:
    assert "(restart after 2)" in obeyed("action restart\nseconds 2\nsay Restarting.")
    assert not [line for line in obeyed("action boot\nsay action restart") if "restart after" in line]


@pytest.mark.parametrize("word", ["", "-1", "3; reboot", "99999", "$(reboot)", "x"])
def test_a_time_that_is_no_number_is_three_seconds(word: str) -> None:
    assert obeyed(f"action wait\nseconds {word}")[-1] == "(wait, 3)"


@pytest.mark.parametrize(
    ("answer", "taken"),
    [("action wait\nseconds 3", True), ("#!ipxe\necho The orchestrator is away", False), ("", False),
     ("action", False), ("<html>action wait", False)],
)  # fmt: skip
def test_only_the_orchestrators_own_answer_counts(answer: str, taken: bool) -> None:
    ask = HERE.joinpath("init.sh").read_text().partition("ask() {")[2].partition("\n}\n")[0]
    script = f'timeout() {{ printf "%s" "$given"; }}\nask() {{{ask}\n}}\ngiven=$1\nask && echo taken\n:'
    assert (shell(script, answer) == "taken\n") is taken


def test_nothing_in_an_answer_is_run() -> None:
    shown = obeyed("action wait\nsay $(echo run) `echo run` \"; echo run '")
    assert shown[1] == "$(echo run) `echo run` \"; echo run '"
