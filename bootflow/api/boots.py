"""REST calls of boots, and the check-in as the API's page documents it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import AfterValidator, AwareDatetime, Field

from bootflow import bundle
from bootflow.boot_schemas import BootDetailOut, BootOut, boot_detail_out, boot_out
from bootflow.boot_search import BootFilter, CauseCount, count_causes, search_boots
from bootflow.boot_story import story_of
from bootflow.causes import LABELS
from bootflow.firmware import answer_check_in, view
from bootflow.models import Boot
from devices.schemas import Text
from devices.services import get_device
from netboot_site.errors import NotFoundError
from netboot_site.formats import parse_mac

router = Router()
Limit = Annotated[int, Query(ge=0, le=1000)]


def _in_utc(at: datetime) -> datetime:
    """PostgreSQL takes no offset of 16 hours and more."""
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("This time is out of range.") from error


Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class BootQuery(Schema):
    """Which boots a list shows."""

    q: Annotated[Text, Field(description="Part of the device's name, serial, group or MAC address.")] = ""
    mac: Annotated[Text, Field(description="Of one device, in any spelling.")] = ""
    outcome: Literal["", "running", "ok", "local", "menu", "failed"] = ""
    reason: Annotated[
        Text, Field(description=f"A kind of reason ({', '.join(LABELS)}), or words of the sentence.")
    ] = ""
    stage: Literal["", "dhcp", "firmware", "tftp", "script", "installer", "iscsi", "os"] = ""
    since: Annotated[Time | None, Field(description="Powered on at this time or later.")] = None
    until: Annotated[Time | None, Field(description="Powered on before this time.")] = None

    def chosen(self) -> BootFilter:
        """As the search takes it. Raises ValidationError for what is no MAC address."""
        return BootFilter(
            text=self.q.strip(), mac=parse_mac(self.mac) if self.mac else "", outcome=self.outcome,
            reason=self.reason.strip(), stage=self.stage, since=self.since, until=self.until,
        )  # fmt: skip


class BootPageQuery(BootQuery):
    """And how many of them."""

    limit: Annotated[int, Field(ge=0, le=1000)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class CauseOut(Schema):
    """How many boots failed for one kind of reason."""

    reason: str
    label: str
    count: int


@router.get("/boot/check-in", auth=None, response={200: dict[str, Any], 422: dict[str, Any]})
def check_in(request: HttpRequest, mac: str = "", device_type: str = "") -> HttpResponse:
    """What this machine would boot now. Open, recorded, and without any secret."""
    return view(answer_check_in)(request)


@router.get("/boots", response=list[BootOut])
def list_boots(request: HttpRequest, page: Query[BootPageQuery]) -> list[BootOut]:
    """Boots of all devices, newest first; to go on through many of them, take `until` from the last one."""
    rows = search_boots(page.chosen()).prefetch_related("events")
    return [boot_out(boot) for boot in rows[page.offset : page.offset + page.limit]]


@router.get("/boots/reasons", response=list[CauseOut])
def count_reasons(request: HttpRequest, wanted: Query[BootQuery]) -> list[CauseOut]:
    """Why boots failed, the most frequent kind of reason first."""
    return [_cause_out(cause) for cause in count_causes(wanted.chosen())]


@router.get("/boots/{int:boot_id}", response=BootDetailOut)
def get_boot(request: HttpRequest, boot_id: int) -> BootDetailOut:
    """One boot with its stages, each beside what is usual for its device and its model."""
    return boot_detail_out(story_of(_boot(boot_id)))


@router.get("/boots/{int:boot_id}/bundle", response={200: dict[str, Any]})
def get_bundle(request: HttpRequest, boot_id: int, format: Literal["json", "text"] = "json") -> HttpResponse:
    """All that is known of one boot, to be sent with a report: without secrets and paths of this server."""
    return bundle.answer(story_of(_boot(boot_id)), format)


@router.get("/devices/{mac}/boots", response=list[BootOut])
def list_boots_of_device(request: HttpRequest, mac: str, limit: Limit = 50) -> list[BootOut]:
    """Boots of one device, newest first."""
    device = get_device(mac=mac)
    rows = Boot.objects.filter(mac=device.mac).prefetch_related("events")
    return [boot_out(boot) for boot in rows[:limit]]


def _cause_out(cause: CauseCount) -> CauseOut:
    return CauseOut(reason=cause.key, label=cause.label, count=cause.count)


def _boot(boot_id: int) -> Boot:
    boot = Boot.objects.filter(pk=boot_id).first()
    if boot is None:
        raise NotFoundError(f"There is no boot {boot_id}; it may be older than the history that is kept.")
    return boot
