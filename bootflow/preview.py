"""What a machine will get, and why: from the functions that serve the boot, with nothing recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bootflow import ipxe
from bootflow.checkin import Secret, boot_base, foresee, look
from bootflow.decision import BootDecision, BootInstaller, Situation, Step, decide, steps_to_decision
from bootflow.dhcp_preview import Dhcp, dhcp_of
from bootflow.ipxe import Server
from bootflow.outlook import Outlook, asking_of, outlook_for
from bootflow.raspberry_pi import asking as pi
from bootflow.raspberry_pi.shown import tree_shown
from devices.models import Device, DeviceState, DeviceType
from netboot_site.errors import OrchestratorError

MASK = "********"
LUN = 1  # LUN 0 is tgt's controller
OF_ITS_DISK = "The boot loader on its disk chooses kernel and command line."


@dataclass(frozen=True, slots=True)
class Target:
    """Where it finds its disk, and as whom it logs in."""

    iqn: str
    portal: str
    lun: int
    initiator: str


@dataclass(frozen=True, slots=True)
class Preview:
    """All that a machine is told at its next boot, if it asked now from its own address."""

    decision: str  # `boot image`, `wait`, `boot menu`, ...
    outlook: Outlook
    steps: list[Step]
    dhcp: Dhcp
    boot_files: list[str]  # what its firmware and iPXE fetch, in this order
    script: str
    kernel_line: str
    kernel_note: str  # why there is none, or whose it is
    target: Target | None


def preview_of(device: Device) -> Preview:
    """For a person's eyes: secrets are masked. The device comes with its plan and tree."""
    asking = asking_of(device, identity=True)
    situation, secret = look(asking)
    decision = foresee(situation, decide(situation))
    dhcp = dhcp_of(device)
    kernel_line, kernel_note = _kernel(device, decision)
    return Preview(
        decision=_name(decision),
        outlook=outlook_for(device, replace(situation, identity=None)),
        steps=_steps(device, situation),
        dhcp=dhcp,
        boot_files=_boot_files(device, dhcp),
        script=_script(device, situation, decision, secret),
        kernel_line=kernel_line,
        kernel_note=kernel_note,
        target=_target(situation),
    )


def _name(decision: BootDecision) -> str:
    """`boot image` of BootImage."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(decision).__name__).lower()


def _steps(device: Device, situation: Situation) -> list[Step]:
    steps = steps_to_decision(situation)
    if device.device_type != DeviceType.RASPI or device.state != DeviceState.ENROLLED:
        return steps
    tree = getattr(device, "pi_tree", None)
    answer = tree.last_error or tree.get_state_display() if tree else "They are being put together."
    return [*steps, Step("Are its boot files there?", answer, False)]


def _script(device: Device, situation: Situation, decision: BootDecision, secret: Secret | None) -> str:
    if device.device_type == DeviceType.RASPI:
        return pi.render(situation, decision, pi.System(asking_of(device).system))
    masked = replace(secret, password=MASK) if secret else None
    return ipxe.render(Server(boot_base(), device.mac), situation, decision, masked)


def _boot_files(device: Device, dhcp: Dhcp) -> list[str]:
    if device.device_type == DeviceType.RASPI:
        tree = getattr(device, "pi_tree", None)
        return [f"{name}/" for name in tree.names] if tree else []
    named = [answer.file for exchange in dhcp.exchanges for answer in exchange.answers if answer.file]
    return [*dict.fromkeys(named), f"{boot_base()}script?mac={device.mac}"]


def _kernel(device: Device, decision: BootDecision) -> tuple[str, str]:
    if isinstance(decision, BootInstaller) and device.device_type != DeviceType.RASPI:
        return ipxe.kernel_line(Server(boot_base(), device.mac), decision.files), ""
    if device.device_type != DeviceType.RASPI:
        return "", OF_ITS_DISK if _name(decision) == "boot image" else "This decision starts no kernel."
    try:
        shown = tree_shown(device)
    except OrchestratorError as error:
        return "", str(error)
    return shown.cmdline.strip(), shown.wanted.waits


def _target(situation: Situation) -> Target | None:
    disk = situation.disk
    if disk is None:
        return None
    return Target(disk.iqn, disk.portal if disk.address else "", LUN, disk.initiator_name)
