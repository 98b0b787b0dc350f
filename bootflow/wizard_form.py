"""The wizard's form: how the chosen machines are called, where they belong and what they boot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet

from bootflow.enrolling import ORDERS, Wish
from bootflow.forms import (
    IMAGES_OFFERED,
    INSTALLER_PREFIX,
    OVERLAY_PREFIX,
    Choices,
    chosen_disk,
)
from bootflow.models import BootOnce, Installer
from devices.models import Device, DeviceType, Group
from devices.naming import NUMBER_MAX, parse_pattern
from images.models import Image
from images.overview import free_images, overlay_images
from images.services import FITTING_IMAGES
from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name

LOCAL = "once:local"  # no image is called so
NOTHING = [("", "Nothing yet: the boot menu, then the local disk")]
TYPES = [("", "What each machine told"), *DeviceType.choices]


class WizardForm(forms.Form):
    """What the chosen machines have in common."""

    name = forms.CharField(
        label="Names", max_length=200, help_text="{n} is the number, {n:02} one of two digits.",
        widget=forms.TextInput(attrs={"placeholder": "lab1-{n:02}", "autocomplete": "off", "dir": "auto"}),
    )  # fmt: skip
    start = forms.IntegerField(
        label="First number", min_value=0, max_value=NUMBER_MAX, initial=1,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip
    order = forms.ChoiceField(
        label="Numbered by", choices=[(key, label) for key, label in ORDERS.items() if key != "given"]
    )
    device_type = forms.ChoiceField(label="Type", choices=TYPES, required=False)
    group = forms.CharField(
        max_length=100, required=False, help_text="A room, for example; a new name makes a new group.",
        widget=forms.TextInput(attrs={"list": "groups", "autocomplete": "off", "dir": "auto"}),
    )  # fmt: skip
    boots = forms.ChoiceField(label="What they boot", required=False)

    def __init__(self, *args: Any, devices: Sequence[Device], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.devices = devices
        chosen = str(self.data.get("device_type") or self.initial.get("device_type") or "")
        kinds = {chosen} if chosen in DeviceType.values else {device.device_type for device in devices}
        self.fields["boots"].choices = boot_choices(kinds)  # type: ignore[attr-defined]
        if {*kinds} > {DeviceType.RASPI}:
            self.fields[
                "boots"
            ].help_text = "No disk fits both Raspberry Pis and PCs: approve them one kind after the other."

    def clean_name(self) -> str:
        """A pattern, and one that can name them all."""
        try:
            pattern = parse_pattern(self.cleaned_data["name"])
        except ValidationError as error:
            raise forms.ValidationError(str(error)) from error
        if len(self.devices) > 1 and not pattern.has_number:
            raise forms.ValidationError(
                "Several machines need a number in their names: write {n} where it goes."
            )
        return str(self.cleaned_data["name"])

    def clean_group(self) -> str:
        """One printable line, or none."""
        try:
            return clean_name(self.cleaned_data["group"]) if self.cleaned_data["group"] else ""
        except ValidationError as error:
            raise forms.ValidationError(str(error)) from error

    def groups(self) -> list[str]:
        """Names to choose from."""
        return list(Group.objects.values_list("name", flat=True)[:200])

    def wish(self) -> Wish:
        """As the plan takes it."""
        fields = self.cleaned_data
        boots, once, installer = fields["boots"], "", ""
        if boots == LOCAL:
            boots, once = "", BootOnce.LOCAL.value
        elif boots.startswith(INSTALLER_PREFIX):
            boots, once, installer = "", BootOnce.INSTALLER.value, boots.removeprefix(INSTALLER_PREFIX)
        image_id, mode = chosen_disk(boots)
        return Wish(
            tuple(device.mac for device in self.devices), pattern=fields["name"], start=fields["start"],
            order=fields["order"], device_type=fields["device_type"], group=fields["group"],
            image_id=image_id or "", mode=mode, boot_once=once, installer=installer,
        )  # fmt: skip


def boot_choices(kinds: Iterable[str]) -> Choices:
    """What machines of all these types can boot. Three queries."""
    types = [DeviceType(kind) for kind in kinds]
    fitting = set.intersection(*(set(FITTING_IMAGES[kind]) for kind in types)) if types else set()
    choices: Choices = [*NOTHING]
    if DeviceType.RASPI not in types:
        choices.append((LOCAL, "Its local disk, at the next boot"))
    own, overlays = _images(free_images(), fitting), _images(overlay_images(), fitting)
    names = Installer.objects.filter(device_type__in=types if len(types) == 1 else [])
    sections = {
        "A private overlay of an image, for any number of machines": [
            (f"{OVERLAY_PREFIX}{key}", f"Overlay of {name}") for key, name in overlays
        ],
        "An image of its own, for one machine": own,
        "An installer, at the next boot": [
            (f"{INSTALLER_PREFIX}{name}", f"Install {name}") for name in names.values_list("name", flat=True)
        ],
    }
    return choices + [(heading, rows) for heading, rows in sections.items() if rows]


def _images(images: QuerySet[Image], fitting: set[DeviceType]) -> list[tuple[str, str]]:
    rows = images.filter(device_type__in=fitting).values_list("id", "name")[:IMAGES_OFFERED]
    return [(key, f"{name} ({key})" if name != key else key) for key, name in rows]
