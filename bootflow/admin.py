"""Django admin of what machines are told to boot, and of what became of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from bootflow.catalogue import (
    InstallerFiles,
    create_installer,
    create_kernel_set,
    delete_installer,
    delete_kernel_set,
    update_installer,
    update_kernel_set,
)
from bootflow.models import (
    Boot,
    BootEvent,
    BootNetwork,
    BootPlan,
    BulkChange,
    DeviceList,
    Installer,
    KernelSet,
    KernelSetFile,
    LogPosition,
    NetworkChoice,
    PiMacPrefix,
    PiTree,
    WireLook,
)
from bootflow.raspberry_pi.prefixes import add_prefix, remove_prefix
from netboot_site.guarded import ReadOnlyAdmin, ServiceAdmin, ShownInline


class KernelSetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A kernel set; the service passes the default on, so that two for a moment are no error."""

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "is_default"}  # type: ignore[misc]


@admin.register(KernelSet)
class KernelSetAdmin(ServiceAdmin):
    """Kernel sets; one is always the default."""

    page_path = "/kernel-sets/{0.pk}/"
    form = KernelSetForm
    list_display = ["name", "kernel_url", "is_default", "is_of_image"]
    list_filter = ["is_default", "is_of_image"]
    search_fields = ["name", "kernel_url", "cmdline"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Devices refer to its name."""
        return [] if obj is None else ["name"]

    def save_model(self, request: HttpRequest, obj: KernelSet, form: Any, change: bool) -> None:
        """Through the service, on the row as it stands."""
        data = form.cleaned_data
        fields: Any = {name: data[name] for name in ("kernel_url", "initramfs_url", "cmdline", "is_default")}
        if change:
            update_kernel_set(kernel_set=KernelSet.objects.get(pk=obj.pk), **fields)
        else:
            create_kernel_set(name=obj.name, **fields)

    def delete_model(self, request: HttpRequest, obj: KernelSet) -> None:
        """Refused for the default one and while a device uses it."""
        delete_kernel_set(kernel_set=obj)


@admin.register(KernelSetFile)
class KernelSetFileAdmin(ReadOnlyAdmin):
    """Files that people put into kernel sets, over the API or on the set's page."""

    page_path = "/kernel-sets/{0.kernel_set_id}/"
    list_display = ["path", "kernel_set", "blob", "updated_at"]
    list_filter = ["kernel_set"]
    list_select_related = ["kernel_set", "blob"]
    search_fields = ["path", "kernel_set__name"]


@admin.register(PiTree)
class PiTreeAdmin(ReadOnlyAdmin):
    """What Raspberry Pis fetch, as convergence made it."""

    page_path = "/devices/{0.device.mac}/"
    list_display = ["device", "state", "boots", "names", "last_error", "observed_at"]
    list_filter = ["state"]
    list_select_related = ["device"]
    search_fields = ["device__name", "device__mac", "device__serial"]


@admin.register(Installer)
class InstallerAdmin(ServiceAdmin):
    """Installers in the boot menu."""

    page_path = "/installers/"
    list_display = ["name", "device_type", "path", "kernel"]
    list_filter = ["device_type"]
    search_fields = ["name", "path"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Devices refer to its name."""
        return [] if obj is None else ["name"]

    def save_model(self, request: HttpRequest, obj: Installer, form: forms.ModelForm, change: bool) -> None:  # type: ignore[type-arg]
        """Through the service, on the row as it stands."""
        files = InstallerFiles(obj.path, obj.kernel, obj.initrd, obj.kernel_cmdline, obj.device_type)
        if change:
            update_installer(installer=Installer.objects.get(pk=obj.pk), files=files)
        else:
            create_installer(name=obj.name, files=files)

    def delete_model(self, request: HttpRequest, obj: Installer) -> None:
        """Refused while a device's next boot is to start it."""
        delete_installer(installer=obj)


@admin.register(BootPlan)
class BootPlanAdmin(ReadOnlyAdmin):
    """What devices boot besides their disk; changed on the device's page."""

    page_path = "/devices/{0.device.mac}/"
    list_display = ["device", "kernel_set", "boot_once", "boot_once_installer", "updated_at"]
    list_filter = ["boot_once", "kernel_set"]
    list_select_related = ["device", "kernel_set", "boot_once_installer"]
    search_fields = ["device__name", "device__mac"]


@admin.register(BootNetwork)
class BootNetworkAdmin(ReadOnlyAdmin):
    """Further networks that are served."""

    list_display = ["interface", "address", "prefix_length", "first_address", "last_address"]
    search_fields = ["interface"]


@admin.register(PiMacPrefix)
class PiMacPrefixAdmin(ServiceAdmin):
    """Further MAC addresses that are taken for Raspberry Pis'."""

    list_display = ["prefix", "note"]
    search_fields = ["prefix", "note"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that is wrong is removed, and the right one added."""
        return obj is None and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: PiMacPrefix, form: Any, change: bool) -> None:
        """Through the service: dnsmasq is told anew."""
        add_prefix(prefix=obj.prefix, note=obj.note)

    def delete_model(self, request: HttpRequest, obj: PiMacPrefix) -> None:
        """Through the service: dnsmasq is told anew."""
        remove_prefix(prefix=obj.prefix)


class BootEventInline(ShownInline):
    """A boot's events."""

    model = BootEvent
    fields = ("at", "stage", "kind", "detail")
    readonly_fields = fields


@admin.register(Boot)
class BootAdmin(ReadOnlyAdmin):
    """The flight recorder's boots."""

    page_path = "/boots/{0.pk}/"
    date_hierarchy = "started_at"
    inlines = [BootEventInline]
    list_display = ["mac", "started_at", "stage", "outcome", "reason"]
    list_filter = ["outcome", "stage"]
    search_fields = ["mac", "reason"]


@admin.register(BootEvent)
class BootEventAdmin(ReadOnlyAdmin):
    """Single events of boots."""

    page_path = "/boots/{0.boot_id}/"
    list_display = ["boot", "at", "stage", "kind", "detail"]
    list_filter = ["stage"]
    list_select_related = ["boot"]
    ordering = ["-pk"]  # there is no index of time alone
    search_fields = ["boot__mac", "kind", "detail"]
    show_full_result_count = False


@admin.register(LogPosition)
class LogPositionAdmin(ReadOnlyAdmin):
    """How far the recorder has read."""

    list_display = ["source", "offset", "inode"]
    search_fields = ["source"]


@admin.register(NetworkChoice)
class NetworkChoiceAdmin(ReadOnlyAdmin):
    """How the boot network was chosen to be served."""

    list_display = ["interface", "dhcp_mode", "dhcp_range", "chosen_at"]
    search_fields = ["interface"]


@admin.register(WireLook)
class WireLookAdmin(ReadOnlyAdmin):
    """Which other servers answered on an interface."""

    list_display = ["interface", "requested_at", "observed_at", "last_error"]
    search_fields = ["interface"]


@admin.register(BulkChange)
class BulkChangeAdmin(ReadOnlyAdmin):
    """Changes of many devices at once."""

    list_display = ["action", "person", "turn", "created_at", "finished_at"]
    list_filter = ["action"]
    search_fields = ["person"]


@admin.register(DeviceList)
class DeviceListAdmin(ReadOnlyAdmin):
    """Lists of devices that were looked at before they were imported."""

    list_display = ["file_name", "created_at", "imported_at"]
    search_fields = ["file_name"]
