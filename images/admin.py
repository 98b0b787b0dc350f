"""Django admin of disks: to look at; changes belong to the pages of images, devices and storage."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from images.models import (
    Blob,
    BlobPart,
    BootFile,
    BootFiles,
    Channel,
    Export,
    Image,
    Job,
    Layer,
    Session,
    StorageNode,
    Version,
)
from netboot_site.guarded import ReadOnlyAdmin, links, rows_link
from netboot_site.models import Change


@admin.register(StorageNode)
class StorageNodeAdmin(ReadOnlyAdmin):
    """Hosts with disks; they register themselves when they start."""

    page_path = "/storage/"
    formfield_overrides = {models.URLField: {"assume_scheme": "http"}}
    list_display = ["name", "portal", "observed_free_bytes", "observed_capacity_bytes", "observed_at"]
    search_fields = ["name"]


@admin.register(Image)
class ImageAdmin(ReadOnlyAdmin):
    """Disks."""

    page_path = "/images/{0.pk}/"
    readonly_fields = ["related"]
    date_hierarchy = "created_at"
    list_display = ["name", "id", "state", "device_type", "size_bytes", "node"]
    list_filter = ["state", "device_type", "node"]
    list_select_related = ["node"]
    search_fields = ["id", "name"]

    @admin.display(description="rows")
    def related(self, image: Image) -> SafeString:
        """What belongs to it."""
        mine = {"image__id__exact": image.pk}
        return links([
            rows_link(Version, "versions", **mine), rows_link(Layer, "layers", **mine),
            rows_link(Export, "devices", **mine), rows_link(Session, "sessions", **mine),
            rows_link(Job, "jobs", **mine), rows_link(Change, "changes", q=image.pk),
        ])  # fmt: skip


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Which device has which disk. The CHAP secret is never shown."""

    page_path = "/devices/{0.device.mac}/"
    fields = [
        "image", "device", "mode", "persistence", "follows", "version", "layer", "iqn", "initiator_name",
        "chap_username", "refresh_requested_at", "handed_out_at", "observed_stale", "observed_state",
        "observed_at", "last_error", "created_at",
    ]  # fmt: skip
    list_display = ["image", "device", "mode", "persistence", "follows", "observed_state", "last_error"]
    list_filter = ["observed_state", "mode", "persistence", "follows"]
    list_select_related = ["image", "device"]
    search_fields = ["image__id", "image__name", "device__name", "device__mac"]


@admin.register(Layer)
class LayerAdmin(ReadOnlyAdmin):
    """The files that disks are made of."""

    page_path = "/images/{0.image_id}/"
    list_display = ["image", "number", "format", "parent", "state", "frozen", "device", "used_at"]
    list_filter = ["state", "format", "frozen"]
    list_select_related = ["image", "parent", "device"]
    search_fields = ["image__id", "device__name", "device__mac"]


@admin.register(Version)
class VersionAdmin(ReadOnlyAdmin):
    """The layers that never change again."""

    page_path = "/images/{0.image_id}/versions/{0.number}/"
    date_hierarchy = "created_at"
    list_display = ["image", "number", "comment", "size_bytes", "created_by", "created_at", "verified_at"]
    list_select_related = ["image"]
    search_fields = ["image__id", "comment", "sha256"]


@admin.register(Channel)
class ChannelAdmin(ReadOnlyAdmin):
    """Which version is handed on under which name."""

    page_path = "/images/{0.image_id}/"
    list_display = ["image", "name", "version", "updated_at"]
    list_filter = ["name"]
    list_select_related = ["image", "version"]
    search_fields = ["image__id"]


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Long work, and how far it is."""

    page_path = "/images/{0.image_id}/"
    date_hierarchy = "created_at"
    list_display = [
        "kind",
        "image",
        "version",
        "state",
        "progress",
        "created_by",
        "created_at",
        "finished_at",
    ]
    list_filter = ["kind", "state"]
    list_select_related = ["image", "version"]
    search_fields = ["image__id", "last_error"]


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Who is and was logged in to which disk."""

    date_hierarchy = "started_at"
    list_display = ["initiator_name", "address", "image", "started_at", "ended_at"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["image"]
    search_fields = ["initiator_name", "iqn", "image__id"]


@admin.register(BootFiles)
class BootFilesAdmin(ReadOnlyAdmin):
    """What was read of the boot partitions of Raspberry Pis' disks."""

    page_path = "/images/{0.layer.image_id}/"
    list_display = ["layer", "state", "wanted_at", "read_at", "last_error"]
    list_filter = ["state"]
    list_select_related = ["layer"]
    search_fields = ["layer__image__id", "last_error"]


@admin.register(BootFile)
class BootFileAdmin(ReadOnlyAdmin):
    """The files of boot partitions."""

    list_display = ["path", "boot_files", "blob"]
    list_select_related = ["boot_files__layer", "blob"]
    search_fields = ["path", "boot_files__layer__image__id", "blob__sha256"]


@admin.register(Blob)
class BlobAdmin(ReadOnlyAdmin):
    """Contents of boot files."""

    list_display = ["sha256", "size_bytes", "created_at"]
    search_fields = ["sha256"]


@admin.register(BlobPart)
class BlobPartAdmin(ReadOnlyAdmin):
    """The parts of a content, without their bytes: a page of them would have 100 MiB."""

    fields = ["blob", "number"]
    list_display = ["blob", "number"]
    list_select_related = ["blob"]
    search_fields = ["blob__sha256"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[BlobPart]:
        """Never the bytes."""
        return super().get_queryset(request).defer("data")
