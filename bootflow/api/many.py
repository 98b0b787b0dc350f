"""REST calls of many devices at once: one change of all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field

from bootflow.api.devices import DeviceQuery
from bootflow.bulk import MOST_DEVICES, begin_bulk, carry_on, get_bulk, macs_done, stop_bulk
from bootflow.models import BulkChange
from bootflow.overview import search_devices
from bootflow.schemas import Mac
from devices.schemas import Text
from netboot_site.errors import ValidationError
from netboot_site.formats import parse_mac

router = Router()
WAIT_SECONDS = 45.0  # for the end; what takes longer is followed by its number


class WantedDevices(DeviceQuery):
    """All devices that a list with these filters shows; a misspelt one would be all devices there are."""

    model_config = ConfigDict(extra="forbid")


class BulkIn(Schema):
    """What is to be done, and to which devices: those named, or all that a filter finds."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[
        UUID | None, Field(description="Of your choice: the same change sent twice is done once.")
    ] = None
    action: Literal["enable", "disable", "group", "assign", "unassign", "boot-once", "reset", "delete"]
    macs: Annotated[list[Mac], Field(max_length=MOST_DEVICES)] | None = None
    filter: WantedDevices | None = None
    group: Annotated[Text | None, Field(description="group: its name; null: none.")] = None
    image_id: Annotated[Text | None, Field(description="assign: which image.")] = None
    mode: Annotated[Literal["exclusive", "overlay"] | None, Field(description="assign.")] = None
    persistence: Annotated[Literal["keep", "reset"] | None, Field(description="assign.")] = None
    version: Annotated[Text | None, Field(description="assign.")] = None
    boot_once: Annotated[
        Literal["", "local", "menu", "installer"] | None, Field(description="boot-once; empty: as planned.")
    ] = None
    installer: Annotated[Text | None, Field(description="boot-once: which installer.")] = None

    def chosen(self) -> list[str]:
        """The MAC addresses of all of them."""
        if (self.macs is None) == (self.filter is None):
            raise ValidationError("Say which devices: either `macs` or `filter`.")
        if self.filter is not None:
            return list(search_devices(self.filter.chosen()).values_list("mac", flat=True))
        return [parse_mac(mac) for mac in self.macs or []]


class RefusedOut(Schema):
    """A device that stays as it was, and why."""

    mac: str
    name: str
    reason: str


class BulkOut(Schema):
    """How far a change of many devices is. `left`: how many have not had their turn."""

    id: UUID
    action: str
    state: Annotated[str, Field(description="running, done or stopped.")]
    person: str
    done: list[str]
    refused: list[RefusedOut]
    left: int
    created_at: datetime
    finished_at: datetime | None


@router.post("/devices/bulk", response={200: BulkOut, 202: BulkOut})
def change_many_devices(request: HttpRequest, body: BulkIn) -> Status[BulkOut]:
    """Do the same to many devices, each on its own: one that is refused stops no other.

    What takes longer than some seconds goes on in the background (202).
    """
    arguments = body.model_dump(exclude={"id", "action", "macs", "filter"})
    bulk = begin_bulk(
        number=body.id or uuid4(), action=body.action, arguments=arguments, macs=body.chosen(),
        person=request.user.get_username(),
    )  # fmt: skip
    carry_on(bulk=bulk, seconds=WAIT_SECONDS)
    return Status(200 if bulk.finished_at else 202, _shown(bulk))


@router.get("/devices/bulk/{number}", response=BulkOut)
def show_bulk_change(request: HttpRequest, number: str) -> BulkOut:
    """How far a change of many devices is."""
    return _shown(get_bulk(number=number))


@router.delete("/devices/bulk/{number}", response={204: None})
def stop_bulk_change(request: HttpRequest, number: str) -> Status[None]:
    """Stop it: devices that have not had their turn stay as they are, and nothing is taken back."""
    stop_bulk(bulk=get_bulk(number=number))
    return Status(204, None)


def _shown(bulk: BulkChange) -> BulkOut:
    return BulkOut(
        id=bulk.pk, action=bulk.action, state=bulk.state, person=bulk.person, done=macs_done(bulk),
        refused=[RefusedOut(**row) for row in bulk.refused], left=bulk.left,
        created_at=bulk.created_at, finished_at=bulk.finished_at,
    )  # fmt: skip
