"""A small reader of iPXE scripts: what no loader could get through is named.

Known of iPXE (its script.c, exec.c): a line is a label, a comment or commands joined by `&&` and `||`; a
command that fails with nothing after it ends the script, and so does its last line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Each of our commands with what may stand after it. A value is one line of printable ASCII.
GRAMMAR = {
    "set": r"[a-zA-Z][a-z-]* \S.*",
    "isset": r"\$\{[a-z]+\}",
    "iseq": r"\$\{[a-z]+\} \S+",
    "clear": r"[a-z-]+",
    "echo": r"(\S.*)?",
    "prompt": r"--timeout \d+ \S.*",
    "menu": r"\S.*",
    "item": r"(--gap|[a-z]+\d*) \S.*",
    "choose": r"--default [a-z]+ --timeout \d+ choice",
    "goto": r"[a-z]+\d*|\$\{choice\}",
    "chain": r"--timeout \d+ --autofree --replace http://\S+",
    "sanboot": r"--no-describe --drive 0x80|iscsi:\S*.*",
    "sanunhook": r"--drive 0x80",
    "cpuid": r"--ext 29",
    "kernel": r"http://.+",
    "initrd": r"--name initrd http://.+",
    "exit": r"", "reboot": r"", "boot": r"", "imgfree": r"",
}  # fmt: skip
NEVER_FAILS = {"set", "echo", "item", "exit"}
LEAVES = {"exit", "goto"}


@dataclass(frozen=True)
class Command:
    """One command, and what joins it to the next of its line."""

    name: str
    rest: str
    joint: str  # `&&`, `||` or nothing


def commands(line: str) -> list[Command]:
    """The commands of a line; a joint at its end is followed by the empty command, which succeeds."""
    parts = re.split(r"\s*(&&|\|\|)\s*", line)
    pairs = zip(parts[::2], [*parts[1::2], ""], strict=True)
    made = [(*text.partition(" ")[::2], joint) for text, joint in pairs]
    return [Command(name, rest, joint) for name, rest, joint in made]


def faults(script: str) -> list[str]:
    """What is wrong with a script; empty for one that a loader gets through to an end that was meant."""
    lines = script.removesuffix("\n").split("\n")
    if lines[0] != "#!ipxe" or not script.isascii() or not all(line.isprintable() for line in lines):
        return ["it is no plain script"]
    labels = {line[1:] for line in lines if line.startswith(":")}
    found = [f"{label} stands twice" for label in labels if lines.count(f":{label}") > 1]
    for line in lines[1:]:
        found += _faults_of(line, labels) if not line.startswith(":") else []
    items = {command.rest.split(" ")[0] for line in lines for command in commands(line) if line[:4] == "item"}
    found += [f"the menu offers {item}, which is no label" for item in items - labels - {"--gap"}]
    if lines[-1].split(" ")[0] not in LEAVES:
        found.append(f"it ends with {lines[-1]!r}")
    return found


def _faults_of(line: str, labels: set[str]) -> list[str]:
    found = []
    for command in commands(line):
        if not command.name:
            continue
        shape = GRAMMAR.get(command.name)
        if shape is None or not re.fullmatch(shape, command.rest):
            found.append(f"{command.name} {command.rest!r} is no command of ours")
        if command.name == "goto" and "$" not in command.rest and command.rest not in labels:
            found.append(f"there is no label {command.rest}")
        if command.name not in NEVER_FAILS | {"goto"} and "||" not in line.split(command.name, 1)[1]:
            found.append(f"{line!r} may end the script")
    return found
