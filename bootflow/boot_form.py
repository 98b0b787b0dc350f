"""The filter above the list of boots, as a form in the page's address."""

from __future__ import annotations

from django import forms

from bootflow.boot_search import RUNNING, BootFilter, since
from bootflow.causes import LABELS
from bootflow.models import Outcome, Stage

OUTCOMES = [("", "All outcomes"), (RUNNING, "In progress"), *Outcome.choices[1:]]
SPANS = [
    ("", "Any time"), ("hour", "Last hour"), ("day", "Last 24 hours"), ("week", "Last 7 days"),
    ("month", "Last 30 days"),
]  # fmt: skip


def _choice(label: str, choices: list[tuple[str, str]]) -> forms.ChoiceField:
    widget = forms.Select(attrs={"class": "form-select", "data-submits": True, "aria-label": label})
    told = {"invalid_choice": f"There is no such {label.lower()}; choose one of the list."}
    return forms.ChoiceField(label=label, choices=choices, required=False, widget=widget, error_messages=told)


class BootFilterForm(forms.Form):
    """Which boots are wanted."""

    q = forms.CharField(
        label="Device name or MAC address", required=False, max_length=200,
        widget=forms.TextInput(attrs={
            "type": "search", "class": "form-control", "dir": "auto",
            "placeholder": "Device name or MAC address", "aria-label": "Device name or MAC address",
        }),
    )  # fmt: skip
    outcome = _choice("Outcome", OUTCOMES)
    reason = _choice("Reason", [("", "All reasons"), *LABELS.items()])
    stage = _choice("Stage", [("", "All stages"), *Stage.choices])
    span = _choice("Time", SPANS)

    def chosen(self) -> BootFilter:
        """As the search takes it; what is wrong filters nothing, and is told beside its field."""
        self.is_valid()
        told = self.cleaned_data
        return BootFilter(
            text=told.get("q", ""), outcome=told.get("outcome", ""), reason=told.get("reason", ""),
            stage=told.get("stage", ""), since=since(told.get("span", "")),
        )  # fmt: skip
