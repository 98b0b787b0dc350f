"""REST calls of what a device will get and why, and of who changed what of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from bootflow.dhcp_answer import DhcpAnswer
from bootflow.preview import Preview, preview_of
from devices.models import Device
from devices.services import find_device
from netboot_site import journal
from netboot_site.formats import parse_mac
from netboot_site.models import Change

router = Router()


class StepOut(Schema):
    """A rule that was asked on the way to the decision; the last one that decides is marked."""

    question: str
    answer: str
    decides: bool


class OptionOut(Schema):
    """One DHCP option."""

    number: int
    name: str
    value: str


class DhcpAnswerOut(Schema):
    """One answer of dnsmasq. `address`: which it hands out; empty: none, as another server does."""

    asker: str
    kind: str
    address: str
    next_server: str
    file: str
    options: list[OptionOut]


class TargetOut(Schema):
    """Where the device finds its disk."""

    iqn: str
    portal: str
    lun: int
    initiator: str


class PreviewOut(Schema):
    """What a device gets at its next boot, and the rules that led there; secrets are masked."""

    mac: str
    decision: str
    title: str
    why: str
    steps: list[StepOut]
    dhcp_interface: str
    dhcp_note: str
    dhcp: list[DhcpAnswerOut]
    boot_files: list[str]
    script: str
    kernel_line: str
    kernel_note: str
    target: TargetOut | None


class ChangeOut(Schema):
    """Something that was changed; no person: by the orchestrator itself."""

    at: datetime
    person: str
    text: str


class HistoryPage(Schema):
    """Which part of the history."""

    limit: Annotated[int, Field(ge=0, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0


@router.get("/devices/{mac}/preview", response=PreviewOut)
def preview_device(request: HttpRequest, mac: str) -> PreviewOut:
    """What the device will get at its next boot, and why: DHCP, boot files, script, kernel line, target."""
    device = find_device(mac=mac)
    rows = Device.objects.select_related("boot_plan", "pi_tree")
    return preview_out(device.mac, preview_of(rows.get(pk=device.pk)))


@router.get("/devices/{mac}/history", response=list[ChangeOut])
def device_history(
    request: HttpRequest, response: HttpResponse, mac: str, page: Query[HistoryPage]
) -> list[Change]:
    """Who changed what, the newest first; also of a device that is deleted."""
    rows = journal.changes_of("device", parse_mac(mac))
    total = rows.count()
    if not total:
        find_device(mac=mac)
    response["X-Total-Count"] = str(total)
    return list(rows[page.offset : page.offset + page.limit])


def preview_out(mac: str, preview: Preview) -> PreviewOut:
    """As the API shows it."""
    target = preview.target
    return PreviewOut(
        mac=mac,
        decision=preview.decision,
        title=preview.outlook.title,
        why=preview.outlook.why,
        steps=[
            StepOut(question=one.question, answer=one.answer, decides=one.decides) for one in preview.steps
        ],
        dhcp_interface=preview.dhcp.interface,
        dhcp_note=preview.dhcp.note,
        dhcp=[
            _answer_out(exchange.asker, answer)
            for exchange in preview.dhcp.exchanges
            for answer in exchange.answers
        ],
        boot_files=preview.boot_files,
        script=preview.script,
        kernel_line=preview.kernel_line,
        kernel_note=preview.kernel_note,
        target=TargetOut(
            iqn=target.iqn, portal=target.portal, lun=target.lun, initiator=target.initiator
        ) if target else None,
    )  # fmt: skip


def _answer_out(asker: str, answer: DhcpAnswer) -> DhcpAnswerOut:
    options = [
        OptionOut(number=option.number, name=option.name, value=option.text) for option in answer.options
    ]
    return DhcpAnswerOut(
        asker=asker, kind=answer.kind, address=answer.address, next_server=answer.next_server,
        file=answer.file, options=options,
    )  # fmt: skip
