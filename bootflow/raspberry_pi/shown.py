"""One Raspberry Pi's tree, for a person: what convergence makes of rows as they stand now."""

from __future__ import annotations

from dataclasses import dataclass

from bootflow.raspberry_pi.choosing import Chooser, Wanted, claims_of, local_place
from bootflow.raspberry_pi.cmdline import masked
from bootflow.raspberry_pi.config import os_prefix, overlay_names
from bootflow.raspberry_pi.rows import Contents, ContentsCache, Partition, SetRow, load
from bootflow.raspberry_pi.trees import CMDLINE, CONFIG, Digest
from devices.models import Device, DeviceState, DeviceType
from netboot_site.errors import ConflictError, ValidationError


@dataclass(frozen=True, slots=True)
class ShownTree:
    """What a device's firmware fetches, without the secret; empty texts: they are the set's own."""

    wanted: Wanted
    files: dict[str, Digest]
    update: dict[str, Digest]  # what would rewrite its bootloader
    config: str
    cmdline: str


def tree_shown(device: Device) -> ShownTree:
    """Raises ValidationError for what is no Raspberry Pi, ConflictError for one that is not served."""
    if device.device_type != DeviceType.RASPI:
        raise ValidationError(f"{device} is no Raspberry Pi: it has no tree of boot files.")
    if device.state != DeviceState.ENROLLED:
        raise ConflictError(f"{device} is disabled: it has no tree of boot files.")
    rows, cache = load(), ContentsCache()

    def contents(row: Partition | SetRow) -> Contents:
        return cache.of_partition(row) if isinstance(row, Partition) else cache.of_set(row)

    chooser = Chooser(rows, contents, local_place(), frozenset(), {})
    row = next((one for one in rows.devices if one["pk"] == device.pk), None)
    if row is None:
        raise ConflictError(f"{device} has just been changed; ask again.")
    wanted = chooser.choose(row, claims_of(rows.devices))
    source = chooser.source_of(row)
    config = wanted.tree.written.get(CONFIG, "") if wanted.tree else ""
    line = wanted.tree.written.get(CMDLINE, "") if wanted.tree else ""
    return ShownTree(
        wanted=wanted,
        files={**wanted.tree.file_set.linked, **wanted.tree.extra} if wanted.tree else {},
        update=dict(source.contents.file_set.update) if source.contents else {},
        config=config,
        cmdline=masked(line or (source.contents.cmdline if source.contents else ""), wanted.secret),
    )


def known_overlays(device: Device) -> set[str] | None:
    """The overlays of what a device boots; None while its files are not known."""
    if device.device_type != DeviceType.RASPI or device.state != DeviceState.ENROLLED:
        return None
    shown = tree_shown(device)
    return overlay_names(shown.files, os_prefix(shown.config)) if shown.files else None
