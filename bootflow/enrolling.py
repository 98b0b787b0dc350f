"""Many unknown machines become ours at once: what each would get is planned first, and shown, then done.

The plan is a fixed number of queries, whatever the machines. When it is carried out, each machine is a
transaction of its own: one that is refused stops no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db import transaction

from bootflow.models import BootOnce, Installer
from bootflow.services import approve_device, set_boot_once, suggested_name
from devices.models import Device, DeviceState, DeviceType, Group
from devices.naming import parse_pattern, take_names
from devices.services import create_group
from images import lineage
from images.models import Export, ExportMode, Follows, Image, ImageState, Version
from images.services import FITTING_IMAGES, check_room
from netboot_site.errors import ConflictError, OrchestratorError, ValidationError
from netboot_site.formats import clean_name, device_code
from netboot_site.locks import wait_for_turn

MACHINES_MAX = 500
ORDERS = {"given": "As they were named", "seen": "Order of appearance", "mac": "MAC address"}
READY, APPROVED, REFUSED = "ready", "approved", "refused"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wish:
    """How unknown machines are to be enrolled; what is empty is what each told of itself, or nothing."""

    macs: tuple[str, ...]
    pattern: str = ""
    start: int = 1
    order: str = "given"
    device_type: str = ""
    group: str = ""  # a name; one that nobody has yet is made
    image_id: str = ""
    mode: str = ExportMode.EXCLUSIVE
    boot_once: str = ""
    installer: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """What a machine would get, or got; or why not."""

    mac: str
    device: Device | None
    name: str
    device_type: str
    fate: str = READY
    reason: str = ""

    @property
    def code(self) -> str:
        """What its console shows."""
        return device_code(self.mac)

    @property
    def type_label(self) -> str:
        """Its type in words; empty where no machine is known."""
        return DeviceType(self.device_type).label if self.device_type else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would become of each machine of a wish."""

    wish: Wish
    fates: list[Fate]
    skipped: list[str]  # names that others have
    makes_group: bool = False
    image: Image | None = None

    @property
    def ready(self) -> list[Fate]:
        """Those that nothing stands against."""
        return [fate for fate in self.fates if fate.fate == READY]


@dataclass(frozen=True, slots=True)
class _Choice:
    """What is wanted, as rows."""

    image: Image | None
    installer: Installer | None
    trouble: str  # of the image, whoever is to have it


def plan_of(wish: Wish) -> Plan:
    """What each machine would get. Raises ValidationError for what can be right for none of them."""
    _check(wish)
    group = Group.objects.filter(name=wish.group).first() if wish.group else None
    choice = _chosen(wish, group)
    devices = {device.mac: device for device in Device.objects.filter(mac__in=wish.macs)}
    macs = _in_order(wish, devices)
    names, skipped, taken = _names(wish, [devices.get(mac) for mac in macs])
    fates: list[Fate] = []
    for mac, name in zip(macs, names, strict=True):
        device = devices.get(mac)
        kind = wish.device_type or (device.device_type if device else "")
        reason = _refusal(device, name, taken) or _misfit(wish, choice, kind, fates)
        fates.append(Fate(mac, device, name, kind, REFUSED if reason else READY, reason))
    return Plan(wish, fates, skipped, bool(wish.group) and group is None, choice.image)


def enroll(plan: Plan) -> list[Fate]:
    """Carry a plan out: what became of each machine, in its order."""
    if plan.makes_group and plan.ready:
        _make_group(plan.wish.group)
    return [_enroll_one(plan.wish, fate) if fate.fate == READY else fate for fate in plan.fates]


def _enroll_one(wish: Wish, fate: Fate) -> Fate:
    try:
        device = approve_named(wish=wish, fate=fate)
    except OrchestratorError as error:
        return replace(fate, fate=REFUSED, reason=str(error))
    return replace(fate, device=device, fate=APPROVED)


@transaction.atomic
def approve_named(*, wish: Wish, fate: Fate) -> Device:
    """One machine of a plan. Raises ConflictError if its name was taken meanwhile."""
    wait_for_turn("device names")
    if Device.objects.known().filter(name=fate.name).exists():
        raise ConflictError(f"The name {fate.name!r} was given to another device just now.")
    device = approve_device(
        mac=fate.mac, name=fate.name, device_type=fate.device_type, image_id=wish.image_id or None,
        mode=wish.mode, group=Group.objects.filter(name=wish.group).first() if wish.group else None,
    )  # fmt: skip
    if wish.boot_once:
        set_boot_once(device=device, boot_once=wish.boot_once, installer=wish.installer or None)
    return device


def _make_group(name: str) -> None:
    """Somebody else may have made it since the plan: then it is that one."""
    if not Group.objects.filter(name=name).exists():
        create_group(name=name)


def _check(wish: Wish) -> None:
    if not 0 < len(wish.macs) <= MACHINES_MAX:
        raise ValidationError(f"Name at least one machine, and {MACHINES_MAX} at most.")
    for value, known, what in (
        (wish.order, ORDERS, "An order"),
        (wish.mode, ExportMode.values, "A mode"),
        (wish.device_type or DeviceType.X64, DeviceType.values, "A device type"),
        (wish.boot_once or BootOnce.LOCAL, BootOnce.values[1:], "The next boot, where it is not as planned,"),
    ):
        if value not in known:
            raise ValidationError(f"{what} is one of {', '.join(known)}.")
    if wish.group:
        clean_name(wish.group)


def _chosen(wish: Wish, group: Group | None) -> _Choice:
    image = installer = None
    if wish.image_id:
        image = Image.objects.select_related("node").filter(pk=wish.image_id).first()
        if image is None:
            raise ValidationError(f"There is no image {wish.image_id!r}.")
    if wish.boot_once == BootOnce.INSTALLER:
        installer = Installer.objects.filter(pk=wish.installer).first()
        if installer is None:
            raise ValidationError(f"There is no installer named {wish.installer!r}.")
    elif wish.installer:
        raise ValidationError("An installer belongs to a boot once of `installer`; say that with it.")
    return _Choice(image, installer, _trouble(image, wish.mode, group) if image else "")


def _trouble(image: Image, mode: str, group: Group | None) -> str:
    """Why nobody can be given a disk of this image now."""
    if image.state in {ImageState.DELETING, ImageState.FAILED}:
        return f"The image {image.id!r} is {image.state} and cannot be assigned."
    try:
        check_room(image.node)
    except ConflictError as error:
        return str(error)
    if mode == ExportMode.OVERLAY:
        return _overlay_trouble(image, group)
    writer = Export.objects.filter(image=image, mode=mode).select_related("device").first()
    return f"The image {image.id!r} is assigned to {writer.device} already." if writer else ""


def _overlay_trouble(image: Image, group: Group | None) -> str:
    if lineage.version_for(image, Device(group=group), Follows.DEVICE, None) is not None:
        return ""
    if Version.objects.filter(image=image).exists():
        return f"The channel that {group} follows names no version of {image.id!r}; promote one first."
    return f"The image {image.id!r} has no version yet; publish one first."


def _in_order(wish: Wish, devices: dict[str, Device]) -> list[str]:
    macs = list(dict.fromkeys(wish.macs))
    if wish.order == "mac":
        return sorted(macs)
    if wish.order == "given":
        return macs
    return sorted(macs, key=lambda mac: (_seen(devices.get(mac)), mac))


def _seen(device: Device | None) -> datetime:
    return (device.first_seen_at if device else None) or _LONG_AGO


def _names(wish: Wish, devices: Sequence[Device | None]) -> tuple[list[str], list[str], set[str]]:
    """A name for each machine, the taken ones that were left out, and those that some device has."""
    if not wish.pattern:
        told = [suggested_name(device=device) if device else "" for device in devices]
        return told, [], _taken(told)
    pattern = parse_pattern(wish.pattern)
    known = Device.objects.known()
    if not pattern.has_number:
        names, _ = take_names(pattern, start=wish.start, count=len(devices), taken=())
        return names, [], _taken(names)
    alike = known.filter(name__startswith=pattern.texts[0], name__endswith=pattern.texts[-1])
    taken = set(alike.values_list("name", flat=True))
    names, skipped = take_names(pattern, start=wish.start, count=len(devices), taken=taken)
    return names, skipped, set()


def _taken(names: Iterable[str]) -> set[str]:
    return set(Device.objects.known().filter(name__in=list(names)).values_list("name", flat=True))


def _refusal(device: Device | None, name: str, taken: set[str]) -> str:
    """Why a machine cannot be approved, whatever it is to boot."""
    if device is None:
        return "No unknown device with this MAC address has asked to boot."
    if device.state != DeviceState.DISCOVERED:
        return f"It is registered already, as {device.name!r}."
    if device.ignored_at is not None:
        return "It is ignored; take it back first."
    return f"The name {name!r} is taken by another device." if name in taken else ""


def _misfit(wish: Wish, choice: _Choice, kind: str, before: Iterable[Fate]) -> str:
    """Why it cannot boot what was chosen; an exclusive disk goes to the first that can have it."""
    if wish.boot_once and kind == DeviceType.RASPI:
        return (
            "A Raspberry Pi has no local disk, menu or installer of ours to boot; choose an image or nothing."
        )
    if choice.installer is not None and choice.installer.device_type != kind:
        return f"The installer {choice.installer.name!r} is for {choice.installer.device_type} devices."
    if choice.image is None:
        return ""
    if choice.image.device_type not in FITTING_IMAGES[DeviceType(kind)]:
        return f"The image {choice.image.id!r} is for {choice.image.device_type}; this is {kind}."
    first = next((fate for fate in before if fate.fate == READY), None)
    if not choice.trouble and wish.mode == ExportMode.EXCLUSIVE and first is not None:
        return (
            f"An exclusive disk has one device, and {first.name} gets this one; "
            f"overlays of an image go to any number."
        )
    return choice.trouble
