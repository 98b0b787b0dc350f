"""A boot decision as the REST check-in tells it. No secret is ever in it."""

from __future__ import annotations

from typing import Any, assert_never

from bootflow.decision import (
    AwaitApproval,
    BootDecision,
    BootImage,
    BootInstaller,
    BootLocal,
    BootMenu,
    Disabled,
    Disk,
    Ignored,
    ProveIdentity,
    Situation,
    Wait,
)
from bootflow.ipxe import disk_uri


def answer_for(now: Situation, decision: BootDecision) -> dict[str, Any]:
    """The answer's JSON object."""
    match decision:
        case BootImage() | ProveIdentity():
            return _boot_image(decision.disk, decision.kernel_set)
        case Wait():
            return {**_boot_image(decision.disk, decision.kernel_set), "message": decision.why}
        case AwaitApproval():
            message = (
                f"This device is not enrolled. Approve it in the dashboard; its code is {decision.code}."
            )
            return _show_menu(now, message)
        case BootMenu(wanted=True):
            return _show_menu(now, decision.why)
        case BootMenu():
            return {"action": "boot_default", "kernel_set": decision.kernel_set, "message": decision.why}
        case BootInstaller():
            installer = decision.files.name
            return {"action": "boot_default", "kernel_set": decision.kernel_set, "installer": installer}
        case BootLocal():
            return {"action": "boot_default", "kernel_set": decision.kernel_set, "message": decision.why}
        case Disabled() | Ignored():
            return {"action": "disabled"}
        case _:
            assert_never(decision)


def _show_menu(now: Situation, message: str) -> dict[str, Any]:
    return {"action": "show_menu", "device_type": now.device_type, "message": message}


def _boot_image(disk: Disk, kernel_set: str) -> dict[str, Any]:
    return {
        "action": "boot_image",
        "image_id": disk.image_id,
        "image_path": disk_uri(disk),
        "kernel_set": kernel_set,
        "iqn": disk.iqn,
        "portal": disk.portal,
        "root_path": disk_uri(disk),
        "ready": disk.ready,
    }
