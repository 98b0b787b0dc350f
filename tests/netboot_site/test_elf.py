"""Shared libraries of programs of another architecture."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from netboot_site.elf import is_elf, needed, with_libraries
from netboot_site.errors import UnavailableError
from tests.pi.packages import pi_packages

ISCSISTART = "open-iscsi/sbin/iscsistart"


def test_a_program_for_arm64_names_its_libraries() -> None:
    found = needed((pi_packages() / ISCSISTART).read_bytes())

    assert [name for name in found if name.startswith("ld-linux")] == ["ld-linux-aarch64.so.1"], found
    assert {"libcrypto.so.3", "libkmod.so.2", "libc.so.6"} <= set(found)


def test_a_program_of_this_machine_names_what_the_linker_lists() -> None:
    listed = subprocess.run(["ldd", "/bin/bash"], capture_output=True, text=True, check=True).stdout

    found = needed(Path("/bin/bash").read_bytes())

    assert found, "bash names no library"
    assert set(found) <= set(re.findall(r"^\s+(\S+)", listed, re.MULTILINE)), (found, listed)


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_program_of_64_bits_names_none(data: bytes) -> None:
    assert needed(data) == []


def test_a_static_program_names_none() -> None:
    program = pi_packages() / "busybox-static/bin/busybox"

    assert is_elf(program)
    assert needed(program.read_bytes()) == []


def test_libraries_of_libraries_are_found_too() -> None:
    at_hand = {path.name: path for path in pi_packages().glob("*/**/*.so*")}

    found = with_libraries([pi_packages() / ISCSISTART], at_hand)

    assert "liblzma.so.5" in found, "libkmod needs it, iscsistart does not name it"
    assert not [name for name in found if name.startswith("ld-linux")]


def test_a_missing_library_is_said_by_name() -> None:
    with pytest.raises(UnavailableError, match=r"libcrypto\.so\.3"):
        with_libraries([pi_packages() / ISCSISTART], {})
