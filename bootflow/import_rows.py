"""A CSV file of devices as checked rows, and each line that is none with the reason. No database."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bootflow.export_list import COLUMNS, armed
from bootflow.raspberry_pi.serials import parse_serial
from devices.models import DeviceType, UpdateChannel
from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name, parse_mac

NEEDED = COLUMNS[:3]
OF_A_DISK = ("mode", "persistence", "version")
MOST_BYTES = 5 * 1024 * 1024
_YES_OR_NO = {"": None, "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_SHOWN = 60  # characters of what could not be read


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file, checked. `given`: the columns that the file has."""

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
    enabled: bool | None
    kernel_set: str
    channel: str
    given: frozenset[str]


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes, or would become, of one line."""

    line: int
    mac: str
    name: str
    fate: str  # new, changed, same or refused
    why: str = ""


def counted(fates: Iterable[Fate]) -> dict[str, int]:
    """How many lines have each fate."""
    found = dict.fromkeys(("new", "changed", "same", "refused"), 0)
    for fate in fates:
        found[fate.fate] += 1
    return found


def decoded(data: bytes) -> str:
    """The text of an uploaded file. Raises ValidationError."""
    if len(data) > MOST_BYTES:
        raise ValidationError(f"A list of devices has at most {MOST_BYTES // 2**20} MiB; send it in parts.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValidationError("This file is in UTF-16; save it as `CSV UTF-8`.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValidationError(f"Line {line} of this file is not in UTF-8; save it as `CSV UTF-8`.") from error
    if "\0" in text:
        raise ValidationError("This file holds NUL characters, which no text has; save it as `CSV UTF-8`.")
    return text


def read_rows(lines: Iterable[str]) -> tuple[list[Row], list[Fate]]:
    """The good rows, and the fate of the others. Raises ValidationError for what is no such list at all."""
    reader = csv.DictReader(lines, restkey="", restval="")
    names = _names(reader)
    rows: dict[str, Row] = {}
    refused = []
    for line, fields in _records(reader):
        try:
            row = _row(line, fields, names)
            if row.mac in rows:
                raise ValidationError(f"{row.mac} stands in line {rows[row.mac].line} already.")  # noqa: TRY301
        except ValidationError as error:
            mac, name = (str(fields.get(key) or "")[:_SHOWN] for key in ("mac", "name"))
            refused.append(Fate(line, mac, name, "refused", str(error)))
        else:
            rows[row.mac] = row
    return list(rows.values()), refused


def _names(reader: csv.DictReader[str]) -> frozenset[str]:
    """The columns of the file. Raises ValidationError."""
    try:
        names = list(reader.fieldnames or ())
    except csv.Error as error:
        raise ValidationError(f"Nothing was imported. line {reader.line_num}: {error}") from error
    if all(name in names for name in NEEDED) and set(names) <= set(COLUMNS) and len(set(names)) == len(names):
        return frozenset(names)
    said = f"The first line names the columns {', '.join(COLUMNS)}; all but the first three may miss."
    if len(names) == 1 and ";" in names[0]:
        said += " In this file semicolons stand between them; save it with commas."
    raise ValidationError(said)


def _records(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise ValidationError(f"Nothing was imported. line {reader.line_num}: {error}") from error


def _row(line: int, fields: dict[str, str], given: frozenset[str]) -> Row:
    if "" in fields:
        raise ValidationError("it has more fields than there are columns.")
    cells = {name: armed(fields.get(name, "")) for name in COLUMNS}
    device_type = cells["device_type"].strip()
    if device_type not in DeviceType.values:
        raise ValidationError(f"A device type is one of {', '.join(DeviceType.values)}.")
    mac = parse_mac(cells["mac"])
    group = cells["group"].strip()
    return Row(
        line=line,
        mac=mac,
        name=clean_name(cells["name"]),
        device_type=device_type,
        group=clean_name(group) if group else "",
        serial=parse_serial(cells["serial"], device_type=device_type, mac=mac),
        enabled=_enabled(cells["enabled"]),
        kernel_set=cells["kernel_set"].strip(),
        channel=_channel(cells["channel"]),
        given=given,
        **_disk(cells),
    )


def _disk(cells: dict[str, str]) -> dict[str, str]:
    disk = {name: cells[name].strip() for name in ("image", *OF_A_DISK)}
    if not disk["image"] and any(disk.values()):
        raise ValidationError(f"{', '.join(OF_A_DISK)} belong to a disk; name its image.")
    return disk


def _enabled(text: str) -> bool | None:
    word = text.strip().lower()
    if word not in _YES_OR_NO:
        raise ValidationError("`enabled` is yes or no.")
    return _YES_OR_NO[word]


def _channel(text: str) -> str:
    channel = text.strip()
    if channel not in UpdateChannel.values:
        raise ValidationError("A channel is `test` or `production`, or empty for none.")
    return channel
