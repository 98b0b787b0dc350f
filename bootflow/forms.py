"""Forms of the pages of devices. They check spelling; the services decide."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.db.models import QuerySet

from bootflow.models import BootOnce, Installer, KernelSet
from bootflow.raspberry_pi.serials import parse_serial
from devices.models import Device, DeviceType, Group, UpdateChannel
from images.models import ExportMode, Image
from images.overview import free_images, overlay_images
from images.services import FITTING_IMAGES
from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name, parse_mac

IMAGES_OFFERED = 500
INSTALLER_PREFIX = "installer:"
ONCE_SENTENCES = {
    "local": "Starts from the disk inside the machine, this once; then as planned again.",
    "menu": "Shows the boot menu for a minute, then starts the local disk; then as planned again.",
}
INSTALL_SENTENCE = "Starts this installer once. It may overwrite the disk that it is told to install to."
OVERLAY_PREFIX = "overlay:"
OVERLAY_HEADING = ", overlays"
CHANNELS = [("", "That of its group, else the latest"), *UpdateChannel.choices[1:]]
Choices = list[tuple[str, Any]]


def image_choices(device_type: str = "") -> Choices:
    """Disks to give away, by type: of each the images that nobody has, then overlays. Two queries."""
    own, overlays = _offered(free_images(), device_type), _offered(overlay_images(), device_type)
    choices: Choices = []
    for kind, label in DeviceType.choices:
        if own.get(kind):
            choices.append((label, [(key, name) for key, name in own[kind]]))
        if overlays.get(kind):
            rows = [(f"{OVERLAY_PREFIX}{key}", f"Overlay of {name}") for key, name in overlays[kind]]
            choices.append((f"{label}{OVERLAY_HEADING}", rows))
    return choices


def _offered(images: QuerySet[Image], device_type: str) -> dict[str, list[tuple[str, str]]]:
    """Ids and names by type; of those that fit a device's type if it is known."""
    if device_type in FITTING_IMAGES:
        images = images.filter(device_type__in=FITTING_IMAGES[DeviceType(device_type)])
    found: dict[str, list[tuple[str, str]]] = {}
    for kind, key, name in images.values_list("device_type", "id", "name")[:IMAGES_OFFERED]:
        found.setdefault(kind, []).append((key, f"{name} ({key})" if name != key else key))
    return found


def chosen_disk(value: str) -> tuple[str | None, str]:
    """What was chosen, as the services take it: which image, and how."""
    if value.startswith(OVERLAY_PREFIX):
        return value.removeprefix(OVERLAY_PREFIX), ExportMode.OVERLAY
    return value or None, ExportMode.EXCLUSIVE


def _fits() -> str:
    """For our script: under which headings a type's images stand."""
    labels = dict(DeviceType.choices)
    return json.dumps(
        {
            kind.value: [f"{labels[image]}{more}" for image in images for more in ("", OVERLAY_HEADING)]
            for kind, images in FITTING_IMAGES.items()
        }
    )


class NamedForm(forms.Form):
    """A form with the name, type and group of a device."""

    name = forms.CharField(max_length=200, strip=True)
    device_type = forms.ChoiceField(label="Type", choices=DeviceType.choices)
    group = forms.CharField(
        max_length=100, required=False, help_text="A room, for example; a new name makes a new group.",
        widget=forms.TextInput(attrs={"list": "groups", "autocomplete": "off"}),
    )  # fmt: skip

    def clean_name(self) -> str:
        """One printable line."""
        return _checked(clean_name, self.cleaned_data["name"])

    def groups(self) -> list[str]:
        """Names to choose from."""
        return list(Group.objects.values_list("name", flat=True)[:200])


class ApproveForm(NamedForm):
    """What an unknown device becomes."""

    image = forms.ChoiceField(
        required=False,
        label="Disk",
        help_text="Images that nobody has, and overlays. Without one it gets the boot menu.",
    )

    def __init__(self, *args: Any, device_type: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["image"].choices = [("", "No disk yet"), *image_choices(device_type)]  # type: ignore[attr-defined]
        self.fields["device_type"].widget.attrs.update({"data-narrows": "image", "data-fits": _fits()})


class RegisterForm(ApproveForm):
    """A device that has not asked yet."""

    mac = forms.CharField(
        label="MAC address", max_length=64, widget=forms.TextInput(attrs={"placeholder": "52:54:00:12:34:56"})
    )
    field_order = ["mac", "name", "device_type", "group", "image"]

    def clean_mac(self) -> str:
        """In our one spelling."""
        return _checked(parse_mac, self.cleaned_data["mac"])


class EditForm(NamedForm):
    """What an operator may change of a device."""

    serial = forms.CharField(
        max_length=200,
        required=False,
        help_text="8 or 16 hex digits, as /proc/cpuinfo shows it.",
    )
    kernel_set = forms.ChoiceField(label="Kernel set")
    channel = forms.ChoiceField(
        choices=CHANNELS,
        required=False,
        help_text="Which versions its overlay takes, unless it is set there.",
    )

    def __init__(self, *args: Any, device: Device, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.device = device
        if device.device_type != DeviceType.RASPI:
            del self.fields["serial"]
        names = KernelSet.objects.values_list("name", flat=True)
        self.fields["kernel_set"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]

    def clean_serial(self) -> str:
        """In our one spelling; it may contradict the MAC address."""
        device = self.device
        return _checked(
            lambda text: parse_serial(text, device_type=device.device_type, mac=device.mac),
            self.cleaned_data["serial"],
        )

    @classmethod
    def of(cls, device: Device) -> EditForm:
        """The form as the device stands."""
        plan = getattr(device, "boot_plan", None)
        return cls(
            device=device,
            initial={
                "name": device.name,
                "device_type": device.device_type,
                "group": device.group.name if device.group else "",
                "serial": device.serial,
                "kernel_set": (plan.kernel_set_id if plan else None) or "default",
                "channel": device.channel,
            },
        )


class AssignForm(forms.Form):
    """A disk for a device."""

    image = forms.ChoiceField(label="Disk")

    def __init__(self, *args: Any, device_type: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["image"].choices = [("", "Choose an image"), *image_choices(device_type)]  # type: ignore[attr-defined]


class GroupForm(forms.Form):
    """Which versions the overlays of a group take."""

    channel = forms.ChoiceField(
        choices=[("", "The latest version"), *UpdateChannel.choices[1:]], required=False, label="Channel"
    )


class KernelSetForm(forms.Form):
    """What a person sets of a kernel set besides its files."""

    cmdline = forms.CharField(
        label="Command line", max_length=2000, required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One line, in the place of the set's cmdline.txt: a root over NFS, for example. For a Pi "
        "with a disk, where it finds that is added.",
    )  # fmt: skip
    kernel_url = forms.CharField(label="Kernel", max_length=500, required=False)
    initramfs_url = forms.CharField(label="Initramfs", max_length=500, required=False)

    @classmethod
    def of(cls, kernel_set: KernelSet) -> KernelSetForm:
        """The form as the set stands."""
        return cls(
            initial={
                "cmdline": kernel_set.cmdline,
                "kernel_url": kernel_set.kernel_url,
                "initramfs_url": kernel_set.initramfs_url,
            }
        )


class NewKernelSetForm(forms.Form):
    """A set without files."""

    name = forms.CharField(
        max_length=100, widget=forms.TextInput(attrs={"placeholder": "rpi-6.12", "autocomplete": "off"})
    )
    cmdline = forms.CharField(
        label="Command line", max_length=2000, required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One line, for a Pi without a disk. It can be set later.",
    )  # fmt: skip


class UploadForm(forms.Form):
    """Files for a kernel set, without our script: all into one folder. The view reads the files."""

    uploads = forms.FileField(required=False)
    folder = forms.CharField(
        max_length=120, required=False, help_text="Below the set's top: overlays, for example.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip

    def path_of(self, name: str) -> str:
        """Where a file of that name goes."""
        folder = str(self.cleaned_data["folder"]).strip("/")
        return f"{folder}/{name}" if folder else name


class AdditionForm(forms.Form):
    """A line for a Raspberry Pi's config.txt."""

    name = forms.CharField(
        label="Property", max_length=40, strip=True,
        widget=forms.TextInput(
            attrs={"list": "properties", "autocomplete": "off", "placeholder": "gpu_mem"}
        ),
    )  # fmt: skip
    value = forms.CharField(
        max_length=80, strip=True, widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "64"})
    )

    def addition(self) -> dict[str, str]:
        """As the service takes it."""
        return {"name": self.cleaned_data["name"], "value": self.cleaned_data["value"]}

    def line(self) -> str:
        """As it stands in the file."""
        return f"{self.cleaned_data['name']}={self.cleaned_data['value']}"


class ConfirmForm(forms.Form):
    """A question that is not answered by a hasty press of Enter."""

    sure = forms.BooleanField(label="I have read this, and the files are made for its model.")


class BootOnceForm(forms.Form):
    """What the next boot does instead of the plan."""

    choice = forms.ChoiceField(label="Next boot", required=False)

    def __init__(self, *args: Any, device_type: str, as_planned: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Installer.objects.filter(device_type=device_type).values_list("name", flat=True)
        self.sentences = {**ONCE_SENTENCES, "": as_planned}
        plain = [(value, label) for value, label in BootOnce.choices if value != BootOnce.INSTALLER]
        installers = [(f"{INSTALLER_PREFIX}{name}", f"Install {name}") for name in names]
        self.fields["choice"].choices = [*plain, *installers]  # type: ignore[attr-defined]

    def cards(self) -> list[tuple[str, str, str, bool]]:
        """Each choice with its sentence of what will happen, and whether it is the present one."""
        present = str(self["choice"].value() or "")
        return [
            (value, label, self.sentences.get(value, INSTALL_SENTENCE), value == present)
            for value, label in self.fields["choice"].choices  # type: ignore[attr-defined]
        ]

    def chosen(self) -> tuple[str, str | None]:
        """As the service takes it: what, and which installer."""
        choice = str(self.cleaned_data["choice"])
        if choice.startswith(INSTALLER_PREFIX):
            return BootOnce.INSTALLER, choice.removeprefix(INSTALLER_PREFIX)
        return choice, None


def _checked(check: Any, text: str) -> str:
    try:
        return str(check(text))
    except ValidationError as error:
        raise forms.ValidationError(str(error)) from error
