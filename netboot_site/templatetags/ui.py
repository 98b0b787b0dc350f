"""Small parts of every page: icons, states, sizes, times, form fields."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, Select, Textarea
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


class Spanned(Protocol):
    """Something that began and ended."""

    started_at: datetime
    finished_at: datetime


UNKNOWN = "\N{EN DASH}"
SPRITE = "vendor/tabler-icons/icons.svg"
# One colour for each word that a row can be in; the words are the rows' own.
COLOURS = {
    "enrolled": "green", "disabled": "secondary", "discovered": "yellow",
    "ready": "green", "creating": "azure", "importing": "azure", "deleting": "orange", "failed": "red",
    "pending": "azure", "waiting": "orange", "paused": "red", "incomplete": "red", "conflict": "orange",
    "new": "green", "changed": "azure", "same": "secondary", "refused": "red",
    "running": "azure", "done": "green", "cancelled": "secondary",
    "": "blue", "ok": "green", "local": "cyan", "menu": "purple",
    "good": "green", "warning": "orange", "bad": "red",
    "active": "blue", "up": "green", "troubled": "orange", "down": "red", "unknown": "secondary",
}  # fmt: skip
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """One of the icons of the sprite, as decoration."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        classes, static(SPRITE), name,
    )  # fmt: skip


@register.simple_tag
def state(value: str, label: str) -> SafeString:
    """A state as a coloured dot and its word."""
    return format_html(
        '<span class="status status-{}"><span class="status-dot"></span>{}</span>',
        COLOURS.get(value, "secondary"), label,
    )  # fmt: skip


@register.filter
def size(count: int | None) -> str:
    """Bytes as a person reads them: `20 GiB`, `1.5 TiB`."""
    if count is None:
        return UNKNOWN
    value, step = float(count), 0
    while value >= 1024 and step < len(_UNITS) - 1:
        value, step = value / 1024, step + 1
    digits = 0 if value >= 100 or value == int(value) else 1
    return f"{value:.{digits}f} {_UNITS[step]}"


@register.filter
def percent(share: float | None) -> float:
    """A share from 0 to 1 in percent, for a drawing."""
    return round(100 * (share or 0.0), 1)


@register.simple_tag
def share(part: int | None, whole: int | None) -> float:
    """A part of a whole in percent, for a drawing."""
    return round(min(100.0, 100 * (part or 0) / whole), 2) if whole else 0.0


@register.simple_tag
def rest(*percents: float) -> float:
    """What other shares leave of a hundred percent."""
    return round(max(0.0, 100.0 - sum(percents)), 2)


@register.filter
def seconds(count: float | None) -> str:
    """A span of time as a person reads it: `0.8 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    if count is None:
        return UNKNOWN
    if count < 10:
        return f"{count:.1f} s"
    whole = round(count)
    for unit, name, smaller, smaller_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"


@register.filter
def brief(count: float | None) -> str:
    """A span of time that may be a matter of milliseconds: `4 ms`, `1.3 s`."""
    if count is None or count >= 1:
        return seconds(count)
    return f"{max(1, round(1000 * count))} ms"


@register.filter
def pool_words(pool: str) -> str:
    """`10.66.0.100,10.66.0.199` as a person reads it."""
    return pool.replace(",", " to ")


@register.filter
def is_below(path: str, section: str) -> bool:
    """Whether a page belongs to a section of the navigation; the dashboard has its own page alone."""
    return path == section or (section != "/" and path.startswith(section))


@register.filter
def first_name(names: str) -> str:
    """Of `a or b or c`, each of which will do, the first."""
    return names.partition(" or ")[0]


@register.simple_tag
def moment(at: datetime | None) -> SafeString:
    """A time in UTC; our script shows beside it how long ago that was."""
    if at is None:
        return format_html('<span class="text-secondary">{}</span>', "never")
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC" data-relative>{}</time>',
        utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M:%S"), utc.strftime("%Y-%m-%d %H:%M"),
    )  # fmt: skip


@register.simple_tag
def ticking(since: datetime) -> SafeString:
    """Seconds since a moment, counted on by our script."""
    return format_html('<span class="tabular" data-since="{}">…</span>', since.isoformat())


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, label: str = "") -> dict[str, object]:
    """A form's field with its label, help and errors."""
    classes = _classes_of(bound)
    if bound.errors:
        classes += " is-invalid"
    widget = bound.as_widget(attrs={**bound.field.widget.attrs, "class": classes})
    return {
        "field": bound, "widget": widget, "label": label or bound.label,
        "is_checkbox": isinstance(bound.field.widget, CheckboxInput),
        "is_select": isinstance(bound.field.widget, Select),
    }  # fmt: skip


def _classes_of(bound: BoundField) -> str:
    widget = bound.field.widget
    if isinstance(widget, CheckboxInput | CheckboxSelectMultiple):
        return "form-check-input"
    if isinstance(widget, Select):
        return "form-select"
    return "form-control font-monospace" if isinstance(widget, Textarea) else "form-control"


@register.simple_tag
def took(boot: Spanned) -> str:
    """How long something with a start and an end lasted."""
    return seconds((boot.finished_at - boot.started_at).total_seconds())


@register.simple_tag
def after(at: datetime, start: datetime) -> str:
    """How long after a start something happened."""
    return seconds(max(0.0, (at - start).total_seconds()))
