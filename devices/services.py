"""Changes of devices and groups. Keyword-only, a verb first; each one transaction."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from devices.models import Device, DeviceState, DeviceType, Group, UpdateChannel
from netboot_site import journal
from netboot_site.errors import ConflictError, NotFoundError, ValidationError
from netboot_site.formats import clean_name, parse_mac

_LABELS = {"name": "Name", "device_type": "Type", "state": "State"}


def get_device(*, mac: str) -> Device:
    """The registered device of a MAC address in any spelling. Raises NotFoundError, ValidationError."""
    spelling = parse_mac(mac)
    device = Device.objects.known().select_related("group").filter(mac=spelling).first()
    if device is None:
        raise NotFoundError(f"No device with the MAC address {spelling} is registered.")
    return device


def find_device(*, mac: str) -> Device:
    """The device of a MAC address, approved or not. Raises NotFoundError, ValidationError."""
    spelling = parse_mac(mac)
    device = Device.objects.filter(mac=spelling).first()
    if device is None:
        raise NotFoundError(f"No device with the MAC address {spelling} is known.")
    return device


def get_discovered(*, mac: str) -> Device:
    """The discovered, not yet approved device of a MAC address.

    Raises NotFoundError, ValidationError, and ConflictError for one that is ignored.
    """
    device = get_unknown(mac=mac)
    if device.ignored_at is not None:
        raise ConflictError(f"The device {device.mac} is ignored; take it back first.")
    return device


def get_unknown(*, mac: str) -> Device:
    """The same, whether it is ignored or not. Raises NotFoundError, ValidationError."""
    spelling = parse_mac(mac)
    device = Device.objects.filter(mac=spelling, state=DeviceState.DISCOVERED).first()
    if device is None:
        raise NotFoundError(f"No unknown device with the MAC address {spelling} has asked to boot.")
    return device


@transaction.atomic
def ignore_discovered(*, device: Device) -> None:
    """Leave an unknown device out of every list, for good; the same again changes nothing."""
    rows = Device.objects.discovered().filter(pk=device.pk)
    if rows.update(ignored_at=timezone.now()):
        journal.record("device", device.mac, "Ignored for good")
    device.refresh_from_db()


@transaction.atomic
def take_back(*, device: Device) -> None:
    """An ignored device waits for approval again; of another one nothing is changed."""
    if Device.objects.ignored().filter(pk=device.pk).update(ignored_at=None):
        journal.record("device", device.mac, "No longer ignored: it waits for approval")
    device.refresh_from_db()


def find_group(*, name: str) -> Group:
    """The group of that name. Raises ValidationError, since a name in a body is meant."""
    group = Group.objects.filter(name=name).first()
    if group is None:
        raise ValidationError(f"There is no group named {name!r}.")
    return group


def get_group(*, key: str) -> Group:
    """The group of that number or name. Raises NotFoundError."""
    by_number = (
        Group.objects.filter(pk=int(key)) if key.isascii() and key.isdigit() and len(key) < 10 else None
    )
    found = (by_number.first() if by_number is not None else None) or (
        Group.objects.filter(name=key).first() if "\0" not in key else None
    )
    if found is None:
        raise NotFoundError(f"There is no group {key[:100]!r}.")
    return found


@transaction.atomic
def delete_group(*, group: Group) -> None:
    """Delete a group; its devices stay, in none."""
    macs = list(group.devices.order_by("mac").values_list("mac", flat=True))
    journal.record("group", group.name, f"Deleted, with {len(macs)} devices in it")
    journal.record_many("device", [(mac, f"In no group: {group.name} was deleted") for mac in macs])
    group.delete()


@transaction.atomic
def create_group(*, name: str, channel: str = UpdateChannel.NONE) -> Group:
    """Create a group. Raises ConflictError if the name is taken."""
    group = Group(name=clean_name(name), channel=channel)
    _save_named(group)
    journal.record("group", group.name, "Created")
    return group


@transaction.atomic
def rename_group(*, group: Group, name: str) -> Group:
    """Give a group another name. Raises ConflictError if that is taken."""
    before, group.name = group.name, clean_name(name)
    if group.name != before:
        _save_named(group)
        journal.record("group", group.name, f"Renamed from {before}")
    return group


def _save_named(group: Group) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise ConflictError(f"A group named {group.name!r} exists already.") from error


def state_of(*, enabled: bool) -> DeviceState:
    """The state of a registered device."""
    return DeviceState.ENROLLED if enabled else DeviceState.DISABLED


@transaction.atomic
def register_device(
    *, mac: str, device_type: str, name: str, enabled: bool = True, group: Group | None = None
) -> Device:
    """Register a device; one that was only discovered becomes known. Raises ConflictError if it is known."""
    spelling, name = parse_mac(mac), clean_name(name)
    _check_type(device_type)
    found = Device.objects.select_for_update().filter(mac=spelling).first()
    if found is not None and found.state != DeviceState.DISCOVERED:
        raise ConflictError(f"The device {spelling} is registered already, as {found.name!r}.")
    device = found or Device(mac=spelling)
    device.name, device.device_type, device.group = name, device_type, group
    device.state, device.ignored_at = state_of(enabled=enabled), None
    try:
        with transaction.atomic():
            device.save()
    except IntegrityError as error:
        raise ConflictError(f"The device {spelling} is registered already.") from error
    journal.record("device", spelling, _first_words(device, found is not None))
    return device


def _first_words(device: Device, was_known: bool) -> str:
    told = [device.get_device_type_display()]
    told += [f"group {device.group.name}"] if device.group else []
    told += [] if device.enabled else ["disabled"]
    return f"{'Approved' if was_known else 'Registered'} as {device.name} ({', '.join(told)})"


@transaction.atomic
def update_device(
    *,
    device: Device,
    name: str | None = None,
    device_type: str | None = None,
    enabled: bool | None = None,
) -> Device:
    """Change what is given and leave the rest."""
    if device_type is not None:
        _check_type(device_type)
    wanted = {
        "name": None if name is None else clean_name(name),
        "device_type": device_type,
        "state": None if enabled is None else state_of(enabled=enabled),
    }
    before = {field: _shown(device, field) for field in wanted}
    changed = [field for field, value in wanted.items() if value not in {None, getattr(device, field)}]
    for field in changed:
        setattr(device, field, wanted[field])
    if changed:
        device.save(update_fields=[*changed, "updated_at"])
    _note(device, [f"{_LABELS[field]}: {before[field]} → {_shown(device, field)}" for field in changed])
    return device


def _shown(device: Device, field: str) -> str:
    """As a person reads it."""
    words = {"device_type": DeviceType, "state": DeviceState}.get(field)
    value = str(getattr(device, field))
    return str(dict(words.choices)[value]) if words and value in words.values else value


def _note(device: Device, texts: list[str]) -> None:
    if texts:
        journal.record_many("device", [(device.mac, text) for text in texts])


@transaction.atomic
def move_to_group(*, device: Device, group: Group | None) -> Device:
    """Put a device into a group, or into none."""
    if device.group_id == (group.pk if group else None):
        return device
    before = device.group.name if device.group else "none"
    device.group = group
    device.save(update_fields=["group", "updated_at"])
    _note(device, [f"Group: {before} → {group.name if group else 'none'}"])
    return device


@transaction.atomic
def follow_channel(*, follower: Device | Group, channel: str) -> None:
    """Let a device, or a group's devices, take new versions under a name; empty: under none."""
    if channel not in UpdateChannel.values:
        raise ValidationError("A channel is `test` or `production`, or empty for none.")
    if follower.channel == channel:
        return
    text = f"Channel: {follower.channel or 'none'} → {channel or 'none'}"
    follower.channel = channel
    if isinstance(follower, Device):
        follower.save(update_fields=["channel", "updated_at"])
        _note(follower, [text])
    else:
        follower.save(update_fields=["channel"])
        journal.record("group", follower.name, text)


@transaction.atomic
def wake_device(*, device: Device) -> Device:
    """Let the control worker send the packet that powers it on (Wake-on-LAN).

    Raises ConflictError for one that was only discovered.
    """
    if device.state == DeviceState.DISCOVERED:
        raise ConflictError(f"The device {device.mac} is not approved yet; approve it first.")
    device.wake_requested_at = timezone.now()
    Device.objects.filter(pk=device.pk).update(wake_requested_at=device.wake_requested_at)
    journal.record("device", device.mac, "Asked to power on (Wake-on-LAN)")
    return device


def _check_type(device_type: str) -> None:
    if device_type not in DeviceType.values:
        raise ValidationError(f"A device type is one of {', '.join(DeviceType.values)}.")
