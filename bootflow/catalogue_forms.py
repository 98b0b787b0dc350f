"""Forms of the pages of installers and of Raspberry Pis' addresses. They check spelling; services decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms

from bootflow.catalogue import (
    CMDLINE_LENGTH,
    PATH_LENGTH,
    InstallerFiles,
    check_cmdline,
    check_path,
    check_slug,
)
from bootflow.models import Installer
from bootflow.raspberry_pi.prefixes import parse_prefix
from devices.models import DeviceType
from netboot_site.errors import ValidationError


def _text(placeholder: str) -> forms.TextInput:
    attrs = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
    return forms.TextInput(attrs={**attrs, "placeholder": placeholder})


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValidationError as error:
        raise forms.ValidationError(str(error)) from error


class InstallerForm(forms.Form):
    """Where an installer's files lie, and how its kernel is started."""

    device_type = forms.ChoiceField(label="For", choices=DeviceType.choices, initial=DeviceType.X64)
    path = forms.CharField(
        label="Folder", max_length=PATH_LENGTH, widget=_text("debian/12"),
        help_text="Below the boot files, which are in the folder boot of DATA_PATH.",
    )  # fmt: skip
    kernel = forms.CharField(
        max_length=PATH_LENGTH, widget=_text("linux"), help_text="A file in that folder."
    )
    initrd = forms.CharField(
        max_length=PATH_LENGTH, required=False, widget=_text("initrd.gz"),
        help_text="A file in that folder, if it needs one.",
    )  # fmt: skip
    kernel_cmdline = forms.CharField(
        label="Command line", max_length=CMDLINE_LENGTH, required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}), help_text="One line.",
    )  # fmt: skip

    def clean_path(self) -> str:
        """Below the boot files."""
        return _checked(lambda text: check_path(text, "folder"), self.cleaned_data["path"])

    def clean_kernel(self) -> str:
        """Below the folder."""
        return _checked(lambda text: check_path(text, "kernel"), self.cleaned_data["kernel"])

    def clean_initrd(self) -> str:
        """Below the folder, if there is one."""
        text = self.cleaned_data["initrd"]
        return _checked(lambda path: check_path(path, "initrd"), text) if text else ""

    def clean_kernel_cmdline(self) -> str:
        """One line that no boot script acts on."""
        return _checked(check_cmdline, self.cleaned_data["kernel_cmdline"])

    def as_files(self) -> InstallerFiles:
        """As the services take it."""
        names = ("path", "kernel", "initrd", "kernel_cmdline", "device_type")
        return InstallerFiles(**{name: self.cleaned_data[name] for name in names})

    @classmethod
    def of(cls, installer: Installer) -> InstallerForm:
        """The form as the installer stands."""
        return cls(initial={name: getattr(installer, name) for name in cls.base_fields})


class NewInstallerForm(InstallerForm):
    """An installer that is not there yet."""

    name = forms.CharField(
        max_length=100, widget=_text("debian-12"),
        help_text="It stands in the boot menu and cannot be changed: letters, digits, dots, dashes.",
    )  # fmt: skip
    field_order = ["name", *InstallerForm.base_fields]

    def clean_name(self) -> str:
        """As addresses and menus take it."""
        return _checked(check_slug, self.cleaned_data["name"])


class PiPrefixForm(forms.Form):
    """The beginning of MAC addresses that are Raspberry Pis'."""

    beginning = forms.CharField(max_length=32, widget=_text("8c:1f:64:34:a"), help_text="6 to 9 hex digits.")
    note = forms.CharField(max_length=200, required=False, widget=_text("whose boards these are"))

    def clean_beginning(self) -> str:
        """In our one spelling."""
        return _checked(parse_prefix, self.cleaned_data["beginning"])

    def clean_note(self) -> str:
        """One printable line."""
        note = str(self.cleaned_data["note"])
        if not note.isprintable():
            raise forms.ValidationError("A note is one line of printable characters.")
        return note

    def add(self, change: Callable[..., Any]) -> None:
        """Hand it to the service."""
        change(prefix=self.cleaned_data["beginning"], note=self.cleaned_data["note"])
