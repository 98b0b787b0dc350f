"""Many devices at once, from a CSV file: all of them, or none and the line of each mistake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from bootflow.import_rows import OF_A_DISK, Fate, Row, read_rows
from bootflow.models import BootPlan, KernelSet
from bootflow.services import update_profile
from devices.models import Device, DeviceState, Group
from devices.services import state_of
from images.models import Export, ExportMode, Follows, Image
from images.services import assign_image
from netboot_site import journal
from netboot_site.errors import OrchestratorError, ValidationError

BATCH_ROWS = 5000
SHOWN_MISTAKES = 50
_COMPARED = {
    "name": "name",
    "group": "group",
    "serial": "serial",
    "channel": "channel",
}


@transaction.atomic
def import_devices(*, lines: Iterable[str], changes_known: bool = False) -> list[Fate]:
    """Register every device of a CSV file and return what became of each line.

    Groups that are missing are made. A device that is registered already is a mistake, unless
    `changes_known`: then it becomes what its line says. Raises ValidationError with each bad line's number,
    and changes nothing.
    """
    fates = _carry_out(lines, changes_known=changes_known)
    _refuse([f"line {fate.line}: {fate.why}" for fate in fates if fate.fate == "refused"])
    return fates


def try_import(*, lines: Iterable[str], changes_known: bool = False) -> list[Fate]:
    """What the import would do to each line: it is carried out and taken back. Raises ValidationError."""
    with transaction.atomic():
        fates = _carry_out(lines, changes_known=changes_known)
        transaction.set_rollback(True)
    return fates


def _refuse(mistakes: list[str]) -> None:
    if mistakes:
        more = len(mistakes) - SHOWN_MISTAKES
        rest = [f"and {more} more"] if more > 0 else []
        raise ValidationError("Nothing was imported. " + "; ".join([*mistakes[:SHOWN_MISTAKES], *rest]))


@dataclass
class _Import:
    """Rows on their way, and what has become of others."""

    rows: list[Row]
    fates: dict[int, Fate] = field(default_factory=dict)
    given: set[int] = field(default_factory=set)  # lines whose device has got a disk
    types: dict[int, str] = field(default_factory=dict)  # what they were, where they changed

    def tell(self, row: Row, fate: str, why: str = "") -> None:
        self.fates[row.line] = Fate(row.line, row.mac, row.name, fate, why)

    def refuse(self, row: Row, why: str) -> None:
        self.tell(row, "refused", why)

    def left(self) -> list[Row]:
        """Those that nothing stands against so far."""
        refused = {line for line, fate in self.fates.items() if fate.fate == "refused"}
        return [row for row in self.rows if row.line not in refused]


def _carry_out(lines: Iterable[str], *, changes_known: bool) -> list[Fate]:
    """Each line's fate, in their order; as long as one is refused, the caller takes all of it back."""
    rows, refused = read_rows(lines)
    work = _Import(rows, {fate.line: fate for fate in refused})
    macs = [row.mac for row in rows]
    known = set(Device.objects.known().filter(mac__in=macs).values_list("mac", flat=True))
    for row in rows:
        if row.mac in known and not changes_known:
            work.refuse(row, f"{row.mac} is registered already.")
    _check_kernel_sets(work)
    groups = _groups({row.group for row in work.left() if row.group})
    _register([row for row in work.left() if row.mac not in known], groups, work)
    _change_types([row for row in work.left() if row.mac in known], work)
    _assign(work)
    _change([row for row in work.left() if row.mac in known], groups, work)
    _choose_kernel_sets(work)
    return [work.fates[line] for line in sorted(work.fates)]


def _known(rows: list[Row]) -> dict[str, Device]:
    """Registered devices by MAC address, locked: nobody changes them meanwhile.

    Late, since disks take time: a machine that boots waits for this lock to note that it was seen.
    """
    found = Device.objects.known().filter(mac__in=[row.mac for row in rows])
    locked = found.select_for_update(of=("self",), no_key=True).select_related("group", "boot_plan")
    return {device.mac: device for device in locked.order_by("mac")}


def _check_kernel_sets(work: _Import) -> None:
    names = set(KernelSet.objects.values_list("name", flat=True))
    for row in work.left():
        if row.kernel_set and row.kernel_set not in names:
            work.refuse(row, f"There is no kernel set named {row.kernel_set!r}.")


def _groups(names: set[str]) -> dict[str, Group]:
    there = set(Group.objects.filter(name__in=names).values_list("name", flat=True))
    made = sorted(names - there)
    Group.objects.bulk_create([Group(name=name) for name in made], ignore_conflicts=True)
    journal.record_many("group", [(name, "Created for a list of devices") for name in made])
    return {group.name: group for group in Group.objects.filter(name__in=names)}


def _register(rows: list[Row], groups: dict[str, Group], work: _Import) -> None:
    fields = ["name", "device_type", "group", "state", "channel", "ignored_at", "updated_at"]
    for has_serial in (False, True):  # what a device told of itself stays, unless the file says otherwise
        Device.objects.bulk_create(
            [_device(row, groups) for row in rows if bool(row.serial) is has_serial],
            batch_size=BATCH_ROWS,
            update_conflicts=True,  # one that was only discovered becomes known
            unique_fields=["mac"],
            update_fields=[*fields, "serial"] if has_serial else fields,
        )
    journal.record_many("device", [(row.mac, f"Registered as {row.name}, from a list") for row in rows])
    for row in rows:
        work.tell(row, "new")


def _device(row: Row, groups: dict[str, Group]) -> Device:
    return Device(
        mac=row.mac,
        name=row.name,
        device_type=row.device_type,
        group=groups.get(row.group),
        serial=row.serial,
        state=DeviceState.DISABLED if row.enabled is False else DeviceState.ENROLLED,
        channel=row.channel,
    )


def _change_types(rows: list[Row], work: _Import) -> None:
    """Through the service, which knows what stands against another type; before disks, which must fit it."""
    present = Device.objects.in_bulk([row.mac for row in rows], field_name="mac")
    for row in rows:
        device = present[row.mac]
        before = str(device.device_type)
        if before == row.device_type:
            continue
        try:
            with transaction.atomic():
                update_profile(device=device, device_type=row.device_type)
        except OrchestratorError as error:
            work.refuse(row, str(error))
        else:
            work.types[row.line] = before


def _change(rows: list[Row], groups: dict[str, Group], work: _Import) -> None:
    """Registered devices become what their lines say; an empty serial or state says nothing."""
    known, changed, notes = _known(rows), [], []
    for row in rows:
        if row.mac not in known:
            work.refuse(row, f"{row.mac} was deleted just now; try it again.")
            continue
        words = _differences(row, known[row.mac])
        if words:
            changed.append(_changed(row, known[row.mac], groups))
            notes.append((row.mac, f"Changed from a list: {'; '.join(words)}"))
        words += _told_before(row, work)
        work.tell(row, "changed" if words else "same", "; ".join(words))
    fields = ["name", "group", "serial", "state", "channel", "updated_at"]
    Device.objects.bulk_create(
        changed, batch_size=BATCH_ROWS, update_conflicts=True, unique_fields=["mac"], update_fields=fields
    )
    journal.record_many("device", notes)


def _told_before(row: Row, work: _Import) -> list[str]:
    """What services have changed, and noted, by then."""
    types = [f"type: {work.types[row.line]} → {row.device_type}"] if row.line in work.types else []
    return types + ([f"disk: {row.image}"] if row.line in work.given else [])


def _wanted(row: Row, device: Device) -> dict[str, str]:
    """What the row says of each field; where it says nothing, what is."""
    present = _present(device)
    said = {"name": row.name, "device_type": row.device_type, "serial": row.serial or device.serial}
    said |= {name: getattr(row, name) for name in ("group", "channel") if name in row.given}
    return present | said


def _present(device: Device) -> dict[str, str]:
    return {
        "name": device.name, "device_type": device.device_type, "serial": device.serial,
        "group": device.group.name if device.group else "", "channel": device.channel,
    }  # fmt: skip


def _differences(row: Row, device: Device) -> list[str]:
    present, wanted = _present(device), _wanted(row, device)
    words = [
        f"{label}: {present[name] or 'none'} → {wanted[name] or 'none'}"
        for name, label in _COMPARED.items()
        if present[name] != wanted[name]
    ]
    if row.enabled is not None and row.enabled is not device.enabled:
        words.append("enabled" if row.enabled else "disabled")
    plan: BootPlan | None = getattr(device, "boot_plan", None)
    if row.kernel_set and row.kernel_set != (plan.kernel_set_id if plan else None):
        words.append(f"kernel set: {row.kernel_set}")
    return words


def _changed(row: Row, device: Device, groups: dict[str, Group]) -> Device:
    wanted = _wanted(row, device)
    return Device(
        mac=device.mac,
        name=wanted["name"],
        device_type=wanted["device_type"],
        serial=wanted["serial"],
        channel=wanted["channel"],
        group=groups.get(row.group) if "group" in row.given else device.group,
        state=device.state if row.enabled is None else state_of(enabled=row.enabled),
    )


def _choose_kernel_sets(work: _Import) -> None:
    rows = [row for row in work.left() if row.kernel_set and work.fates[row.line].fate != "same"]
    devices = Device.objects.in_bulk([row.mac for row in rows], field_name="mac")
    BootPlan.objects.bulk_create(
        [BootPlan(device=devices[row.mac], kernel_set_id=row.kernel_set) for row in rows],
        batch_size=BATCH_ROWS, update_conflicts=True, unique_fields=["device"],
        update_fields=["kernel_set", "updated_at"],
    )  # fmt: skip


def _assign(work: _Import) -> None:
    rows = [row for row in work.left() if row.image]
    images = Image.objects.in_bulk([row.image for row in rows if "\0" not in row.image])
    devices = Device.objects.in_bulk([row.mac for row in rows], field_name="mac")
    exports = Export.objects.filter(device__mac__in=devices).select_related("device", "version")
    present = {export.device.mac: export for export in exports}
    for row in rows:
        export = present.get(row.mac)
        if export is not None and _has_it(row, export):
            continue
        try:
            _give(row, images, devices[row.mac])
        except OrchestratorError as error:
            work.refuse(row, str(error))
        else:
            work.given.add(row.line)


def _has_it(row: Row, export: Export) -> bool:
    """Whether the device has just that disk; cells that are empty ask for nothing."""
    pinned = export.follows == Follows.PINNED and export.version is not None
    version = str(export.version.number) if pinned and export.version else export.follows
    present = {"mode": export.mode, "persistence": export.persistence, "version": version}
    asked = {name: getattr(row, name) for name in OF_A_DISK}
    return export.image_id == row.image and all(
        not cell or cell == present[name] for name, cell in asked.items()
    )


def _give(row: Row, images: dict[Any, Image], device: Device) -> None:
    if row.image not in images:
        raise ValidationError(f"There is no image {row.image!r}.")
    with transaction.atomic():
        assign_image(
            image=images[row.image], device=device, mode=row.mode or ExportMode.EXCLUSIVE,
            persistence=row.persistence or None, version=row.version or None,
        )  # fmt: skip
