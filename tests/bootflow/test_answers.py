"""The REST check-in's answer: to the letter for every decision, and never a secret."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given

from bootflow import ipxe
from bootflow.answers import answer_for
from bootflow.checkin import Secret
from bootflow.decision import BootImage, BootMenu, ProveIdentity, Situation, Wait, decide
from bootflow.ipxe import Server
from bootflow.recorder.judge import judge
from bootflow.recorder.sighting import moment
from bootflow.recorder.story import Seen
from bootflow.recorder.telling import tell
from tests.bootflow.test_decision import (
    BROKEN,
    DEBIAN,
    HALF,
    HOMELESS,
    KNOWN,
    MAC,
    WITH_DISK,
    changed,
    situations,
)

IMAGE: dict[str, Any] = {
    "action": "boot_image", "image_id": "disk-1", "image_path": "iscsi:10.66.0.1:::1:iqn.x:disk-1",
    "kernel_set": "lab", "iqn": "iqn.x:disk-1", "portal": "10.66.0.1:3260",
    "root_path": "iscsi:10.66.0.1:::1:iqn.x:disk-1", "ready": True,
}  # fmt: skip
NOWHERE = {
    "image_path": "iscsi::::1:iqn.x:disk-1", "root_path": "iscsi::::1:iqn.x:disk-1", "portal": ":3260",
}  # fmt: skip
OTHER_PORT = dataclasses.replace(HALF, ready=True, port=3261)
NOT_ENROLLED = "This device is not enrolled. Approve it in the dashboard; its code is Z98F."
LAB = changed(KNOWN, kernel_set="lab")
DISK = changed(WITH_DISK, kernel_set="lab")
ANSWERS: dict[str, tuple[Situation, dict[str, Any]]] = {
    "disk": (DISK, IMAGE),
    "disk, identity not asked": (changed(DISK, identity=None), IMAGE),
    "disk, a stranger asks": (changed(DISK, identity=False), IMAGE),
    "another port": (
        changed(DISK, disk=OTHER_PORT),
        {**IMAGE, "portal": "10.66.0.1:3261", "image_path": "iscsi:10.66.0.1::3261:1:iqn.x:disk-1",
         "root_path": "iscsi:10.66.0.1::3261:1:iqn.x:disk-1"},
    ),
    "not ready": (
        changed(DISK, disk=HALF), {**IMAGE, "ready": False, "message": "Its disk is being made ready."},
    ),
    "broken": (changed(DISK, disk=BROKEN), {**IMAGE, "ready": False, "message": "tgtd is away."}),
    "no address yet": (
        changed(DISK, disk=HOMELESS),
        {**IMAGE, **NOWHERE, "message": "The storage node has told no address yet."},
    ),
    "nothing assigned": (
        LAB,
        {"action": "boot_default", "kernel_set": "lab", "message": "No disk is assigned to this device."},
    ),
    "boot once: local": (
        changed(DISK, boot_once="local"),
        {"action": "boot_default", "kernel_set": "lab", "message": "This boot was set to the local disk."},
    ),
    "boot once: menu": (
        changed(DISK, boot_once="menu"),
        {"action": "show_menu", "device_type": "x64", "message": "This boot was set to the menu."},
    ),
    "boot once: installer": (
        changed(DISK, boot_once="installer", installer=DEBIAN),
        {"action": "boot_default", "kernel_set": "lab", "installer": "debian"},
    ),
    "disabled": (changed(DISK, state="disabled"), {"action": "disabled"}),
    "ignored": (changed(KNOWN, state="ignored"), {"action": "disabled"}),
    "discovered": (
        changed(KNOWN, state="discovered"),
        {"action": "show_menu", "device_type": "x64", "message": NOT_ENROLLED},
    ),
    "no row at all": (Situation(MAC), {"action": "show_menu", "device_type": "", "message": NOT_ENROLLED}),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_each_decision_has_this_answer(name: str) -> None:
    now, answer = ANSWERS[name]
    assert answer_for(now, decide(now)) == answer


SECRET = Secret("account-of-the-disk", "s3cr3t-of-the-disk")
SERVER = Server("http://10.66.0.1:8080/boot/", MAC, 1)


@given(situations)
def test_an_answer_is_json_and_has_all_that_its_action_promises(now: Situation) -> None:
    answer = json.loads(json.dumps(answer_for(now, decide(now))))
    wanted = {
        "boot_image": {"image_id", "image_path", "kernel_set", "iqn", "portal", "root_path"},
        "boot_default": {"kernel_set"}, "show_menu": {"device_type", "message"}, "disabled": set(),
    }  # fmt: skip
    assert wanted[answer["action"]] <= set(answer)
    assert not {"username", "password", "chap_username", "chap_secret"} & set(answer)


@given(situations)
def test_rest_and_script_agree_on_whether_there_is_a_disk(now: Situation) -> None:
    decision = decide(now)
    answer, script = answer_for(now, decision), ipxe.render(SERVER, now, decision, SECRET)
    assert (answer["action"] == "boot_image") == isinstance(decision, BootImage | Wait | ProveIdentity)
    assert ("sanboot iscsi:" in script) == isinstance(decision, BootImage)
    if answer["action"] == "disabled":
        assert f"is {now.state}" in script
    if isinstance(decision, BootMenu):
        assert "--default bye" in script, "an unattended machine leaves the menu for its local disk"


OUTCOMES = {
    "BootImage": "", "Wait": "", "ProveIdentity": "", "AwaitApproval": "", "BootInstaller": "",
    "BootMenu": "menu", "BootLocal": "local", "Disabled": "local", "Ignored": "local",
}  # fmt: skip
TOLD = {
    "BootImage": "to boot from its disk", "Wait": "to wait until its disk", "BootMenu": "to show the menu",
    "ProveIdentity": "its identity could not be checked", "AwaitApproval": "until somebody approves it",
    "BootInstaller": "to start the installer", "BootLocal": "to start from its local disk",
    "Disabled": "since it is disabled", "Ignored": "to start from its local disk",
}  # fmt: skip


@given(situations)
def test_the_recorder_judges_and_tells_the_decision_that_the_script_carried_out(now: Situation) -> None:
    """It keeps the situation, not the decision: what is computed again from it must be the same."""
    plan = {**dataclasses.asdict(now), "kernel_set": now.kernel_set}
    decision = type(decide(now)).__name__
    asked = Seen(moment(1.8e9), "script", "script", "", {"plan": plan})
    verdict = judge([asked], moment(1.8e9 + 1), mac=MAC)
    assert (verdict.stage, verdict.outcome) == ("script", OUTCOMES[decision])
    assert TOLD[decision] in tell(MAC, "script", {"plan": plan})
