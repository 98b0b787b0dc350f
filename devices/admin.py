"""Django admin of devices and groups."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from devices.models import Device, DeviceState, Group
from devices.services import (
    create_group,
    delete_group,
    follow_channel,
    move_to_group,
    rename_group,
    update_device,
)
from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name
from netboot_site.guarded import ServiceAdmin, links, rows_link
from netboot_site.models import Change


class NameForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row whose name stands on one printable line."""

    def clean_name(self) -> str:
        """As every other way in checks it."""
        try:
            return clean_name(self.cleaned_data["name"])
        except ValidationError as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(Group)
class GroupAdmin(ServiceAdmin):
    """Rooms. Deleting one leaves its devices in none."""

    form = NameForm
    list_display = ["name", "channel", "page"]
    list_filter = ["channel"]
    search_fields = ["name"]
    readonly_fields = ["related"]

    def path_of(self, obj: Group) -> str:
        """Its devices."""
        return f"/devices/?{urlencode({'group': obj.name})}"

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        """Through the services, on the row as it stands."""
        if not change:
            obj.pk = create_group(name=obj.name, channel=obj.channel).pk
            return
        group = Group.objects.get(pk=obj.pk)
        rename_group(group=group, name=obj.name)
        if group.channel != obj.channel:
            follow_channel(follower=group, channel=obj.channel)

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        """Through the service."""
        delete_group(group=obj)

    @admin.display(description="rows")
    def related(self, group: Group) -> SafeString:
        """What belongs to it."""
        return links([rows_link(Device, "devices", group__id__exact=group.pk)]) if group.pk else SafeString()


@admin.register(Device)
class DeviceAdmin(ServiceAdmin):
    """Name and group may change here; what a device boots, and its end, belong to its page."""

    form = NameForm
    page_path = "/devices/{0.mac}/"
    date_hierarchy = "created_at"
    list_display = ["__str__", "mac", "state", "device_type", "group", "last_seen_at"]
    list_filter = ["state", ("ignored_at", admin.EmptyFieldListFilter), "device_type", "firmware", "group"]
    list_select_related = ["group"]
    search_fields = ["name", "mac", "serial"]
    fields = [
        "name", "group", "related", "mac", "state", "ignored_at", "device_type", "serial", "channel",
        "architecture", "firmware", "facts", "first_seen_at", "last_seen_at", "wake_requested_at",
        "observed_woken_at", "observed_wake_error", "created_at", "updated_at",
    ]  # fmt: skip
    autocomplete_fields = ["group"]
    readonly_fields = [str(name) for name in fields[2:]]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Devices are registered or approved on their pages."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that waits for approval gets its name with that."""
        waits = obj is not None and obj.state == DeviceState.DISCOVERED
        return super().has_change_permission(request, obj) and not waits

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """On its page, where a disk in use is seen."""
        return False

    def save_model(self, request: HttpRequest, obj: Device, form: Any, change: bool) -> None:
        """Through the services, on the row as it stands."""
        device = Device.objects.get(pk=obj.pk)
        update_device(device=device, name=obj.name)
        move_to_group(device=device, group=obj.group)

    @admin.display(description="rows")
    def related(self, device: Device) -> SafeString:
        """What belongs to it."""
        model = apps.get_model
        return links([
            rows_link(model("images.Export"), "disk", device__id__exact=device.pk),
            rows_link(model("bootflow.BootPlan"), "plan", q=device.mac),
            rows_link(model("bootflow.Boot"), "boots", q=device.mac),
            rows_link(Change, "changes", q=device.mac),
        ])  # fmt: skip
