"""Many devices at once, from a CSV file: all of them, or none and the line of each mistake."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import transaction

from bootflow.raspberry_pi.serials import parse_serial
from devices.models import Device, DeviceState, DeviceType, Group
from images.models import ExportMode, Image
from images.services import assign_image
from netboot_site.errors import OrchestratorError, ValidationError
from netboot_site.formats import clean_name, parse_mac

COLUMNS = ("mac", "name", "device_type", "group", "image", "mode", "persistence", "version", "serial")
NEEDED = COLUMNS[:3]
OF_A_DISK = COLUMNS[5:8]
BATCH_ROWS = 5000
SHOWN_MISTAKES = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file, checked."""

    line: int
    mac: str
    name: str
    device_type: str
    group: str
    image: str
    mode: str
    persistence: str
    version: str
    serial: str


@transaction.atomic
def import_devices(*, lines: Iterable[str]) -> int:
    """Register every device of a CSV file and return their number.

    Groups that are missing are made. Raises ValidationError with each bad line's number, and changes nothing.
    """
    rows, mistakes = _read(lines)
    mistakes += _taken(rows)
    _refuse(mistakes)
    groups = _groups({row.group for row in rows if row.group})
    fields = ["name", "device_type", "group", "state", "updated_at"]
    for has_serial in (False, True):  # what a device told of itself stays, unless the file says otherwise
        Device.objects.bulk_create(
            [_device(row, groups) for row in rows if bool(row.serial) is has_serial],
            batch_size=BATCH_ROWS,
            update_conflicts=True,  # one that was only discovered becomes known
            unique_fields=["mac"],
            update_fields=[*fields, "serial"] if has_serial else fields,
        )
    _refuse(_assign([row for row in rows if row.image]))
    return len(rows)


def _refuse(mistakes: list[str]) -> None:
    if mistakes:
        more = len(mistakes) - SHOWN_MISTAKES
        rest = [f"and {more} more"] if more > 0 else []
        raise ValidationError("Nothing was imported. " + "; ".join([*mistakes[:SHOWN_MISTAKES], *rest]))


def _read(lines: Iterable[str]) -> tuple[list[Row], list[str]]:
    reader = csv.DictReader(lines, restkey="", restval="")
    missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
    unknown = [name for name in reader.fieldnames or () if name not in COLUMNS]
    if missing or unknown:
        raise ValidationError(
            f"The first line names the columns {', '.join(COLUMNS)}; all but the first three may miss."
        )
    rows: dict[str, Row] = {}
    mistakes: list[str] = []
    for line, fields in _records(reader):
        try:
            row = _row(line, fields)
            if row.mac in rows:
                raise ValidationError(f"{row.mac} stands in line {rows[row.mac].line} already.")  # noqa: TRY301
        except ValidationError as error:
            mistakes.append(f"line {line}: {error}")
        else:
            rows[row.mac] = row
    return list(rows.values()), mistakes


def _records(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise ValidationError(f"Nothing was imported. line {reader.line_num}: {error}") from error


def _row(line: int, fields: dict[str, str]) -> Row:
    if "" in fields:
        raise ValidationError("it has more fields than there are columns.")
    device_type = fields["device_type"].strip()
    if device_type not in DeviceType.values:
        raise ValidationError(f"A device type is one of {', '.join(DeviceType.values)}.")
    group = fields.get("group", "").strip()
    disk = {name: fields.get(name, "").strip() for name in ("image", *OF_A_DISK)}
    if not disk["image"] and any(disk.values()):
        raise ValidationError(f"{', '.join(OF_A_DISK)} belong to a disk; name its image.")
    mac = parse_mac(fields["mac"])
    return Row(
        line=line,
        mac=mac,
        name=clean_name(fields["name"]),
        device_type=device_type,
        group=clean_name(group) if group else "",
        serial=parse_serial(fields.get("serial", ""), device_type=device_type, mac=mac),
        **disk,
    )


def _taken(rows: list[Row]) -> list[str]:
    known = set(Device.objects.known().values_list("mac", flat=True))
    return [f"line {row.line}: {row.mac} is registered already." for row in rows if row.mac in known]


def _groups(names: set[str]) -> dict[str, Group]:
    Group.objects.bulk_create([Group(name=name) for name in sorted(names)], ignore_conflicts=True)
    return {group.name: group for group in Group.objects.filter(name__in=names)}


def _device(row: Row, groups: dict[str, Group]) -> Device:
    return Device(
        mac=row.mac,
        name=row.name,
        device_type=row.device_type,
        group=groups.get(row.group),
        serial=row.serial,
        state=DeviceState.ENROLLED,
    )


def _assign(rows: list[Row]) -> list[str]:
    images = Image.objects.in_bulk([row.image for row in rows if "\0" not in row.image])
    devices = Device.objects.in_bulk([row.mac for row in rows], field_name="mac")
    mistakes = []
    for row in rows:
        try:
            if row.image not in images:
                raise ValidationError(f"There is no image {row.image!r}.")
            assign_image(
                image=images[row.image], device=devices[row.mac], mode=row.mode or ExportMode.EXCLUSIVE,
                persistence=row.persistence or None, version=row.version or None,
            )  # fmt: skip
        except OrchestratorError as error:
            mistakes.append(f"line {row.line}: {error}")
    return mistakes
