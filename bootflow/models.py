"""What a machine is told to boot, and what became of it."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from devices.models import Device, DeviceType

SLUG_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class KernelSet(models.Model):
    """A kernel with its initramfs and command line, for devices whose firmware loads a kernel."""

    name = models.CharField(max_length=100, primary_key=True, validators=[RegexValidator(SLUG_PATTERN)])
    kernel_url = models.CharField(max_length=500, blank=True)
    initramfs_url = models.CharField(max_length=500, null=True, blank=True)
    cmdline = models.CharField(max_length=2000, blank=True)
    is_default = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="kernel_set_default_is_one"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Installer(models.Model):
    """An operating system's installer: a kernel and an initrd below /boot/files/, and a command line."""

    name = models.CharField(max_length=100, primary_key=True, validators=[RegexValidator(SLUG_PATTERN)])
    path = models.CharField(max_length=300, help_text="Folder below the boot files.")
    kernel = models.CharField(max_length=300)
    initrd = models.CharField(max_length=300, blank=True)
    kernel_cmdline = models.CharField(max_length=2000, blank=True)
    device_type = models.CharField(max_length=5, choices=DeviceType.choices)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class BootOnce(models.TextChoices):
    """What the next boot does instead of the plan."""

    NONE = "", "As planned"
    LOCAL = "local", "Local disk"
    MENU = "menu", "Boot menu"
    INSTALLER = "installer", "Installer"


class BootPlan(models.Model):
    """What a device boots besides its disk: its kernel set, and what the next boot does instead."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="boot_plan")
    kernel_set = models.ForeignKey(KernelSet, on_delete=models.SET_NULL, null=True, blank=True)
    boot_once = models.CharField(max_length=9, choices=BootOnce.choices, blank=True, default=BootOnce.NONE)
    boot_once_installer = models.ForeignKey(Installer, on_delete=models.SET_NULL, null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"Plan of {self.device}"


class BootNetwork(models.Model):
    """A further network to serve besides BOOT_INTERFACE; the demonstration makes one for its virtual PC.

    dnsmasq is its DHCP server: it hands out `first_address` to `last_address`.
    """

    interface = models.CharField(max_length=15, primary_key=True)
    address = models.GenericIPAddressField(protocol="ipv4", help_text="Ours on this network.")
    prefix_length = models.PositiveSmallIntegerField(default=24)
    first_address = models.GenericIPAddressField(protocol="ipv4")
    last_address = models.GenericIPAddressField(protocol="ipv4")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.interface


class Stage(models.TextChoices):
    """How far a boot has come, in this order."""

    FIRMWARE = "firmware", "Firmware"
    DHCP = "dhcp", "DHCP"
    TFTP = "tftp", "TFTP"
    SCRIPT = "script", "Script"
    INSTALLER = "installer", "Installer"
    ISCSI = "iscsi", "iSCSI"
    OS = "os", "Operating system"


class Outcome(models.TextChoices):
    """How a boot ended; empty while it goes on."""

    RUNNING = "", "In progress"
    OK = "ok", "Booted"
    LOCAL = "local", "Local disk"
    MENU = "menu", "In the menu"
    FAILED = "failed", "Failed"


class Boot(models.Model):
    """One power-on of one machine, from its first packet to its operating system."""

    mac = models.CharField(max_length=17)
    started_at = models.DateTimeField()
    last_event_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    stage = models.CharField(max_length=9, choices=Stage.choices)
    outcome = models.CharField(max_length=6, choices=Outcome.choices, blank=True, default=Outcome.RUNNING)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["mac"], condition=Q(finished_at=None), name="boot_in_progress_is_one"
            ),
        ]
        indexes = [
            models.Index(fields=["mac", "-started_at"], name="boot_by_device"),
            models.Index(fields=["-started_at", "-id"], name="boot_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.mac} at {self.started_at:%Y-%m-%d %H:%M:%S}"


class BootEvent(models.Model):
    """One thing that was seen during a boot."""

    # Written by the statement that wrote its boot: PostgreSQL need not look for that again at each check-in
    # (measured: a tenth of its cost); boot_event_by_boot below serves as its index.
    boot = models.ForeignKey(
        Boot, on_delete=models.CASCADE, related_name="events", db_constraint=False, db_index=False
    )
    at = models.DateTimeField()
    stage = models.CharField(max_length=9, choices=Stage.choices)
    kind = models.CharField(max_length=30, help_text="discover, offer, file, script, login, ...")
    detail = models.CharField(max_length=500, blank=True)
    facts = models.JSONField(default=dict, blank=True, help_text="Bytes, file, and what decided.")

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["boot", "at", "id"], name="boot_event_by_boot")]

    def __str__(self) -> str:
        return f"{self.stage}: {self.kind}"


class LogPosition(models.Model):
    """How far the recorder has read a log; moves in the same transaction as the events read from it."""

    source = models.CharField(max_length=50, primary_key=True)
    inode = models.BigIntegerField()
    offset = models.BigIntegerField()

    def __str__(self) -> str:
        return self.source
