"""Which machines exist: devices, their groups, how they were discovered."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Which machines exist: devices, their groups, how they were discovered."""

    name = "devices"
    default_auto_field = "django.db.models.BigAutoField"
