"""Forms of the pages of images. They check spelling; the services decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings

from devices.models import Device, DeviceType
from images.importing.download import check_url
from images.importing.folder import path_of
from images.models import IMAGE_ID_PATTERN, ExportMode, Follows, Persistence, StorageNode
from images.services import FITTING_IMAGES
from images.services.versions import COMMENT_LENGTH
from netboot_site.errors import ValidationError
from netboot_site.formats import GIB, clean_name
from netboot_site.templatetags.ui import size

DEVICES_OFFERED = 500
MODES = [
    (ExportMode.OVERLAY, "an overlay of its own over a version"),
    (ExportMode.EXCLUSIVE, "the disk itself, for it alone"),
]
FOLLOWED = [
    ("", "As its device or group says, else the latest"),
    (Follows.LATEST, "The latest"),
    (Follows.TEST, "Channel test"),
    (Follows.PRODUCTION, "Channel production"),
]
LARGEST_GIB = 16 * 1024


def size_field() -> forms.FloatField:
    """A disk's size as a person gives it."""
    return forms.FloatField(
        label="Size in GiB", min_value=0.001, max_value=LARGEST_GIB,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal", "min": "0.001"}),
    )  # fmt: skip


class NamedForm(forms.Form):
    """The name and id of a new image."""

    name = forms.CharField(max_length=200)
    image_id = forms.RegexField(
        IMAGE_ID_PATTERN, label="Id", max_length=63, widget=forms.TextInput(attrs={"autocapitalize": "none"}),
        help_text="Small letters, digits and dashes; it names the disk's target and cannot be changed.",
        error_messages={"invalid": "Small letters, digits and dashes, beginning with a letter or digit."},
    )  # fmt: skip

    def clean_name(self) -> str:
        """One printable line."""
        try:
            return clean_name(self.cleaned_data["name"])
        except ValidationError as error:
            raise forms.ValidationError(str(error)) from error


class ImageForm(NamedForm):
    """A new image."""

    size_gb = size_field()
    device_type = forms.ChoiceField(label="For", choices=DeviceType.choices, initial=DeviceType.X64)
    node = forms.ChoiceField(label="Storage node", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = StorageNode.objects.values_list("name", flat=True)
        self.fields["node"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        self.initial.setdefault("node", settings.STORAGE_NODE)

    def size_bytes(self) -> int:
        """The size in whole bytes."""
        return int(self.cleaned_data["size_gb"] * GIB)


class CloneForm(NamedForm):
    """A new image that begins with the disk of another."""

    version = forms.TypedChoiceField(
        label="Begin with", required=False, coerce=int, empty_value=None,
        help_text="A version, or what the disk holds now.",
    )  # fmt: skip

    def __init__(self, *args: Any, numbers: Sequence[int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(number), f"Version {number}") for number in numbers]
        self.fields["version"].choices = [("", "The disk as it is now"), *choices]  # type: ignore[attr-defined]


class CommentForm(forms.Form):
    """What a person says of a new version."""

    comment = forms.CharField(
        required=False, max_length=COMMENT_LENGTH,
        widget=forms.TextInput(attrs={"placeholder": "What is new?", "autocomplete": "off"}),
    )  # fmt: skip


class ImportForm(forms.Form):
    """Where a disk comes from: one of the two."""

    url = forms.CharField(
        label="Address", required=False, max_length=2000,
        help_text="http or https; raw, qcow2, vmdk, vhdx, or packed as .xz, .gz, .zst or .zip.",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    file = forms.CharField(
        label="File", required=False, max_length=255,
        help_text="The name of a file in the folder import of the storage node's DATA_PATH.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip

    def clean_url(self) -> str:
        """An address that the node may fetch."""
        url = str(self.cleaned_data["url"])
        return _checked(check_url, url) if url else ""

    def clean_file(self) -> str:
        """A plain name."""
        name = str(self.cleaned_data["file"])
        if name:
            _checked(path_of, name)
        return name

    def clean(self) -> dict[str, Any]:
        """Exactly one."""
        given = super().clean() or {}
        if not self.errors and bool(given.get("url")) == bool(given.get("file")):
            self.add_error("file" if given.get("url") else "url", "Give either an address or a file.")
        return given


def _checked(check: Callable[[str], object], text: str) -> str:
    """The text, if nothing is wrong with it."""
    try:
        check(text)
    except ValidationError as error:
        raise forms.ValidationError(str(error)) from error
    return text


class OrphansForm(forms.Form):
    """Which of the files that belong to nothing are to go."""

    names = forms.MultipleChoiceField(
        label="Files", widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose the files that are to go."},
    )  # fmt: skip

    def __init__(self, *args: Any, orphans: Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["names"].choices = [  # type: ignore[attr-defined]
            (orphan["name"], f"{orphan['name']} ({size(orphan['bytes'])})") for orphan in orphans
        ]


class ResizeForm(forms.Form):
    """A larger size."""

    size_gb = size_field()

    def size_bytes(self) -> int:
        """The size in whole bytes."""
        return int(self.cleaned_data["size_gb"] * GIB)


class OverlayForm(forms.Form):
    """What becomes of an overlay's changes, and which version it stands on."""

    persistence = forms.ChoiceField(label="Its changes", choices=Persistence.choices, required=False)
    version = forms.ChoiceField(label="Version", required=False)

    def __init__(self, *args: Any, numbers: Sequence[int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = [(str(number), f"Version {number}, always") for number in numbers]
        self.fields["version"].choices = [*FOLLOWED, *versions]  # type: ignore[attr-defined]


class AssignForm(OverlayForm):
    """The device that gets the image: one that fits and has no disk."""

    device = forms.ChoiceField(label="Device")
    mode = forms.ChoiceField(label="As", choices=MODES, required=False)
    field_order = ["device", "mode", "persistence", "version"]

    def __init__(self, *args: Any, device_type: str, numbers: Sequence[int], **kwargs: Any) -> None:
        super().__init__(*args, numbers=numbers, **kwargs)
        if not numbers:
            self.initial.setdefault("mode", ExportMode.EXCLUSIVE)
        fitting = [kind for kind, images in FITTING_IMAGES.items() if device_type in images]
        rows = Device.objects.known().filter(device_type__in=fitting, export=None)
        found = rows.order_by("name", "mac").values_list("mac", "name")[:DEVICES_OFFERED]
        choices = [(mac, f"{name} ({mac})" if name else mac) for mac, name in found]
        self.fields["device"].choices = [("", "Choose a device"), *choices]  # type: ignore[attr-defined]

    def of_overlay(self, name: str) -> str | None:
        """What belongs to overlays, as the service takes it; nothing where the disk itself is given."""
        if self.cleaned_data["mode"] != ExportMode.OVERLAY:
            return None
        return str(self.cleaned_data[name]) or None
