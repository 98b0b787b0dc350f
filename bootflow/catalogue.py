"""Changes of what there is to boot besides disks: kernel sets and installers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from django.db import IntegrityError, transaction

from bootflow.models import SLUG_PATTERN, BootPlan, Installer, KernelSet
from devices.models import DeviceType
from netboot_site import journal
from netboot_site.errors import ConflictError, NotFoundError, ValidationError

ALWAYS_THERE = "default"
URL_LENGTH = 500
PATH_LENGTH = 300
CMDLINE_LENGTH = 2000
NAMES_TOLD = 5
SET_WORDS = {"kernel_url": "Kernel", "initramfs_url": "Initramfs", "cmdline": "Command line"}
INSTALLER_WORDS = {
    "device_type": "Type", "path": "Folder", "kernel": "Kernel", "initrd": "Initrd",
    "kernel_cmdline": "Command line",
}  # fmt: skip


class KernelSetFields(TypedDict):
    """What a kernel set holds."""

    kernel_url: str
    initramfs_url: str | None
    cmdline: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class InstallerFiles:
    """Where an installer's kernel and initrd lie below the boot files, and how the kernel is started."""

    path: str
    kernel: str
    initrd: str
    kernel_cmdline: str
    device_type: str


def get_kernel_set(*, name: str) -> KernelSet:
    """Raises NotFoundError."""
    found = KernelSet.objects.filter(name=name).first() if re.match(SLUG_PATTERN, name) else None
    if found is None:
        raise NotFoundError(f"There is no kernel set named {name[:100]!r}.")
    return found


@transaction.atomic
def create_kernel_set(*, name: str, **fields: Unpack[KernelSetFields]) -> KernelSet:
    """Create a kernel set. Raises ConflictError if its name is taken."""
    kernel_set = KernelSet(name=check_slug(name))
    try:
        with transaction.atomic():
            kernel_set.save(force_insert=True)
    except IntegrityError as error:
        raise ConflictError(f"A kernel set named {name!r} exists already.") from error
    journal.record("kernel set", kernel_set.name, "Created")
    return _filled_set(kernel_set, fields)


@transaction.atomic
def update_kernel_set(*, kernel_set: KernelSet, **fields: Unpack[KernelSetFields]) -> KernelSet:
    """Replace what a kernel set holds. The default passes to it, and is never given up without an heir."""
    before = _told(kernel_set, SET_WORDS)
    row = _filled_set(kernel_set, fields)
    _note("kernel set", row.name, before, _told(row, SET_WORDS))
    return row


def _filled_set(kernel_set: KernelSet, fields: KernelSetFields) -> KernelSet:
    is_default, initramfs_url = fields["is_default"], fields["initramfs_url"]
    if kernel_set.is_default and not is_default:
        raise ConflictError(f"{kernel_set.name!r} is the default kernel set; make another one the default.")
    if is_default:
        _take_default(kernel_set)
    kernel_set.kernel_url = check_url(fields["kernel_url"])
    kernel_set.initramfs_url = check_url(initramfs_url) if initramfs_url else None
    kernel_set.cmdline = check_cmdline(fields["cmdline"])
    kernel_set.is_default = is_default
    kernel_set.save()
    return kernel_set


def _take_default(kernel_set: KernelSet) -> None:
    others = KernelSet.objects.exclude(pk=kernel_set.pk).filter(is_default=True)
    names = list(others.values_list("name", flat=True))
    others.update(is_default=False)
    if names or not kernel_set.is_default:
        told = [(name, f"The default passed to {kernel_set.name}") for name in names]
        journal.record_many("kernel set", [*told, (kernel_set.name, "Made the default")])


@transaction.atomic
def delete_kernel_set(*, kernel_set: KernelSet) -> None:
    """Raises ConflictError for the default one and while a device uses it."""
    if kernel_set.is_default or kernel_set.name == ALWAYS_THERE:
        raise ConflictError(f"The kernel set {kernel_set.name!r} is the default one and stays.")
    if kernel_set.is_of_image and kernel_set.image_id:
        raise ConflictError(
            f"The kernel set {kernel_set.name!r} is the boot partition of its image and goes with it."
        )
    plans = BootPlan.objects.filter(kernel_set=kernel_set).select_related("device")
    if names := [str(plan.device) for plan in plans.order_by("device__name")]:
        count = f"{len(names)} device{'s' if len(names) > 1 else ''}"
        raise ConflictError(f"The kernel set {kernel_set.name!r} is used by {count}: {some_of(names)}.")
    journal.record("kernel set", kernel_set.name, "Deleted, with its files")
    kernel_set.delete()


def get_installer(*, name: str) -> Installer:
    """Raises NotFoundError."""
    found = Installer.objects.filter(name=name).first() if re.match(SLUG_PATTERN, name) else None
    if found is None:
        raise NotFoundError(f"There is no installer named {name[:100]!r}.")
    return found


@transaction.atomic
def create_installer(*, name: str, files: InstallerFiles) -> Installer:
    """Create an installer. Raises ConflictError if its name is taken."""
    installer = _filled(Installer(name=check_slug(name)), files)
    try:
        with transaction.atomic():
            installer.save(force_insert=True)
    except IntegrityError as error:
        raise ConflictError(f"An installer named {name!r} exists already.") from error
    journal.record("installer", installer.name, "Created")
    return installer


@transaction.atomic
def update_installer(*, installer: Installer, files: InstallerFiles) -> Installer:
    """Replace what an installer holds."""
    before = _told(installer, INSTALLER_WORDS)
    _filled(installer, files).save()
    _note("installer", installer.name, before, _told(installer, INSTALLER_WORDS))
    return installer


@transaction.atomic
def delete_installer(*, installer: Installer) -> None:
    """Forget an installer; its files stay. Raises ConflictError if a device's next boot is to start it."""
    plan = BootPlan.objects.select_related("device").filter(boot_once_installer=installer).first()
    if plan is not None:
        raise ConflictError(f"The next boot of {plan.device} is to start the installer {installer.name!r}.")
    journal.record("installer", installer.name, "Deleted")
    installer.delete()


def _told(row: KernelSet | Installer, words: Mapping[str, str]) -> dict[str, str]:
    """What people may change of a row, by how they call it."""
    return {word: getattr(row, name) or "none" for name, word in words.items()}


def _note(kind: str, name: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    changes = [
        (name, f"{word} changed from {old} to {after[word]}")
        for word, old in before.items()
        if old != after[word]
    ]
    if changes:
        journal.record_many(kind, changes)


def _filled(installer: Installer, files: InstallerFiles) -> Installer:
    if files.device_type not in DeviceType.values:
        raise ValidationError(f"A device type is one of {', '.join(DeviceType.values)}.")
    installer.path = check_path(files.path, "path")
    installer.kernel = check_path(files.kernel, "kernel")
    installer.initrd = check_path(files.initrd, "initrd") if files.initrd else ""
    installer.kernel_cmdline = check_cmdline(files.kernel_cmdline)
    installer.device_type = files.device_type
    return installer


def some_of(names: Sequence[str]) -> str:
    """`lab1-01, lab1-02 and 5 more`."""
    more = len(names) - NAMES_TOLD
    return ", ".join(names[:NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")


def check_slug(name: str) -> str:
    """A name that stands in addresses and menus."""
    if not re.fullmatch(SLUG_PATTERN, name) or name.endswith("\n"):
        raise ValidationError("A name here has 1 to 100 letters, digits, dots, dashes or underscores.")
    return name


def check_path(path: str, what: str) -> str:
    """A path that stays below the boot files' folder."""
    parts = path.split("/")
    if not path or len(path) > PATH_LENGTH or not path.isprintable():
        raise ValidationError(f"The {what} is a path of 1 to {PATH_LENGTH} printable characters.")
    if path.startswith("/") or "\\" in path or "${" in path or any(part in {".", ".."} for part in parts):
        raise ValidationError(f"The {what} is relative to the boot files, without '..'.")
    return path


def check_url(url: str) -> str:
    """An address or a path of a kernel; may be empty until somebody sets it."""
    if (
        len(url) > URL_LENGTH
        or not url.isascii()
        or any(sign.isspace() or not sign.isprintable() for sign in url)
    ):
        raise ValidationError(f"An address has at most {URL_LENGTH} ASCII characters and no spaces.")
    if "${" in url or "\\" in url or ".." in url.split("/"):
        raise ValidationError("An address holds no '${', no backslash and no '..'.")
    return url


def check_cmdline(cmdline: str) -> str:
    """A kernel's command line: one line, nothing that a boot script would act on."""
    line = cmdline.strip(" ")
    if len(line) > CMDLINE_LENGTH or not line.isascii() or not (line.isprintable()):
        raise ValidationError(f"A command line is one line of at most {CMDLINE_LENGTH} ASCII characters.")
    if any(part in line for part in ("${", "&&", "||", "\\")):
        raise ValidationError(
            "A command line holds no '${', '&&', '||' or backslash: boot scripts act on them."
        )
    return line
