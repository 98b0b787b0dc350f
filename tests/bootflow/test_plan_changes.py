"""Changes of what a device boots: approving, boot once, and what stays when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import BootPlan, Installer, KernelSet
from bootflow.services import (
    approve_device,
    delete_profile,
    forget_discovered,
    register_profile,
    set_boot_once,
    spend_boot_once,
    update_profile,
)
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, Session, StorageNode
from netboot_site.errors import ConflictError, NotFoundError, OrchestratorError, ValidationError
from tests.bootflow.conftest import MAC

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(node: StorageNode) -> Image:
    return Image.objects.create(
        id="d", name="D", size_bytes=2**30, device_type="x64", node=node, state="ready"
    )


@pytest.fixture
def stranger() -> Device:
    return Device.objects.create(
        mac=MAC, device_type="x86", state=DeviceState.DISCOVERED, facts={"product": "OptiPlex"}
    )


def plan_of(device: Device) -> tuple[str, str | None]:
    plan = BootPlan.objects.get(device=device)
    return plan.boot_once, plan.boot_once_installer_id


CHOICES = list(product([None, "pc-9"], [None, "x64"], [None, "Lab"], [None, "d"]))


@pytest.mark.parametrize(("name", "device_type", "group", "image_id"), CHOICES)
def test_approving_takes_what_is_given_and_else_what_the_machine_told(
    stranger: Device, image: Image, name: str | None, device_type: str | None, group: str | None,
    image_id: str | None,
) -> None:  # fmt: skip
    room = Group.objects.create(name=group) if group else None
    if image_id and device_type is None:
        Image.objects.update(device_type="x86")
    device = approve_device(mac=MAC, name=name, device_type=device_type, group=room, image_id=image_id)
    assert (device.pk, device.state, device.group) == (stranger.pk, DeviceState.ENROLLED, room)
    assert device.name == (name or f"OptiPlex {stranger.code}")
    assert device.device_type == (device_type or "x86")
    assert list(Export.objects.values_list("image_id", flat=True)) == ([image_id] if image_id else [])
    assert device.facts == {"product": "OptiPlex"}, "what it told of itself is kept"


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({}, "Device"), ({"product": ""}, "Device"), ({"product": None}, "Device"),
        ({"product": "${x}"}, "{x}"), ({"product": "a" * 300}, "a" * 100), ({"product": 7}, "7"),
    ],
)  # fmt: skip
def test_a_name_is_made_of_whatever_it_told(stranger: Device, facts: dict[str, Any], name: str) -> None:
    Device.objects.update(facts=facts)
    assert approve_device(mac=MAC).name == f"{name} {stranger.code}"


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "a\nb"}, {"name": "${x}"}, {"device_type": "toaster"}, {"image_id": "none"},
     {"image_id": "d", "device_type": "raspi"}, {"name": "x" * 201}],
)  # fmt: skip
def test_an_approval_that_cannot_be_leaves_the_machine_as_it_was(
    stranger: Device, image: Image, wrong: dict[str, str]
) -> None:
    with pytest.raises(OrchestratorError):
        approve_device(mac=MAC, **wrong)  # type: ignore[arg-type]
    stranger.refresh_from_db()
    assert (stranger.state, stranger.name, stranger.device_type) == ("discovered", "", "x86")
    assert not Export.objects.exists()


@pytest.mark.parametrize("change", [approve_device, forget_discovered])
def test_only_an_unknown_machine_is_approved_or_forgotten(change: Callable[..., Any], device: Device) -> None:
    with pytest.raises(NotFoundError):
        change(mac=MAC)
    with pytest.raises(ValidationError):
        change(mac="no address")
    assert Device.objects.get().state == DeviceState.ENROLLED


def test_the_next_boot_is_set_changed_and_cleared_and_the_kernel_set_stays(
    device: Device, installer: Installer
) -> None:
    KernelSet.objects.create(name="lab")
    update_profile(device=device, kernel_set="lab")
    steps = [("local", None), ("installer", installer.name), ("menu", None), ("", None), ("installer", "x")]
    for boot_once, name in steps[:4]:
        set_boot_once(device=device, boot_once=boot_once, installer=name)
        assert plan_of(device) == (boot_once, name)
    set_boot_once(device=device, boot_once="local", installer=installer.name)
    assert plan_of(device) == ("local", None), "an installer is kept only where it is meant"
    with pytest.raises(ValidationError, match="no installer named 'x'"):
        set_boot_once(device=device, boot_once="installer", installer="x")
    assert plan_of(device) == ("local", None)
    assert BootPlan.objects.get().kernel_set_id == "lab"


@pytest.mark.parametrize("action", ["dance", "LOCAL", "none", " "])
def test_what_is_no_next_boot_is_refused(device: Device, action: str) -> None:
    with pytest.raises(ValidationError, match="local, menu, installer, or as planned"):
        set_boot_once(device=device, boot_once=action)


def test_spending_is_for_one_device_and_twice_is_once(device: Device, installer: Installer) -> None:
    other = register_profile(mac="52:54:00:00:00:77", device_type="x64", name="b")
    for one in (device, other):
        set_boot_once(device=one, boot_once="installer", installer=installer.name)
    for _ in range(2):
        spend_boot_once(mac=MAC)
    assert plan_of(device) == ("", None)
    assert plan_of(other) == ("installer", installer.name)
    spend_boot_once(mac="52:54:00:99:99:99")


def test_a_type_does_not_change_under_the_installer_of_the_next_boot(
    device: Device, installer: Installer
) -> None:
    set_boot_once(device=device, boot_once="installer", installer=installer.name)
    with pytest.raises(ConflictError, match="is to start the installer 'debian-12'"):
        update_profile(device=device, device_type="raspi")
    update_profile(device=device, device_type="x64", name="same type")
    set_boot_once(device=device, boot_once="")
    assert update_profile(device=device, device_type="raspi").device_type == "raspi"


def use(export: Export) -> None:
    Session.objects.create(
        iqn=export.iqn, handle="1", image=export.image, initiator_name=export.initiator_name,
        started_at=timezone.now(),
    )  # fmt: skip


REFUSED_WHILE_IN_USE: dict[str, Callable[[Device], object]] = {
    "delete": lambda device: delete_profile(device=device),
    "take the disk": lambda device: update_profile(device=device, image_id=None),
    "another disk": lambda device: update_profile(device=device, image_id="d"),
    "another type": lambda device: update_profile(device=device, device_type="x86"),
    "another name and another disk": lambda device: update_profile(device=device, name="n", image_id="d"),
}
ALLOWED_WHILE_IN_USE: dict[str, Callable[[Device], object]] = {
    "name": lambda device: update_profile(device=device, name="n"),
    "disable": lambda device: update_profile(device=device, enabled=False),
    "the same disk": lambda device: update_profile(device=device, image_id="disk-1"),
    "next boot": lambda device: set_boot_once(device=device, boot_once="local"),
    "the same type": lambda device: update_profile(device=device, device_type="x64"),
}


@pytest.mark.parametrize("change", REFUSED_WHILE_IN_USE)
def test_a_disk_in_use_refuses(
    change: str, device: Device, image: Image, give_disk: Callable[..., Export]
) -> None:
    use(give_disk(device))
    with pytest.raises(ConflictError):
        REFUSED_WHILE_IN_USE[change](device)
    kept = Device.objects.get()
    assert (kept.name, kept.device_type, Export.objects.get().image_id) == ("pc-07", "x64", "disk-1")


@pytest.mark.parametrize("change", ALLOWED_WHILE_IN_USE)
def test_a_disk_in_use_lets_the_rest_change(
    change: str, device: Device, give_disk: Callable[..., Export]
) -> None:
    before = give_disk(device)
    use(before)
    ALLOWED_WHILE_IN_USE[change](device)
    assert Export.objects.get().pk == before.pk


def test_registering_is_all_or_nothing(image: Image) -> None:
    for wrong in ({"kernel_set": "none"}, {"image_id": "none"}, {"image_id": "d", "device_type": "raspi"}):
        with pytest.raises(OrchestratorError):
            register_profile(**{"mac": MAC, "device_type": "x64", "name": "pc", **wrong})  # type: ignore[arg-type]
        assert not Device.objects.exists()
        assert not BootPlan.objects.exists()
