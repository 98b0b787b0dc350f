"""What can be done to many devices at once: to each of them through the service that does it to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bootflow.models import BootOnce, BulkAction, Installer
from bootflow.services import delete_profile, set_boot_once, update_profile
from devices.models import Device, Group
from images.models import ExportMode, Image, Persistence
from images.services import assign_image, reset_disk
from netboot_site.errors import NotFoundError, ValidationError

Arguments = Mapping[str, Any]
ARGUMENTS = {
    BulkAction.GROUP: {"group"},
    BulkAction.ASSIGN: {"image_id", "mode", "persistence", "version"},
    BulkAction.BOOT_ONCE: {"boot_once", "installer"},
}


def checked_arguments(action: str, arguments: Arguments) -> dict[str, Any]:
    """What an action needs besides devices. Raises ValidationError for what no device could be given."""
    if action not in BulkAction.values:
        raise ValidationError(f"An action is one of {', '.join(BulkAction.values)}.")
    needed = ARGUMENTS.get(BulkAction(action), set())
    wanted = {name: value for name, value in arguments.items() if value is not None}
    if unknown := sorted(set(wanted) - needed):
        raise ValidationError(f"The action `{action}` takes no {', '.join(unknown)}.")
    if action in _CHECKS:
        _CHECKS[action](wanted)
    return wanted


def _check_group(wanted: Arguments) -> None:
    name = wanted.get("group")
    if name and not Group.objects.filter(name=name).exists():
        raise ValidationError(f"There is no group named {name!r}.")


def _check_assign(wanted: Arguments) -> None:
    if not Image.objects.filter(id=wanted.get("image_id", "")).exists():
        raise ValidationError(f"There is no image {wanted.get('image_id', '')!r}.")
    for name, values in (("mode", ExportMode.values), ("persistence", Persistence.values)):
        if wanted.get(name) not in {None, *values}:
            raise ValidationError(f"A {name} is one of {', '.join(values)}.")


def _check_boot_once(wanted: Arguments) -> None:
    choice, installer = wanted.get("boot_once", ""), wanted.get("installer", "")
    if choice not in BootOnce.values:
        raise ValidationError("The next boot is one of local, menu, installer, or as planned.")
    if choice == BootOnce.INSTALLER and not Installer.objects.filter(name=installer).exists():
        raise ValidationError(f"There is no installer named {installer!r}.")


_CHECKS: dict[str, Callable[[Arguments], None]] = {
    BulkAction.GROUP: _check_group,
    BulkAction.ASSIGN: _check_assign,
    BulkAction.BOOT_ONCE: _check_boot_once,
}


def apply_to(device: Device, action: str, arguments: Arguments) -> None:
    """One device's part, inside its own transaction. Raises OrchestratorError where it is refused."""
    _CHANGES[action](device, arguments)


def _move(device: Device, arguments: Arguments) -> None:
    name = arguments.get("group")
    group = Group.objects.filter(name=name).first() if name else None
    if name and group is None:
        raise NotFoundError(f"The group {name!r} was deleted just now.")
    update_profile(device=device, group=group)


def _assign(device: Device, arguments: Arguments) -> None:
    image = Image.objects.filter(id=arguments["image_id"]).first()
    if image is None:
        raise NotFoundError(f"The image {arguments['image_id']!r} was deleted just now.")
    assign_image(
        image=image, device=device, mode=arguments.get("mode") or ExportMode.EXCLUSIVE,
        persistence=arguments.get("persistence") or None, version=arguments.get("version"),
    )  # fmt: skip


def _boot_once(device: Device, arguments: Arguments) -> None:
    set_boot_once(
        device=device, boot_once=arguments.get("boot_once", ""), installer=arguments.get("installer")
    )


_CHANGES: dict[str, Callable[[Device, Arguments], object]] = {
    BulkAction.ENABLE: lambda device, _: update_profile(device=device, enabled=True),
    BulkAction.DISABLE: lambda device, _: update_profile(device=device, enabled=False),
    BulkAction.GROUP: _move,
    BulkAction.ASSIGN: _assign,
    BulkAction.UNASSIGN: lambda device, _: update_profile(device=device, image_id=None),
    BulkAction.BOOT_ONCE: _boot_once,
    BulkAction.RESET: lambda device, _: reset_disk(device=device),
    BulkAction.DELETE: lambda device, _: delete_profile(device=device),
}
