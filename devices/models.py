"""Which machines exist."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from netboot_site.formats import MAC_PATTERN, device_code


class DeviceType(models.TextChoices):
    """What kind of machine it is: decides which disks fit it."""

    RASPI = "raspi", "Raspberry Pi"
    X86 = "x86", "PC (BIOS)"
    X64 = "x64", "PC (64 bit)"


class Firmware(models.TextChoices):
    """What starts it."""

    BIOS = "bios", "BIOS"
    UEFI = "uefi", "UEFI"
    RASPBERRY_PI = "raspberry-pi", "Raspberry Pi"


class DeviceState(models.TextChoices):
    """How far we know it."""

    DISCOVERED = "discovered", "Discovered"
    ENROLLED = "enrolled", "Enrolled"
    DISABLED = "disabled", "Disabled"


class UpdateChannel(models.TextChoices):
    """Under which name a device takes new versions of its image (images.Channel)."""

    NONE = "", "None"  # a device's: that of its group; a group's: the latest version
    TEST = "test", "Test"
    PRODUCTION = "production", "Production"


class Group(models.Model):
    """A room or any other set of devices."""

    name = models.CharField(max_length=200, unique=True)
    channel = models.CharField(max_length=10, choices=UpdateChannel.choices, blank=True, default="")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DeviceQuerySet(models.QuerySet["Device"]):
    """Named questions about devices."""

    def known(self) -> DeviceQuerySet:
        """Those that somebody registered or approved."""
        return self.exclude(state=DeviceState.DISCOVERED)

    def discovered(self) -> DeviceQuerySet:
        """Those that asked to boot and that nobody has approved or wants to be left out."""
        return self.filter(state=DeviceState.DISCOVERED, ignored_at=None)

    def ignored(self) -> DeviceQuerySet:
        """Those that nobody approves and nobody wants to see."""
        return self.filter(state=DeviceState.DISCOVERED).exclude(ignored_at=None)


class Device(models.Model):
    """A machine, known by the MAC address that it boots with."""

    mac = models.CharField("MAC address", max_length=17, unique=True)
    name = models.CharField(max_length=200, blank=True)
    serial = models.CharField(max_length=200, blank=True)
    device_type = models.CharField(max_length=5, choices=DeviceType.choices)
    architecture = models.CharField(max_length=20, blank=True, help_text="What the CPU runs.")
    firmware = models.CharField(max_length=12, choices=Firmware.choices, blank=True)
    state = models.CharField(max_length=10, choices=DeviceState.choices, default=DeviceState.ENROLLED)
    group = models.ForeignKey(Group, on_delete=models.SET_NULL, null=True, blank=True, related_name="devices")
    channel = models.CharField(
        max_length=10, choices=UpdateChannel.choices, blank=True, default="", db_default=""
    )
    facts = models.JSONField(default=dict, blank=True, help_text="What it said of itself when it booted.")
    first_seen_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    ignored_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when a discovered one is left out of every list, for good."
    )
    wake_requested_at = models.DateTimeField(null=True, editable=False)
    observed_woken_at = models.DateTimeField(
        null=True, editable=False, help_text="When it was last sent the packet that powers it on."
    )
    observed_wake_error = models.TextField(blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DeviceQuerySet.as_manager()

    class Meta:
        ordering = ["name", "mac"]
        indexes = [
            models.Index(fields=["state", "name", "mac"], name="device_by_state"),
            models.Index(fields=["name", "mac"], name="device_by_name"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(mac__regex=MAC_PATTERN), name="device_mac_has_one_spelling"),
            models.CheckConstraint(
                condition=Q(device_type__in=DeviceType.values), name="device_type_is_known"
            ),
            models.CheckConstraint(condition=Q(state__in=DeviceState.values), name="device_state_is_known"),
        ]

    def __str__(self) -> str:
        return self.name or self.mac

    @property
    def enabled(self) -> bool:
        """Whether it may boot what it was given."""
        return self.state == DeviceState.ENROLLED

    @property
    def code(self) -> str:
        """What its console shows to be found by."""
        return device_code(self.mac)
