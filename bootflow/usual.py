"""How long boots usually take: of a device, of its model, and stage by stage.

Only boots that reached their operating system count, and only a bounded number of the latest: the cost of
each question does not grow with the history.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, Q

from devices.models import Device

LAST_BOOTS = 20  # of each device
MODEL_DEVICES, MODEL_BOOTS = 40, 5  # of a model: the machines that asked last, and the latest boots of each
_LOOKED_AT = 10  # times as many boots are read at most, to find those that ended well


@dataclass(frozen=True, slots=True)
class Usual:
    """What a number of boots took."""

    count: int
    median_seconds: float
    p95_seconds: float


# The latest boots of each address by the index boot_by_device, whatever else there is in the table.
_LAST = """
FROM unnest(%(macs)s::text[]) AS asked(mac) CROSS JOIN LATERAL (
    SELECT id, started_at, finished_at FROM (
        SELECT id, started_at, finished_at, outcome, stage FROM bootflow_boot
        WHERE mac = asked.mac ORDER BY started_at DESC LIMIT %(looked_at)s) AS latest
    WHERE outcome = 'ok' AND stage = 'os' AND finished_at IS NOT NULL AND id <> %(but)s LIMIT %(each)s
) AS boot"""
_TOOK = "extract(epoch FROM boot.finished_at - boot.started_at)"
_FIGURES = "count(*), percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY {})"
_BY_DEVICE = f"SELECT asked.mac, {_FIGURES.format(_TOOK)} {_LAST} GROUP BY asked.mac"
_ALL = f"SELECT 'all', {_FIGURES.format(_TOOK)} {_LAST}"
# A stage lasts until the next one begins; the last one until the system says that it is up, if it does.
# A file's event is written when all of it was sent, so its stage began with whatever came before it.
_BY_STAGE = f"""
SELECT stage, {_FIGURES.format("extract(epoch FROM greatest(until, began) - began)")} FROM (
    SELECT first.stage, first.began, coalesce(
        lead(first.began) OVER (PARTITION BY boot.id ORDER BY first.began, first.id),
        greatest(boot.finished_at, first.up_at)) AS until
    {_LAST} CROSS JOIN LATERAL (
        SELECT stage, min(began) AS began, min(id) AS id, max(at) FILTER (WHERE kind = 'online') AS up_at
        FROM (
            SELECT id, stage, kind, at, CASE WHEN stage IN ('firmware', 'tftp') AND kind LIKE 'file%%'
                THEN least(at, coalesce(max(coalesce((facts ->> 'last_at')::timestamptz, at)) OVER (
                    ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), at))
                ELSE at END AS began
            FROM bootflow_bootevent WHERE boot_id = boot.id) AS event
        GROUP BY stage) AS first
) AS lasted GROUP BY stage"""  # noqa: S608


def usual_of_devices(macs: Iterable[str], *, but: int = 0) -> dict[str, Usual]:
    """What the last boots of each of these devices took; without those that have none. One query.

    `but` leaves one boot out: the one that is compared.
    """
    return _figures(_BY_DEVICE, macs, LAST_BOOTS, but)


def usual_of_model(device: Device, *, but: int = 0) -> Usual | None:
    """What the last boots of machines like this one took, its own among them."""
    return _figures(_ALL, macs_of_model(device), MODEL_BOOTS, but).get("all")


def stage_usuals(macs: Iterable[str], *, each: int = LAST_BOOTS, but: int = 0) -> dict[str, Usual]:
    """How long each stage of the last boots of these devices lasted, by stage."""
    return _figures(_BY_STAGE, macs, each, but)


def model_of(device: Device) -> str:
    """What it is, as it told us itself; empty where it told nothing."""
    return _pi_model(device) or " ".join(filter(None, (_told(device, name) for name in _PC_NAMES)))


def macs_of_model(device: Device) -> list[str]:
    """Addresses of machines like this one, the last that asked first; none where it told no model."""
    same = _same_model(device)
    if same is None:
        return []
    rows = Device.objects.filter(same).order_by(F("last_seen_at").desc(nulls_last=True), "mac")
    return list(rows.values_list("mac", flat=True)[:MODEL_DEVICES])


_PC_NAMES = ("manufacturer", "product")


def _same_model(device: Device) -> Q | None:
    pi = _pi_model(device)
    if pi:
        return Q(facts__model=pi) | Q(facts__model__startswith=f"{pi} Rev ")
    if not _told(device, "product"):
        return None
    return Q(**{f"facts__{name}": _told(device, name) for name in _PC_NAMES if _told(device, name)})


def _pi_model(device: Device) -> str:
    """Without the revision of its board, which makes no other machine of it."""
    return _told(device, "model").partition(" Rev ")[0]


def _told(device: Device, name: str) -> str:
    return str(device.facts.get(name) or "")


def _figures(statement: str, macs: Iterable[str], each: int, but: int = 0) -> dict[str, Usual]:
    wanted = sorted(set(macs))
    if not wanted:
        return {}
    parameters: dict[str, Any] = {
        "macs": wanted, "each": each, "looked_at": each * _LOOKED_AT, "but": but,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    return {name: Usual(count, *map(float, figures)) for name, count, figures in rows if count}
