"""What the REST calls of bootflow take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AfterValidator, Field

from bootflow.installer_overview import InstallerRow
from bootflow.kernel_set_overview import SetOverview
from bootflow.models import BootPlan, PiTree
from bootflow.raspberry_pi.advice import advice_of
from devices.models import Device
from devices.schemas import ChannelOf, Text, without_nul

Mac = Annotated[str, Field(max_length=64, examples=["52:54:00:12:34:56"]), AfterValidator(without_nul)]
Type = Literal["raspi", "x86", "x64"]
Long = Annotated[str, Field(max_length=2000), AfterValidator(without_nul)]


class ConfigAddition(Schema):
    """A line that a Raspberry Pi's config.txt gets besides its kernel set's."""

    name: Text
    value: Text | int


SerialOf = Annotated[
    Text | None,
    Field(description="A Raspberry Pi's has 8 or 16 hex digits; null, or left out: as it is; empty: none."),
]


class DeviceChange(Schema):
    """What may change of a device: PUT takes the whole, PATCH any part."""

    device_type: Type
    name: Text
    enabled: bool = True
    image_id: Text | None = None
    kernel_set: Text = "default"
    group: Text | None = None
    channel: ChannelOf = ""
    serial: SerialOf = None
    config_additions: list[ConfigAddition] = []


class DeviceIn(DeviceChange):
    """A device to register."""

    mac: Mac


class DeviceReplace(DeviceChange):
    """A whole device; its MAC address stands in the path and, if given here too, must be the same."""

    mac: Mac | None = None


class DevicePatch(Schema):
    """Any part of a device; a MAC address given here must be the one in the path."""

    mac: Mac | None = None
    device_type: Type = "x64"
    name: Text = ""
    enabled: bool = True
    image_id: Text | None = None
    kernel_set: Text = "default"
    group: Text | None = None
    channel: ChannelOf = ""
    serial: SerialOf = None
    config_additions: list[ConfigAddition] = []


class PiTreeOut(Schema):
    """What a Raspberry Pi's firmware is served, as it was seen."""

    state: str
    names: list[str]
    boots: str
    missing: list[str]
    last_error: str


class ShownTreeOut(PiTreeOut):
    """The same with its files and texts; the disk's password is masked. `waits`: why there is none."""

    files: list[str]
    config_txt: str
    cmdline_txt: str
    waits: str


class UpdateOut(Schema):
    """An update of a bootloader that the device's next boot carries out."""

    status: str
    files: list[str]
    warning: str


class AdviceOut(Schema):
    """What is known to go wrong with a Raspberry Pi's bootloader, and the remedy."""

    title: str
    text: str


class DeviceOut(Schema):
    """A device with what it boots."""

    mac: str
    device_type: str
    name: str
    enabled: bool
    image_id: str | None
    kernel_set: str
    group: str | None
    channel: str
    state: str
    serial: str
    architecture: str
    firmware: str
    code: str
    boot_once: str | None
    boot_once_installer: str | None
    model: str
    config_additions: list[dict[str, str]]
    pi_tree: PiTreeOut | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    created_at: datetime
    updated_at: datetime
    advice: list[AdviceOut]


class BootOnceIn(Schema):
    """What the next boot does instead of the plan; null: as planned."""

    action: Literal["local", "menu", "installer"] | None
    installer: Text | None = None


class UnknownDeviceOut(Schema):
    """A device that asked to boot and is not enrolled."""

    mac: str
    serial: str
    device_type: str
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    facts: dict[str, Any]
    code: str
    architecture: str
    firmware: str
    ignored_at: datetime | None


class ApproveIn(Schema):
    """How an unknown device is enrolled; what is left out is what it told of itself."""

    name: Text | None = None
    device_type: Type | None = None
    group: Text | None = None
    image_id: Text | None = None
    mode: Literal["exclusive", "overlay"] = "exclusive"


class KernelSetChange(Schema):
    """What a kernel set holds."""

    kernel_url: Long = ""
    initramfs_url: Long | None = None
    cmdline: Long = ""
    is_default: bool = False


class KernelSetIn(KernelSetChange):
    """A kernel set to create."""

    name: Text
    kernel_url: Long


class KernelSetReplace(KernelSetChange):
    """A whole kernel set; a name given here must be the one in the path."""

    name: Text | None = None


class KernelSetFileOut(Schema):
    """One file of a kernel set."""

    path: str
    size_bytes: int
    sha256: str


class KernelSetOut(Schema):
    """A kernel set. `missing`: what each family of Raspberry Pi would ask for in vain, if there are files."""

    name: str
    kernel_url: str
    initramfs_url: str | None
    cmdline: str
    is_default: bool
    image_id: str | None
    files: list[KernelSetFileOut]
    size_bytes: int
    missing: dict[str, list[str]]
    state: str
    last_error: str
    warnings: list[str]


class InstallerChange(Schema):
    """What an installer holds: paths below the boot files."""

    path: Long
    kernel: Long
    initrd: Long = ""
    kernel_cmdline: Long = ""
    device_type: Type


class InstallerIn(InstallerChange):
    """An installer to create."""

    name: Text


class InstallerReplace(InstallerChange):
    """A whole installer; a name given here must be the one in the path."""

    name: Text | None = None


class InstallerOut(Schema):
    """An installer; `next_boot_of` are the devices whose next boot starts it, by their MAC addresses."""

    name: str
    path: str
    kernel: str
    initrd: str
    kernel_cmdline: str
    device_type: str
    next_boot_of: list[str]


def device_out(device: Device, default_kernel_set: str) -> DeviceOut:
    """A device row (with group, export, boot_plan and pi_tree joined) as the API shows it."""
    plan: BootPlan | None = getattr(device, "boot_plan", None)
    export = getattr(device, "export", None)
    return DeviceOut(
        mac=device.mac,
        device_type=device.device_type,
        name=device.name,
        enabled=device.enabled,
        image_id=export.image_id if export else None,
        kernel_set=(plan.kernel_set_id if plan else None) or default_kernel_set,
        group=device.group.name if device.group else None,
        channel=device.channel,
        state=device.state,
        serial=device.serial,
        architecture=device.architecture,
        firmware=device.firmware,
        code=device.code,
        boot_once=(plan.boot_once or None) if plan else None,
        boot_once_installer=plan.boot_once_installer_id if plan else None,
        model=str(device.facts.get("model") or ""),
        config_additions=plan.config_additions if plan else [],
        pi_tree=pi_tree_out(getattr(device, "pi_tree", None)),
        first_seen_at=device.first_seen_at,
        last_seen_at=device.last_seen_at,
        created_at=device.created_at,
        updated_at=device.updated_at,
        advice=[AdviceOut(title=one.title, text=one.text) for one in advice_of(device)],
    )


def pi_tree_out(row: PiTree | None) -> PiTreeOut | None:
    """A tree as the API shows it; None for a device that has none."""
    if row is None:
        return None
    return PiTreeOut(
        state=row.state, names=row.names, boots=row.boots, missing=row.missing, last_error=row.last_error
    )


def kernel_set_out(overview: SetOverview) -> KernelSetOut:
    """A kernel set with its files as the API shows it."""
    row, boot_files = overview.kernel_set, overview.boot_files
    files = [KernelSetFileOut(path=f.path, size_bytes=f.size_bytes, sha256=f.sha256) for f in overview.files]
    return KernelSetOut(
        name=row.name,
        kernel_url=row.kernel_url,
        initramfs_url=row.initramfs_url,
        cmdline=row.cmdline,
        is_default=row.is_default,
        image_id=row.image_id,
        files=sorted(files, key=lambda file: file.path),
        size_bytes=overview.size_bytes,
        missing={model.name: model.missing for model in overview.lacking},
        state=overview.state,
        last_error=boot_files.last_error if boot_files else "",
        warnings=overview.warnings,
    )


def installer_out(shown: InstallerRow) -> InstallerOut:
    """An installer row as the API shows it."""
    row = shown.installer
    return InstallerOut(
        name=row.name,
        path=row.path,
        kernel=row.kernel,
        initrd=row.initrd,
        kernel_cmdline=row.kernel_cmdline,
        device_type=row.device_type,
        next_boot_of=[device.mac for device in shown.devices],
    )
