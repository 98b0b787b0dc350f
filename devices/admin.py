"""Django admin of devices and groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from devices.models import Device, Group
from devices.services import create_group, move_to_group, update_device
from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name
from netboot_site.guarded import ServiceAdmin, page_link


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
    list_display = ["name"]
    search_fields = ["name"]

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        """A new one by its service; a new name is checked by the form."""
        if change:
            super().save_model(request, obj, form, change)
        else:
            obj.pk = create_group(name=obj.name).pk


@admin.register(Device)
class DeviceAdmin(ServiceAdmin):
    """Name and group may change here; what a device boots, and its end, belong to its page."""

    form = NameForm
    list_display = ["__str__", "mac", "state", "device_type", "group", "last_seen_at", "page"]
    list_filter = ["state", "device_type", "firmware", "group"]
    list_select_related = ["group"]
    search_fields = ["name", "mac", "serial"]
    fields = [
        "name", "group", "page", "mac", "state", "device_type", "serial", "architecture", "firmware", "facts",
        "first_seen_at", "last_seen_at", "created_at", "updated_at",
    ]  # fmt: skip
    readonly_fields = [str(name) for name in fields[2:]]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Devices are registered or approved on their pages."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """On its page, where a disk in use is seen."""
        return False

    def save_model(self, request: HttpRequest, obj: Device, form: Any, change: bool) -> None:
        """Through the services, on the row as it stands."""
        device = Device.objects.get(pk=obj.pk)
        update_device(device=device, name=obj.name)
        move_to_group(device=device, group=obj.group)

    @admin.display(description="page")
    def page(self, device: Device) -> SafeString:
        """Where it is worked with."""
        return page_link(f"/devices/{device.mac}/")
