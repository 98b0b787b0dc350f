"""Devices as a CSV file that can be imported again, and that a spreadsheet takes for text alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from devices.models import Device, DeviceState
from images.models import Export, ExportMode, Follows

COLUMNS = (
    "mac", "name", "device_type", "group", "image", "mode", "persistence", "version", "serial", "enabled",
    "kernel_set", "channel",
)  # fmt: skip
BATCH_ROWS = 1000
# What a spreadsheet would take for a formula gets an apostrophe before it, and what looks like that another.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_DISARMED = re.compile(r"'+[=+\-@\t\r]")


def disarmed(text: str) -> str:
    """A cell that no spreadsheet calculates."""
    return f"'{text}" if _FORMULA.match(text) else text


def armed(text: str) -> str:
    """What `disarmed` was given."""
    return text[1:] if _DISARMED.match(text) else text


def csv_answer(lines: Iterator[str], *, mark: str = "") -> StreamingHttpResponse:
    """A download that is written while it is read; `mark` tells a spreadsheet that it is UTF-8."""
    answer = StreamingHttpResponse(
        chain([mark] if mark else [], lines), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = 'attachment; filename="devices.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


class _Line:
    """A file that hands back each line that is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(devices: QuerySet[Device]) -> Iterator[str]:
    """The lines of the file, a batch of rows in memory at a time."""
    writer = csv.writer(_Line(), lineterminator="\r\n")  # RFC 4180
    yield writer.writerow(COLUMNS)
    rows = devices.select_related("group", "export__version", "boot_plan")
    for device in rows.iterator(chunk_size=BATCH_ROWS):
        yield writer.writerow([disarmed(cell) for cell in _cells(device)])


def _cells(device: Device) -> Iterable[str]:
    export: Export | None = getattr(device, "export", None)
    plan: Any = getattr(device, "boot_plan", None)
    enabled = {DeviceState.ENROLLED: "yes", DeviceState.DISABLED: "no"}.get(DeviceState(device.state), "")
    group = device.group.name if device.group else ""
    kernel_set = (plan.kernel_set_id if plan else None) or ""
    return [
        device.mac, device.name, device.device_type, group, *_disk_cells(export), device.serial, enabled,
        kernel_set, device.channel,
    ]  # fmt: skip


def _disk_cells(export: Export | None) -> list[str]:
    if export is None:
        return ["", "", "", ""]
    if export.mode == ExportMode.EXCLUSIVE:
        return [export.image_id, export.mode, "", ""]
    pinned = export.version is not None and export.follows == Follows.PINNED
    version = str(export.version.number) if pinned and export.version else export.follows
    return [export.image_id, export.mode, export.persistence, version]
