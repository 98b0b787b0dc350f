"""REST calls of groups. Devices are served by bootflow, since a device shows what it boots."""

from __future__ import annotations

from django.db.models import Count
from django.http import HttpRequest
from ninja import Router, Status

from devices.models import Group
from devices.schemas import GroupIn, GroupOut
from devices.services import create_group, delete_group, get_group

router = Router(tags=["devices"])


@router.get("/groups", response=list[GroupOut])
def list_groups(request: HttpRequest) -> list[Group]:
    """All groups by name."""
    return list(Group.objects.annotate(device_count=Count("devices")))


@router.post("/groups", response={201: GroupOut})
def add_group(request: HttpRequest, body: GroupIn) -> Status[GroupOut]:
    """Create a group."""
    group = create_group(name=body.name)
    return Status(201, GroupOut(id=group.pk, name=group.name, device_count=0))


@router.get("/groups/{group}", response=GroupOut)
def show_group(request: HttpRequest, group: str) -> GroupOut:
    """One group by its number or its name."""
    found = get_group(key=group)
    return GroupOut(id=found.pk, name=found.name, device_count=found.devices.count())


@router.delete("/groups/{group}", response={204: None})
def remove_group(request: HttpRequest, group: str) -> Status[None]:
    """Delete a group; its devices stay, in none."""
    delete_group(group=get_group(key=group))
    return Status(204, None)
