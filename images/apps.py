"""Disks: images, their exports to devices over iSCSI, the storage nodes that hold them."""

from django.apps import AppConfig


class ImagesConfig(AppConfig):
    """Disks: images, their exports to devices over iSCSI, the storage nodes that hold them."""

    name = "images"
    verbose_name = "Disks"
    default_auto_field = "django.db.models.BigAutoField"
