"""A check-in: what is known of a machine is read, and that it asked is recorded, in one durable statement."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from time import time
from typing import Any

from django.conf import settings
from django.db import connection
from psycopg import Cursor
from psycopg.types.json import Jsonb

from bootflow.decision import (
    APPROVAL_WAIT_SECONDS,
    ASK_AGAIN_SECONDS,
    BootDecision,
    BootImage,
    Situation,
    Wait,
)
from bootflow.statements import (
    CHECK_IN,
    DISCOVER,
    FIRST_OF_PI,
    FIRST_SCRIPT,
    FORESEE_REFRESH,
    HAND_OUT,
    LOOK,
    LOOK_AT_PI,
    NEXT_OF_PI,
    NEXT_SCRIPT,
    NOTE,
    REFRESH,
)
from netboot_site.formats import mac_hex

DISCOVERED_LIMIT = 10_000  # rows of unknown machines: who is beyond gets its script, and leaves no row
DETAIL_LENGTH = 500
# tgtd gives up a dead initiator after three unanswered pings, five seconds apart (images/tgt.py).
BUSY = "An earlier session on its disk still lives; its disk is made fresh as soon as that has ended."
REPORTS_OF_A_KIND_MAX = 20  # of one boot: what a machine that fails for days may leave


@dataclass(frozen=True, slots=True)
class Asking:
    """What a machine said when it asked what to boot."""

    mac: str
    kind: str  # `script` by iPXE, `check-in` over REST
    address: str = ""
    device_type: str = ""
    architecture: str = ""
    firmware: str = ""
    serial: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    retry: int = 0
    identity: bool | None = None
    system: str = ""  # of a Raspberry Pi: `waiting`, the system that asks to be approved, or `initramfs`


@dataclass(frozen=True, slots=True)
class Secret:
    """A CHAP account; only the script of a machine whose identity was checked holds it."""

    username: str
    password: str


def boot_base() -> str:
    """Where machines reach us: never localhost, never a name that the request brought along."""
    return f"http://{settings.BOOT_ADDRESS}:{settings.BOOT_HTTP_PORT}/boot/"


def check_in(asking: Asking) -> tuple[Situation, Secret | None]:
    """Read what decides, record the question, and return both what was read and the disk's CHAP account."""
    parameters = _parameters(asking)
    statement = _statement(asking)
    plan, secret = _read(execute(statement, parameters), asking)
    if "state" not in plan and execute(DISCOVER, parameters):
        plan, secret = _read(execute(statement, parameters), asking)  # once in a machine's life
    return Situation.from_facts(asking.mac, plan), secret


def look(asking: Asking) -> tuple[Situation, Secret | None]:
    """What `check_in` would read and return if this were asked now. Nothing is recorded."""
    statement = LOOK_AT_PI if asking.system else LOOK
    plan, secret = _read(execute(statement, _parameters(asking)), asking)
    return Situation.from_facts(asking.mac, plan), secret


def _statement(asking: Asking) -> str:
    if asking.kind != "script":
        return CHECK_IN
    if asking.system:
        return NEXT_OF_PI if asking.retry else FIRST_OF_PI
    return NEXT_SCRIPT if asking.retry else FIRST_SCRIPT


def _read(row: tuple[str, str | None, str | None], asking: Asking) -> tuple[dict[str, Any], Secret | None]:
    text, username, password = row  # Django's connections give JSON as text
    secret = Secret(username, password) if username and password and asking.identity else None
    return json.loads(text), secret


def note(*, mac: str, stage: str, kind: str, detail: str = "", facts: dict[str, Any] | None = None) -> None:
    """Record something that a known machine told us while it boots."""
    execute(
        NOTE,
        {
            "mac": mac,
            "stage": stage,
            "kind": kind,
            "detail": detail[:DETAIL_LENGTH],
            "facts": Jsonb(facts or {}),
            "limit": REPORTS_OF_A_KIND_MAX,
        },
    )


def carry_out(situation: Situation, decision: BootDecision) -> BootDecision:
    """What a decision means for the machine's disk, before it is told: a fresh overlay, or that it has it."""
    match decision:
        case BootImage():
            execute(HAND_OUT, {"mac": situation.mac})
        case Wait(refresh=True):
            return _refreshing(situation.mac, decision, REFRESH)
    return decision


def foresee(situation: Situation, decision: BootDecision) -> BootDecision:
    """What `carry_out` would return now. Nothing is begun."""
    match decision:
        case Wait(refresh=True):
            return _refreshing(situation.mac, decision, FORESEE_REFRESH)
    return decision


def _refreshing(mac: str, decision: Wait, statement: str) -> Wait:
    disk = decision.disk
    row: tuple[bool, int | None, bool] | None = execute(statement, {"mac": mac, "iqn": disk.iqn})
    busy, number, keeps = row or (False, None, False)
    if busy:
        return replace(decision, why=BUSY, seconds=ASK_AGAIN_SECONDS)
    if disk.due == "move" and disk.ready and number is not None:
        kept = f" What it wrote on version {disk.version} is kept aside." if keeps else ""
        return replace(decision, why=f"Its disk is moving to version {number}.{kept}")
    return decision


def execute(statement: str, parameters: dict[str, Any]) -> Any:
    """Run a statement that returns at most one row, prepared by the server where the settings allow it."""
    connection.ensure_connection()
    with Cursor(connection.connection) as cursor:
        return cursor.execute(statement, parameters, prepare=True).fetchone()


def _parameters(asking: Asking) -> dict[str, Any]:
    return {
        "mac": asking.mac,
        "kind": asking.kind,
        "address": asking.address,
        "device_type": asking.device_type,
        "architecture": asking.architecture,
        "firmware": asking.firmware,
        "serial": asking.serial,
        "facts": Jsonb(asking.facts),
        "retry": asking.retry,
        "more": Jsonb({"system": asking.system} if asking.system else {}),
        "identity": asking.identity,
        # A Raspberry Pi has no local disk to go on to.
        "gave_up": not asking.system and asking.retry * ASK_AGAIN_SECONDS >= APPROVAL_WAIT_SECONDS,
        "asked_at": time(),
        "limit": DISCOVERED_LIMIT,
        "prefix": settings.IQN_PREFIX,
        "hex": mac_hex(asking.mac),
    }
