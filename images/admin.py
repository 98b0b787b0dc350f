"""Django admin of images, exports, sessions and storage nodes: to look at; changes belong to their pages."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from images.models import Export, Image, Session, StorageNode
from netboot_site.guarded import ReadOnlyAdmin, page_link


@admin.register(StorageNode)
class StorageNodeAdmin(ReadOnlyAdmin):
    """Hosts with disks; they register themselves when they start."""

    list_display = ["name", "portal", "observed_free_bytes", "observed_capacity_bytes", "observed_at"]
    search_fields = ["name"]


@admin.register(Image)
class ImageAdmin(ReadOnlyAdmin):
    """Disks."""

    list_display = ["name", "id", "state", "device_type", "size_bytes", "node", "page"]
    list_filter = ["state", "device_type", "node"]
    list_select_related = ["node"]
    search_fields = ["id", "name"]

    @admin.display(description="page")
    def page(self, image: Image) -> SafeString:
        """Where it is worked with."""
        return page_link(f"/images/{image.pk}/")


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Which device has which disk. The CHAP secret is never shown."""

    fields = [
        "image", "device", "mode", "iqn", "initiator_name", "chap_username", "observed_state", "observed_at",
        "last_error", "created_at",
    ]  # fmt: skip
    list_display = ["image", "device", "mode", "observed_state", "last_error"]
    list_filter = ["observed_state", "mode"]
    list_select_related = ["image", "device"]
    search_fields = ["image__id", "image__name", "device__name", "device__mac"]


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Who is and was logged in to which disk."""

    date_hierarchy = "started_at"
    list_display = ["initiator_name", "address", "image", "started_at", "ended_at"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["image"]
    search_fields = ["initiator_name", "iqn", "image__id"]
