"""What a machine is told to boot, and the recorder of what became of it."""

from django.apps import AppConfig


class BootflowConfig(AppConfig):
    """What a machine is told to boot, and the recorder of what became of it."""

    name = "bootflow"
    verbose_name = "Booting"
    default_auto_field = "django.db.models.BigAutoField"
