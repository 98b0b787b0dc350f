"""What is asked before many devices are changed: which they are, what for, and what is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django import forms
from django.db.models import Count, Q

from bootflow.forms import INSTALLER_PREFIX, Choices, chosen_disk, image_choices
from bootflow.models import BootOnce, BulkAction, Installer
from devices.models import Device, Group
from devices.services import create_group
from images.models import Export, ExportMode, Persistence, Session
from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name

NAMED = 20  # of the devices that a question is about; the others are counted


class BulkForm(forms.Form):
    """Which devices, and the number that makes a second confirmation harmless."""

    action = forms.ChoiceField(choices=BulkAction.choices, widget=forms.HiddenInput)
    number = forms.UUIDField(widget=forms.HiddenInput)
    macs = forms.CharField(widget=forms.HiddenInput)  # in one field: Django takes a thousand fields at most

    def arguments(self) -> dict[str, Any]:
        """What the action needs besides devices."""
        return {}


class GroupForm(BulkForm):
    """Where they go."""

    group = forms.CharField(
        max_length=200, required=False, help_text="Empty: into no group. A new name makes a new group.",
        widget=forms.TextInput(attrs={"list": "groups", "autocomplete": "off", "dir": "auto"}),
    )  # fmt: skip

    def groups(self) -> list[str]:
        """Names to choose from."""
        return list(Group.objects.values_list("name", flat=True)[:200])

    def clean_group(self) -> str:
        """One printable line, or nothing."""
        name = str(self.cleaned_data["group"])
        try:
            return clean_name(name) if name else ""
        except ValidationError as error:
            raise forms.ValidationError(str(error)) from error

    def arguments(self) -> dict[str, Any]:
        """A new group is made."""
        name = self.cleaned_data["group"]
        if name and not Group.objects.filter(name=name).exists():
            name = create_group(name=name).name
        return {"group": name}


class AssignForm(BulkForm):
    """Which disk they get."""

    image = forms.ChoiceField(
        label="Disk", help_text="Of an overlay each gets its own; an image for itself only one can have."
    )
    persistence = forms.ChoiceField(
        label="Changes on an overlay", required=False,
        choices=[("", "Kept"), (Persistence.RESET.value, Persistence.RESET.label)],
    )  # fmt: skip

    def __init__(self, *args: Any, device_type: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        overlays_first = sorted(image_choices(device_type), key=lambda choice: "overlays" not in choice[0])
        self.fields["image"].choices = [("", "Choose an image"), *overlays_first]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """A disk that is a device's own has no persistence."""
        fields = super().clean() or {}
        if fields.get("persistence") and chosen_disk(fields.get("image", ""))[1] == ExportMode.EXCLUSIVE:
            self.add_error(
                "persistence", "Only an overlay can be reset at each boot; choose one, or nothing."
            )
        return fields

    def arguments(self) -> dict[str, Any]:
        """As the change takes it."""
        image_id, mode = chosen_disk(self.cleaned_data["image"])
        persistence = self.cleaned_data["persistence"] or None
        return {"image_id": image_id, "mode": mode, "persistence": persistence}


class BootOnceForm(BulkForm):
    """What their next boot does."""

    choice = forms.ChoiceField(label="Next boot", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain: Choices = [pair for pair in BootOnce.choices if pair[0] != BootOnce.INSTALLER]
        names = Installer.objects.values_list("name", "device_type")
        installers = [(f"{INSTALLER_PREFIX}{name}", f"Install {name} ({kind})") for name, kind in names]
        self.fields["choice"].choices = [*plain, *installers]  # type: ignore[attr-defined]

    def arguments(self) -> dict[str, Any]:
        """As the change takes it."""
        choice = str(self.cleaned_data["choice"])
        if choice.startswith(INSTALLER_PREFIX):
            return {"boot_once": BootOnce.INSTALLER, "installer": choice.removeprefix(INSTALLER_PREFIX)}
        return {"boot_once": choice}


FORMS: dict[str, type[BulkForm]] = {
    BulkAction.GROUP: GroupForm,
    BulkAction.ASSIGN: AssignForm,
    BulkAction.BOOT_ONCE: BootOnceForm,
}


def form_of(action: str, macs: list[str], data: Any = None) -> BulkForm:
    """The form of an action; sent, or to be filled."""
    initial = {"action": action, "number": uuid4(), "macs": " ".join(macs)}
    if action != BulkAction.ASSIGN:
        return FORMS.get(action, BulkForm)(data, initial=initial)
    kinds = set(Device.objects.filter(mac__in=macs).values_list("device_type", flat=True))
    return AssignForm(data, initial=initial, device_type=kinds.pop() if len(kinds) == 1 else "")


@dataclass(frozen=True, slots=True)
class Concerned:
    """The devices of a question, and what hangs on them."""

    names: list[tuple[str, str]]  # MAC address and name, of the first ones
    count: int
    overlays: int
    disks: int
    in_use: int

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.count - len(self.names)

    @property
    def words(self) -> str:
        """`pc-07`, or `12 devices`."""
        if self.count == 1 and self.names:
            return self.names[0][1] or self.names[0][0]
        return f"{self.count} devices"


def concerned(macs: list[str]) -> Concerned:
    """Three queries."""
    rows = Device.objects.known().filter(mac__in=macs)
    exports = Export.objects.filter(device__in=rows.values("pk"))
    counted = exports.aggregate(disks=Count("pk"), overlays=Count("pk", filter=Q(mode=ExportMode.OVERLAY)))
    found = list(rows.order_by("name", "mac").values_list("mac", "name"))
    users = {f"{mac.replace(':', '')}" for mac, _ in found}
    open_now = Session.objects.filter(ended_at=None).values_list("initiator_name", flat=True)
    in_use = len({name for name in open_now if name.rpartition(".")[2] in users})
    return Concerned(found[:NAMED], len(found), counted["overlays"], counted["disks"], in_use)


SENTENCES = {
    BulkAction.ENABLE: "From their next boot on they boot what they were given.",
    BulkAction.DISABLE: "From their next boot on they start their local disk, a Raspberry Pi nothing. "
    "What runs goes on.",
    BulkAction.GROUP: "Their disks and plans stay as they are.",
    BulkAction.ASSIGN: "A device that has a disk already keeps it, and you are told.",
    BulkAction.UNASSIGN: "They boot without a disk of ours; images and their versions are kept.",
    BulkAction.BOOT_ONCE: "It counts for one boot, and is spent when that has reached its disk or installer.",
    BulkAction.RESET: "Their next boot begins with a clean overlay of the version that they follow.",
    BulkAction.DELETE: "Images are kept. A machine that asks to boot again waits for approval, as a new one.",
}


def lost_by(action: str, about: Concerned) -> str:
    """What cannot be brought back, in a sentence; empty: nothing."""
    overlays = f"what {about.overlays} overlay{'s hold' if about.overlays != 1 else ' holds'}"
    if action == BulkAction.DELETE:
        rest = f", and {overlays}" if about.overlays else ""
        return f"Names, groups and plans of {about.words} are lost{rest}."
    if action in {BulkAction.RESET, BulkAction.UNASSIGN} and about.overlays:
        return f"{overlays.capitalize()} is lost."
    return ""


def held_back_by(action: str, about: Concerned) -> str:
    """Whom it will not reach, in a sentence, as far as that is seen beforehand."""
    said = []
    if action in {BulkAction.RESET, BulkAction.UNASSIGN, BulkAction.DELETE} and about.in_use:
        uses = "uses its disk" if about.in_use == 1 else "use their disks"
        said.append(f"{about.in_use} of them {uses} now and will be refused; shut down first.")
    without = about.count - about.overlays
    if action == BulkAction.RESET and without:
        said.append(f"{without} of them {'has' if without == 1 else 'have'} no overlay and will be refused.")
    if action == BulkAction.ASSIGN and about.disks:
        has = "has a disk" if about.disks == 1 else "have disks"
        said.append(f"{about.disks} of them {has} already and will be refused.")
    return " ".join(said)
