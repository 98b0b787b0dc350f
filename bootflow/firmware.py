"""What firmware and boot loaders ask: no login, no cookie, no redirect, always an answer they understand.

Each answer is made by a plain function of (query, address); the Django views and the boot process call it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypeVar

from django.db import Error as DjangoDatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from psycopg import Error as DatabaseError

from bootflow import ipxe
from bootflow.answers import answer_for
from bootflow.checkin import Asking, Secret, boot_base, carry_out, check_in, note
from bootflow.decision import BootDecision, Situation, decide
from bootflow.facts import device_type_of, facts_of, firmware_of, parse_query, retry_of
from bootflow.identity import owns_address
from bootflow.ipxe import Server
from bootflow.raspberry_pi import asking as pi
from bootflow.recorder.telling import ROOT_MOUNTED
from bootflow.trouble import explain
from netboot_site.errors import ValidationError
from netboot_site.formats import parse_mac

logger = logging.getLogger(__name__)
JSON_TYPE = "application/json"
DATABASE_AWAY = "The orchestrator's database does not answer. Asking again."
EVENTS = {"sanboot-failed": "iscsi", "installer-failed": "installer", "local": "script"}
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer to firmware."""

    body: str
    content_type: str = ipxe.CONTENT_TYPE
    status: int = 200


def answer_first_script(query: str, address: str) -> Answer:
    """GET /boot/boot.ipxe: the same for every machine, and without the database."""
    return Answer(ipxe.first_script(boot_base()))


def answer_script(query: str, address: str) -> Answer:
    """GET /boot/script: the decision, as a script."""
    fields = parse_query(query)
    try:
        mac = parse_mac(fields.get("mac", ""))
    except ValidationError as error:
        return Answer(ipxe.local_script(str(error)))
    server = Server(boot_base(), mac, retry_of(fields))
    identity = owns_address(mac=mac, address=address)
    asked = _ask(_asking(mac, "script", fields, address, server.retry, identity))
    situation, secret = asked or (Situation(mac), None)
    decision = _twice(lambda: carry_out(situation, decide(situation))) if asked else None
    if decision is None:
        return Answer(ipxe.waiting_script(server, DATABASE_AWAY))
    return Answer(ipxe.render(server, situation, decision, secret))


def answer_pi(query: str, address: str) -> Answer:
    """GET /boot/pi: the decision for a Raspberry Pi that runs the waiting system or an image's initramfs."""
    fields = parse_query(query)
    try:
        mac, system = parse_mac(fields.get("mac", "")), pi.system_of(fields)
    except ValidationError as error:
        return Answer(pi.wait(str(error)))
    identity = owns_address(mac=mac, address=address)
    asked = _ask(pi.asking_of(mac, system, fields, address, identity))
    situation = asked[0] if asked else Situation(mac)
    decision = _twice(lambda: _decision_for_pi(situation, system)) if asked else None
    return Answer(pi.render(situation, decision, system) if decision else pi.wait(DATABASE_AWAY))


def _decision_for_pi(situation: Situation, system: pi.System) -> BootDecision:
    """Only what runs from the disk's own initramfs is about to use the disk."""
    decision = decide(situation)
    return carry_out(situation, decision) if system is pi.System.INITRAMFS else decision


def answer_report(query: str, address: str) -> Answer:
    """GET /boot/report: a script says what went wrong, or that it goes to the local disk."""
    fields = parse_query(query)
    event = fields.get("event", "")
    try:
        mac = parse_mac(fields.get("mac", ""))
    except ValidationError as error:
        return Answer(ipxe.local_script(str(error)))
    if event not in EVENTS:
        return Answer(ipxe.waiting_script(Server(boot_base(), mac), "This report is not understood."))
    why = explain(event, fields.get("error", ""))
    told = {"error": fields.get("error", ""), "address": address}
    _twice(lambda: note(mac=mac, stage=EVENTS[event], kind=event, detail=why, facts=told))
    if event == "local":
        return Answer(ipxe.local_script(why))
    return Answer(ipxe.failure_script(Server(boot_base(), mac, retry_of(fields)), why))


def answer_online(query: str, address: str) -> Answer:
    """GET /boot/online: the operating system says that it is up, or its initramfs that its root is there."""
    try:
        fields = parse_query(query)
        mac = parse_mac(fields.get("mac", ""))
    except ValidationError as error:
        return Answer(ipxe.local_script(str(error)))
    at = {"at": ROOT_MOUNTED} if fields.get("at") == ROOT_MOUNTED else {}
    _twice(lambda: note(mac=mac, stage="os", kind="online", facts={"address": address, **at}))
    return Answer(ipxe.local_script("Noted: the operating system is up."))


def answer_check_in(query: str, address: str) -> Answer:
    """GET /api/v1/boot/check-in: the decision as JSON, without any secret."""
    fields = parse_query(query)
    try:
        mac = parse_mac(fields.get("mac", ""))
    except ValidationError as error:
        return _json({"detail": str(error)}, 422)
    asked = _ask(_asking(mac, "check-in", fields, address, 0, None))
    if asked is None:
        message = "The database does not answer now; ask again in a moment."
        return _json({"action": "show_menu", "device_type": device_type_of(fields), "message": message})
    return _json(answer_for(asked[0], decide(asked[0])))


def answer_elsewhere(query: str, address: str) -> Answer:
    """An address that nobody serves; still a script, so that no machine ends at a dead prompt."""
    return Answer(ipxe.local_script("The orchestrator has nothing at this address."), status=404)


def _asking(
    mac: str, kind: str, fields: dict[str, str], address: str, retry: int, identity: bool | None
) -> Asking:
    return Asking(
        mac=mac,
        kind=kind,
        address=address,
        device_type=device_type_of(fields),
        architecture=fields.get("arch", "")[:20],
        firmware=firmware_of(fields),
        serial=fields.get("serial", ""),
        facts=facts_of(fields),
        retry=retry,
        identity=identity,
    )


def _ask(asking: Asking) -> tuple[Situation, Secret | None] | None:
    return _twice(lambda: check_in(asking))


def _twice(work: Callable[[], Result]) -> Result | None:
    """Run a statement; if PostgreSQL was restarted meanwhile, once more on a new connection; else None."""
    for attempt in (1, 2):
        try:
            return work()
        except (DatabaseError, DjangoDatabaseError) as error:
            logger.warning("A boot request's statement failed (attempt %d): %s", attempt, error)
            _drop_connection()
    return None


def _drop_connection() -> None:
    """PostgreSQL may have been restarted. A connection in a transaction (a test's) is not ours to drop."""
    if not connection.in_atomic_block:
        connection.close()


def _json(content: dict[str, Any], status: int = 200) -> Answer:
    return Answer(json.dumps(content), JSON_TYPE, status)


def peer_address(real_ip: str, remote: str) -> str:
    """The machine's address: nginx's word, else the connection's own (a unix socket has none)."""
    try:
        return str(ip_address(real_ip or remote))
    except ValueError:
        return ""


def refused_method() -> Answer:
    """Boot endpoints are only read."""
    return Answer("Only GET is understood.\n", status=405)


# Each address with what answers it: the views of firmware_urls.py and the boot process (wsgi.py) share it.
ANSWERS: dict[str, Callable[[str, str], Answer]] = {
    "/boot/boot.ipxe": answer_first_script,
    "/boot/script": answer_script,
    "/boot/pi": answer_pi,
    "/boot/report": answer_report,
    "/boot/online": answer_online,
    "/api/v1/boot/check-in": answer_check_in,
}


def view(answer: Callable[[str, str], Answer]) -> Callable[..., HttpResponse]:
    """A Django view around an answer."""

    @csrf_exempt  # what it refuses, it refuses in plain text
    def respond(request: HttpRequest, elsewhere: str = "") -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            made = refused_method()
            return HttpResponse(made.body, made.content_type, made.status, headers={"Allow": "GET, HEAD"})
        address = peer_address(request.META.get("HTTP_X_REAL_IP", ""), request.META.get("REMOTE_ADDR", ""))
        made = answer(request.META.get("QUERY_STRING", ""), address)
        return HttpResponse(made.body, made.content_type, made.status)

    return respond
