"""GET /boot/pi: what a Raspberry Pi that runs one of our systems says of itself, and what it is told.

An answer is lines of text: `action wait|boot|restart`, `seconds N`, then what is to be shown, each line as
`say TEXT`. It never holds a secret, and no line of it is the sender's.
"""

from __future__ import annotations

import re
import textwrap
from enum import StrEnum

from bootflow.checkin import Asking
from bootflow.decision import (
    ASK_AGAIN_SECONDS,
    AwaitApproval,
    BootDecision,
    BootImage,
    BootInstaller,
    BootLocal,
    BootMenu,
    Disabled,
    Ignored,
    ProveIdentity,
    Situation,
    Wait,
)
from bootflow.facts import retry_of
from bootflow.ipxe import approval_lines, escape
from bootflow.models import PiTreeState
from bootflow.raspberry_pi.boards import board_of
from bootflow.raspberry_pi.paths import fits_mac
from devices.models import DeviceType, Firmware
from netboot_site.errors import ValidationError

QUIET_SECONDS = 60  # of one that is ignored: it may be taken back
RESTART_SECONDS = 3  # so that a person can read why
WIDTH = 79  # of a line with its first word
_LINES_MAX = 6
_MODEL_LENGTH = 100
_SERIAL = re.compile(r"[0-9a-f]{16}|[0-9a-f]{8}")
_CONSTANT = ("00000000", "10000000")  # how the sixteen digits of every Pi up to the 4 begin
_REVISION = re.compile(r"[0-9a-f]{4,8}")
NOT_READY = "The files that it boots from are being made ready."


class System(StrEnum):
    """Which of our systems asks."""

    WAITING = "waiting"
    INITRAMFS = "initramfs"


def system_of(fields: dict[str, str]) -> System:
    """Raises ValidationError for a system that we did not make."""
    try:
        return System(fields.get("system", ""))
    except ValueError as error:
        raise ValidationError(
            "The question is to name the system that asks: waiting or initramfs."
        ) from error


def asking_of(
    mac: str, system: System, fields: dict[str, str], address: str, identity: bool | None
) -> Asking:
    """What is kept of a question: what the Pi says of itself only if it asks from its own address."""
    told = fields if identity else {}
    return Asking(
        mac=mac,
        kind="script",
        address=address,
        device_type=DeviceType.RASPI,
        architecture="arm64" if told and system is System.WAITING else "",
        firmware=Firmware.RASPBERRY_PI if told else "",
        serial=serial_of(told.get("serial", ""), mac),
        facts=_facts_of(told),
        retry=retry_of(fields),
        identity=identity,
        system=system,
    )


def serial_of(text: str, mac: str) -> str:
    """A serial as devices keep it: 8 hex digits, or the 16 of a Pi 5; empty if it cannot be this board's."""
    serial = text.strip().lower()
    if serial.startswith(_CONSTANT) and len(serial) == 16:
        serial = serial[8:]
    known = _SERIAL.fullmatch(serial) and serial.strip("0") and fits_mac(serial, mac) is not False
    return serial if known else ""


def render(now: Situation, decision: BootDecision, system: System) -> str:
    """The answer. Total: every decision has one."""
    match decision:
        case BootImage() | ProveIdentity() if system is System.INITRAMFS:
            return answer("boot", 0, f"Booting {now.name or now.mac} from its disk {decision.disk.image_id}.")
        case Wait() if system is System.INITRAMFS:
            return answer("wait", decision.seconds, decision.why)
        case BootImage() | ProveIdentity() | Wait():
            return _restart(now, f"Restarting into its disk {decision.disk.image_id}.")
        case AwaitApproval():
            return answer("wait", ASK_AGAIN_SECONDS, *approval_lines(now, decision))
        case Ignored():
            return answer(
                "wait", QUIET_SECONDS, "This Raspberry Pi is ignored here: it is told nothing to boot."
            )
        case BootMenu(wanted=False) if system is System.WAITING and _is_ready(now):
            return _restart(now, f"Restarting with its kernel set {decision.kernel_set}.")
        case _:
            return answer("wait", ASK_AGAIN_SECONDS, _why_not(now, decision))


def restarts(now: Situation, decision: BootDecision) -> bool:
    """Whether the waiting system is told to restart."""
    return render(now, decision, System.WAITING).startswith("action restart")


def answer(action: str, seconds: int, *texts: str) -> str:
    """The answer's text: printable ASCII, no line wider than a console."""
    wrapped = [line for text in texts for line in textwrap.wrap(escape(text), WIDTH - len("say "))]
    said = [f"say {line}" for line in wrapped[:_LINES_MAX]]
    return "\n".join((f"action {action}", f"seconds {seconds}", *said, ""))


def wait(why: str) -> str:
    """The answer to what cannot be answered yet, or not at all."""
    return answer("wait", ASK_AGAIN_SECONDS, why)


def _restart(now: Situation, why: str) -> str:
    """Not before its firmware finds other files than it found: it would come back again and again."""
    if _is_ready(now):
        return answer("restart", RESTART_SECONDS, why)
    if now.tree is None:
        return wait(NOT_READY)
    missing = f"Its boot files lack {', '.join(now.tree.missing)}." if now.tree.missing else ""
    return wait(f"{missing} {now.tree.why}".strip() or NOT_READY)


def _is_ready(now: Situation) -> bool:
    return now.tree is not None and now.tree.state == PiTreeState.READY


def _why_not(now: Situation, decision: BootDecision) -> str:
    match decision:
        case Disabled():
            return f"The device {now.name or now.mac} is disabled."
        case BootInstaller(files=files):
            return f"Its next boot is to start the installer {files.name}, which a Raspberry Pi cannot do."
        case BootLocal() | BootMenu():
            return decision.why
    return NOT_READY


def _facts_of(told: dict[str, str]) -> dict[str, str]:
    """The model by the board's revision where that is known, else as the Pi's device tree says."""
    revision = told.get("revision", "").lower()
    known = _REVISION.fullmatch(revision)
    board = board_of(int(revision, 16)) if known else None
    model = told.get("model", "").replace("+", " ")[:_MODEL_LENGTH]  # an initramfs writes a space so
    facts = {
        "model": board.model if board else model,
        "board_revision": f"{int(revision, 16):06x}" if known else "",
    }
    return {name: value for name, value in facts.items() if value}
