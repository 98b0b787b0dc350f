"""A boot partition's two files of settings, as text that can be kept and shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

MOST_CONFIG_BYTES = 64 * 1024  # Raspberry Pi OS's has 1 KiB
MOST_CMDLINE_BYTES = 2048  # COMMAND_LINE_SIZE of arm64


@dataclass(frozen=True, slots=True)
class Settings:
    """What was read; `root` is the command line's `root=` without that word."""

    cmdline: str
    config: str
    root: str
    prefix: str  # of the folder that kernel, initramfs and command line are in (os_prefix); mostly empty


def read(files: Mapping[str, Path], warnings: list[str]) -> Settings:
    """What the disk's own say; nothing where one is missing or cannot be one, which is said."""
    config = _text(files, "config.txt", MOST_CONFIG_BYTES, warnings)
    prefix = prefix_in(config, files)
    name = f"{prefix}cmdline.txt" if f"{prefix}cmdline.txt" in files else "cmdline.txt"
    cmdline = one_line(_text(files, name, MOST_CMDLINE_BYTES, warnings))
    roots = re.findall(r"(?:^|\s)root=(\S+)", cmdline)
    return Settings(cmdline, config, roots[-1] if roots else "", prefix)


def prefix_in(config: str, files: Collection[str]) -> str:
    """The last os_prefix of config.txt (config_txt/boot.adoc), if files have it. Pure."""
    named = re.findall(r"^\s*os_prefix\s*=\s*(\S+)", config, re.MULTILINE)
    return named[-1] if named and any(file.startswith(named[-1]) for file in files) else ""


def _text(files: Mapping[str, Path], name: str, most_bytes: int, warnings: list[str]) -> str:
    path = next((path for file, path in files.items() if file.lower() == name), None)
    if path is None:
        warnings.append(f"The boot partition has no {name}.")
        return ""
    if path.stat().st_size > most_bytes:
        warnings.append(f"The disk's {name} is larger than {most_bytes} bytes and was not read.")
        return ""
    text = path.read_bytes().decode(errors="replace")
    return "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")


def one_line(text: str) -> str:
    """The first line that says something: the firmware hands on no other. Pure."""
    return next((line for line in (" ".join(line.split()) for line in text.splitlines()) if line), "")
