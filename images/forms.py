"""Forms of the pages of images. They check spelling; the services decide."""

from __future__ import annotations

from typing import Any

from django import forms

from devices.models import Device, DeviceType
from images.models import IMAGE_ID_PATTERN
from images.services import FITTING_IMAGES
from netboot_site.errors import ValidationError
from netboot_site.formats import GIB, clean_name

DEVICES_OFFERED = 500
LARGEST_GIB = 16 * 1024


def size_field() -> forms.FloatField:
    """A disk's size as a person gives it."""
    return forms.FloatField(
        label="Size in GiB", min_value=0.001, max_value=LARGEST_GIB,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal", "min": "0.001"}),
    )  # fmt: skip


class ImageForm(forms.Form):
    """A new image."""

    name = forms.CharField(max_length=200)
    image_id = forms.RegexField(
        IMAGE_ID_PATTERN, label="Id", max_length=63, widget=forms.TextInput(attrs={"autocapitalize": "none"}),
        help_text="Small letters, digits and dashes; it names the disk's target and cannot be changed.",
        error_messages={"invalid": "Small letters, digits and dashes, beginning with a letter or digit."},
    )  # fmt: skip
    size_gb = size_field()
    device_type = forms.ChoiceField(label="For", choices=DeviceType.choices, initial=DeviceType.X64)

    def clean_name(self) -> str:
        """One printable line."""
        try:
            return clean_name(self.cleaned_data["name"])
        except ValidationError as error:
            raise forms.ValidationError(str(error)) from error

    def size_bytes(self) -> int:
        """The size in whole bytes."""
        return int(self.cleaned_data["size_gb"] * GIB)


class ResizeForm(forms.Form):
    """A larger size."""

    size_gb = size_field()

    def size_bytes(self) -> int:
        """The size in whole bytes."""
        return int(self.cleaned_data["size_gb"] * GIB)


class AssignForm(forms.Form):
    """The device that gets the image: one that fits and has no disk."""

    device = forms.ChoiceField(label="Device")

    def __init__(self, *args: Any, device_type: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fitting = [kind for kind, images in FITTING_IMAGES.items() if device_type in images]
        rows = Device.objects.known().filter(device_type__in=fitting, export=None)
        found = rows.order_by("name", "mac").values_list("mac", "name")[:DEVICES_OFFERED]
        choices = [(mac, f"{name} ({mac})" if name else mac) for mac, name in found]
        self.fields["device"].choices = [("", "Choose a device"), *choices]  # type: ignore[attr-defined]
