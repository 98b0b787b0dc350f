"""Pages of groups: rooms and other sets of devices, with the channel that their overlays follow."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString

from bootflow.forms import GroupForm
from devices.models import Device, DeviceState, Group
from devices.services import create_group, delete_group, follow_channel, rename_group
from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name
from netboot_site.pages import Question, ask, live_answer, live_fragment, page_of, posted
from netboot_site.roles import may_write, operator_required

_BACK = ("/groups/", "Groups")


class NamedGroupForm(GroupForm):
    """A group's name and channel."""

    name = forms.CharField(
        max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"})
    )
    field_order = ["name", "channel"]

    def __init__(self, *args: Any, group: Group | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group

    def clean_name(self) -> str:
        """One printable line that no other group has."""
        try:
            name = clean_name(self.cleaned_data["name"])
        except ValidationError as error:
            raise forms.ValidationError(str(error)) from error
        if Group.objects.filter(name=name).exclude(pk=self.group.pk if self.group else 0).exists():
            raise forms.ValidationError(f"A group named {name!r} exists already.")
        return name


def group_list(request: HttpRequest) -> HttpResponse:
    """All groups with the number of their devices."""
    return render(request, "devices/groups.html", {"live": _fragment(request)})


def group_list_live(request: HttpRequest) -> HttpResponse:
    """The table alone."""
    return live_answer(request, _fragment(request))


def _fragment(request: HttpRequest) -> SafeString:
    enabled = Count("devices", filter=Q(devices__state=DeviceState.ENROLLED))
    groups = Group.objects.annotate(device_count=Count("devices"), enabled_count=enabled).order_by("name")
    page = page_of(request, groups)
    context = {
        "page": page, "may_write": may_write(request.user),
        "rows": [(group, f"/devices/?{urlencode({'group': group.name})}") for group in page],
        "ungrouped": Device.objects.known().filter(group=None).count(),
        "urls": [f"/groups/?page={number}" for number in page.paginator.page_range],
    }  # fmt: skip
    return live_fragment(
        request, "devices/groups_table.html", context, url=f"/groups/live/?page={page.number}"
    )


@operator_required
def group_new(request: HttpRequest) -> HttpResponse:
    """Another group."""
    form = NamedGroupForm(posted(request))
    question = Question("New group", "A room, a lab, a kind of machine: what is managed together.", "Create",
                        "plus", back=_BACK)  # fmt: skip
    return ask(
        request, question, form, lambda: create_group(**form.cleaned_data),
        to=_BACK[0], done="The group is there.",
    )  # fmt: skip


@operator_required
def group_edit(request: HttpRequest, number: int) -> HttpResponse:
    """Its name, and which versions the overlays of its devices take."""
    group = get_object_or_404(Group, pk=number)
    form = NamedGroupForm(
        posted(request), group=group, initial={"name": group.name, "channel": group.channel}
    )
    question = Question(
        f"Change {group.name}",
        "Devices whose overlay and whose own settings name no channel boot that of their group next.",
        "Save", "pencil", back=_BACK,
    )  # fmt: skip
    return ask(
        request, question, form, lambda: _change(group, form), to=_BACK[0], done="The group is changed."
    )


@transaction.atomic
def _change(group: Group, form: NamedGroupForm) -> None:
    rename_group(group=group, name=form.cleaned_data["name"])
    follow_channel(follower=group, channel=form.cleaned_data["channel"])


@operator_required
def group_delete(request: HttpRequest, number: int) -> HttpResponse:
    """Its devices stay, in none."""
    group = get_object_or_404(Group, pk=number)
    count = group.devices.count()
    lost = f"{count} device{'s are' if count != 1 else ' is'} in no group then." if count else ""
    if group.channel and count:
        lost += f" Their overlays no longer follow the channel {group.channel} of the group."
    question = Question(
        f"Delete the group {group.name}", "Its devices stay, with their disks and plans.", "Delete", "trash",
        lost=lost, back=_BACK,
    )  # fmt: skip
    return ask(
        request, question, forms.Form(posted(request)), lambda: delete_group(group=group),
        to=_BACK[0], done=f"{group.name} is deleted.",
    )  # fmt: skip
