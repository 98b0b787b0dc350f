"""What a machine is told to boot, and what became of it."""

from __future__ import annotations

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from bootflow.causes import CAUSES, OTHER
from devices.models import Device, DeviceType
from images.models import Blob, Image

SLUG_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class KernelSet(models.Model):
    """A kernel with its initramfs and command line, for devices whose firmware loads a kernel."""

    name = models.CharField(max_length=100, primary_key=True, validators=[RegexValidator(SLUG_PATTERN)])
    kernel_url = models.CharField(max_length=500, blank=True)
    initramfs_url = models.CharField(max_length=500, null=True, blank=True)
    cmdline = models.CharField(max_length=2000, blank=True)
    is_default = models.BooleanField(default=False)
    is_of_image = models.BooleanField(
        default=False, editable=False, help_text="Made for an image, and gone with it."
    )
    image = models.OneToOneField(
        Image, on_delete=models.SET_NULL, null=True, blank=True, related_name="kernel_set", editable=False,
        help_text="The image whose boot partition its files are; none: they are uploaded.",
    )  # fmt: skip

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="kernel_set_default_is_one"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class KernelSetFile(models.Model):
    """A file that somebody uploaded into a kernel set; an image's own are images.BootFile."""

    kernel_set = models.ForeignKey(KernelSet, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=200, help_text="Relative, with slashes: kernel8.img, overlays/x.dtbo.")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["kernel_set", "path"], name="kernel_set_file_is_once")]

    def __str__(self) -> str:
        return self.path


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
    config_additions = models.JSONField(
        default=list,
        blank=True,
        help_text='Lines for a Pi\'s config.txt: [{"name": "gpu_mem", "value": "64"}].',
    )
    bootloader_update = models.BooleanField(
        default=False, help_text="Whether its tree holds the files that rewrite a Pi's bootloader."
    )
    bootloader_update_at = models.DateTimeField(null=True, editable=False, help_text="Since when it does.")
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"Plan of {self.device}"


class PiTreeState(models.TextChoices):
    """How the tree of files that a Pi's firmware fetches was last seen."""

    WAITING = "waiting", "Being made"
    READY = "ready", "Ready"
    INCOMPLETE = "incomplete", "Files are missing"
    CONFLICT = "conflict", "Two devices claim one serial"


class PiTree(models.Model):
    """A Raspberry Pi's tree below the TFTP root, as convergence made it."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="pi_tree")
    state = models.CharField(max_length=10, choices=PiTreeState.choices, default=PiTreeState.WAITING)
    names = models.JSONField(default=list, help_text="Under which it is served: serial, MAC with dashes.")
    digest = models.CharField(max_length=64, blank=True, help_text="Of all that it holds.")
    boots = models.CharField(max_length=200, blank=True, help_text="What it boots, in words.")
    missing = models.JSONField(default=list, help_text="Files that its model needs and that are not there.")
    observed_at = models.DateTimeField()
    last_error = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"tree of {self.device}"


class PiMacPrefix(models.Model):
    """The beginning of MAC addresses that are Raspberry Pis', besides those that we know."""

    prefix = models.CharField(max_length=9, primary_key=True, validators=[RegexValidator(r"^[0-9a-f]{6,9}$")])
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["prefix"]
        verbose_name = "Raspberry Pi's MAC prefix"
        verbose_name_plural = "Raspberry Pis' MAC prefixes"

    def __str__(self) -> str:
        return self.prefix


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


class NetworkChoice(models.Model):
    """How the boot network is to be served, chosen on a page; the environment's variables come before it.

    There is at most one row, number 1.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    interface = models.CharField(max_length=15)
    dhcp_mode = models.CharField(max_length=6, help_text="proxy, server or off.")
    dhcp_range = models.CharField(max_length=31, blank=True, help_text="`first,last` of the pool.")
    chosen_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="network_choice_is_one")]

    def __str__(self) -> str:
        return f"{self.dhcp_mode} on {self.interface}"


class WireLook(models.Model):
    """Which other DHCP and PXE servers answer on an interface: asked for, and as last seen."""

    interface = models.CharField(max_length=15, primary_key=True)
    requested_at = models.DateTimeField(null=True)
    observed_at = models.DateTimeField(null=True)
    observed_servers = models.JSONField(
        default=list, help_text="Of each: address, whether it is ours, hands out addresses, answers PXE."
    )
    last_error = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"look at {self.interface}"


class BulkAction(models.TextChoices):
    """What is done to many devices at once."""

    ENABLE = "enable", "Enable"
    DISABLE = "disable", "Disable"
    GROUP = "group", "Move to a group"
    ASSIGN = "assign", "Assign an image"
    UNASSIGN = "unassign", "Unassign the disk"
    BOOT_ONCE = "boot-once", "Set the next boot"
    RESET = "reset", "Reset the disk"
    DELETE = "delete", "Delete"


class BulkChange(models.Model):
    """One change of many devices: each on its own, in their order; whoever is refused stops no other.

    Its number comes from the form that was confirmed: sent twice, it is one change.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=9, choices=BulkAction.choices, editable=False)
    arguments = models.JSONField(default=dict, editable=False)
    person = models.CharField(max_length=150, blank=True, editable=False)
    devices = models.JSONField(editable=False, help_text="Pairs of MAC address and name.")
    turn = models.PositiveIntegerField(default=0, editable=False, help_text="How many have had theirs.")
    refused = models.JSONField(default=list, editable=False, help_text="Of each: mac, name, reason.")
    stop_requested_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(finished_at=None), name="bulk_change_open")
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {len(self.devices)} devices"

    @property
    def state(self) -> str:
        """Running, done or stopped."""
        if self.finished_at is None:
            return "running"
        return "stopped" if self.stop_requested_at else "done"

    @property
    def left(self) -> int:
        """How many have not had their turn."""
        return len(self.devices) - self.turn


class DeviceList(models.Model):
    """A CSV file of devices that somebody looks at before it is imported."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    file_name = models.CharField(max_length=200, editable=False)
    text = models.TextField(editable=False)
    changes_known = models.BooleanField(
        default=False, editable=False, help_text="Whether devices that are registered are changed."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    imported_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name


class Stage(models.TextChoices):
    """How far a boot has come, in this order."""

    DHCP = "dhcp", "DHCP"
    FIRMWARE = "firmware", "Firmware"  # the files that a Raspberry Pi's own firmware is made of
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


def _cause() -> Case:
    """The kind of a boot's reason, as PostgreSQL works it out (bootflow/causes.py)."""
    kinds = [
        When(GreaterThan(StrIndex(F("reason"), Value(word)), 0), then=Value(cause.key))
        for cause in CAUSES
        for word in cause.words
    ]
    return Case(When(reason="", then=Value("")), *kinds, default=Value(OTHER))


class Boot(models.Model):
    """One power-on of one machine, from its first packet to its operating system."""

    mac = models.CharField(max_length=17)
    started_at = models.DateTimeField()
    last_event_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    stage = models.CharField(max_length=9, choices=Stage.choices)
    outcome = models.CharField(max_length=6, choices=Outcome.choices, blank=True, default=Outcome.RUNNING)
    reason = models.TextField(blank=True)
    cause = models.GeneratedField(
        expression=_cause(), output_field=models.CharField(max_length=20), db_persist=True,
        help_text="What kind of reason it is.",
    )  # fmt: skip

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
            models.Index(fields=["-started_at"], condition=Q(outcome="failed"), name="boot_failed_newest"),
            models.Index(
                fields=["cause", "-started_at", "-id"], condition=~Q(cause=""), name="boot_by_cause"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mac} at {self.started_at:%Y-%m-%d %H:%M:%S}"

    @property
    def took_seconds(self) -> float | None:
        """From power-on to its end; None while it goes on."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


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
