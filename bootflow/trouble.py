"""What a boot loader's error number means, in plain words."""

from __future__ import annotations

import re

# The first octet of an iPXE error is its POSIX meaning (iPXE, include/errno.h): the same for every build.
_MEANINGS = {
    0x02: "access was denied",
    0x0B: "the operation was cancelled",
    0x0E: "the connection was refused",
    0x0F: "the connection was reset",
    0x1A: "the server could not be reached",
    0x1D: "the disk could not be read or holds nothing that boots",
    0x28: "there is no route to the server",
    0x2D: "the file was not found",
    0x2E: "it is no program that this firmware can start",
    0x31: "the machine has too little memory",
    0x38: "the connection was lost",
    0x3C: "the boot loader does not support it",
    0x41: "the password or the initiator name was refused",
    0x4C: "there was no answer in time",
}
_WHAT = {
    "sanboot-failed": "The disk did not boot",
    "installer-failed": "The installer did not start",
    "local": "The local disk was chosen",
}
_NUMBER = re.compile(r"^(?:0x)?([0-9a-f]{1,8})$")  # iPXE prints no leading zero


def explain(event: str, error: str) -> str:
    """A sentence about what a script reported; `error` is iPXE's ${errno}."""
    what, number = _WHAT[event], _NUMBER.match(error.lower())
    if event == "local" or not number:
        return f"{what}."
    code = number.group(1).zfill(8)
    meaning = _MEANINGS.get(int(code[:2], 16), "the boot loader gave no known reason")
    return f"{what}: {meaning} (iPXE error {code})."
