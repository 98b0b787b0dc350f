"""Writes down how each Raspberry Pi's tree was seen: rows of PiTree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from bootflow.models import PiTree, PiTreeState
from bootflow.raspberry_pi.choosing import Wanted
from bootflow.raspberry_pi.rows import TOLD_FIELDS, Snapshot
from bootflow.raspberry_pi.trees import TREES, Observed, Tree
from devices.models import DeviceState, DeviceType

BOOTS_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What a row says of a device's tree."""

    state: str
    names: list[str]
    digest: str
    boots: str
    missing: list[str]
    last_error: str


def tell(rows: Snapshot, wanted: Iterable[Wanted], seen: Observed, troubles: Mapping[str, str]) -> None:
    """Write what differs from what the rows say."""
    before = {device: Told(**row) for device, row in rows.told.items()}
    now = {one.device: told_of(one, seen, troubles) for one in wanted}
    _save([_row(device, told) for device, told in now.items() if before.get(device) != told])
    gone = PiTree.objects.exclude(device__device_type=DeviceType.RASPI, device__state=DeviceState.ENROLLED)
    gone.delete()


def told_of(wanted: Wanted, seen: Observed, troubles: Mapping[str, str]) -> Told:
    """How a device's tree is, as it was seen after a round. Pure."""
    tree = wanted.tree
    if tree is None:
        return _told(wanted, PiTreeState.WAITING, [], "", wanted.waits)
    target = f"{TREES}/{tree.name}"
    names = [name for name in wanted.names if seen.names.get(name) == target]
    if tree.name not in seen.trees or len(names) < len(wanted.names):
        why = _trouble_of(tree, wanted, troubles) or "Its files are being written."
        return _told(wanted, PiTreeState.WAITING, names, "", why)
    state = _state_of(wanted)
    return _told(wanted, state, names, tree.digest, " ".join((wanted.conflict, *wanted.remarks)).strip())


def _state_of(wanted: Wanted) -> PiTreeState:
    if wanted.conflict:
        return PiTreeState.CONFLICT
    return PiTreeState.INCOMPLETE if wanted.missing or wanted.unbootable else PiTreeState.READY


def _trouble_of(tree: Tree, wanted: Wanted, troubles: Mapping[str, str]) -> str:
    """What kept this tree from being made: its own trouble, its set's, or that of one of its contents."""
    parts = (
        tree.name, *wanted.names, tree.file_set.digest, *tree.extra.values(),
        *tree.file_set.linked.values(), "",
    )  # fmt: skip
    return next((troubles[part] for part in parts if part in troubles), "")


def _told(wanted: Wanted, state: PiTreeState, names: list[str], digest: str, why: str) -> Told:
    return Told(state, names, digest, wanted.boots[:BOOTS_LENGTH], list(wanted.missing), why)


def _row(device: int, told: Told) -> PiTree:
    return PiTree(
        device_id=device, observed_at=timezone.now(), **{name: getattr(told, name) for name in TOLD_FIELDS}
    )


def _save(news: list[PiTree]) -> None:
    """In one statement; a device may have gone since it was looked at."""
    try:
        with transaction.atomic():
            PiTree.objects.bulk_create(
                news, batch_size=1000, update_conflicts=True, unique_fields=["device"],
                update_fields=[*TOLD_FIELDS, "observed_at"],
            )  # fmt: skip
    except IntegrityError:
        return  # the next round sees which device it was
