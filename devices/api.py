"""REST calls of groups. Devices are served by bootflow, since a device shows what it boots."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest
from ninja import Router, Status

from devices.models import Group
from devices.schemas import GroupIn, GroupOut, GroupPatch
from devices.services import create_group, delete_group, follow_channel, get_group, rename_group

router = Router(tags=["devices"])


@router.get("/groups", response=list[GroupOut])
def list_groups(request: HttpRequest) -> list[Group]:
    """All groups by name."""
    return list(Group.objects.annotate(device_count=Count("devices")))


@router.post("/groups", response={201: GroupOut})
def add_group(request: HttpRequest, body: GroupIn) -> Status[GroupOut]:
    """Create a group."""
    group = create_group(name=body.name, channel=body.channel)
    return Status(201, _group_out(group))


@router.get("/groups/{group}", response=GroupOut)
def show_group(request: HttpRequest, group: str) -> GroupOut:
    """One group by its number or its name."""
    return _group_out(get_group(key=group))


@router.patch("/groups/{group}", response=GroupOut)
def change_group(request: HttpRequest, group: str, body: GroupPatch) -> GroupOut:
    """Rename a group, or let it follow a channel: its devices take that one's version at their next boot."""
    found = get_group(key=group)
    with transaction.atomic():
        if "name" in body.model_fields_set:
            rename_group(group=found, name=body.name)
        if "channel" in body.model_fields_set:
            follow_channel(follower=found, channel=body.channel)
    return _group_out(found)


@router.delete("/groups/{group}", response={204: None})
def remove_group(request: HttpRequest, group: str) -> Status[None]:
    """Delete a group; its devices stay, in none."""
    delete_group(group=get_group(key=group))
    return Status(204, None)


def _group_out(group: Group) -> GroupOut:
    return GroupOut(id=group.pk, name=group.name, channel=group.channel, device_count=group.devices.count())
