"""The page of all devices: filter, order, pages and columns, which keeps itself up to date."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.core.paginator import Page
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from bootflow.device_table import COLUMNS, USUAL, Column, rows_of
from bootflow.overview import NONE, SORTS, DeviceFilter, search_devices
from devices.models import Device, DeviceState, DeviceType, Group
from images.models import Image
from netboot_site.pages import asked, live_answer, live_fragment, page_of
from netboot_site.roles import may_write

CHOICES_OFFERED = 300
STATES = [
    ("", "All states"), ("enrolled", "Enrolled"), ("disabled", "Disabled"), ("active", "Active now"),
    ("booting", "Booting now"), ("in-use", "Disk in use"), ("failed", "Last boot failed"),
    (DeviceState.DISCOVERED, "Not approved"),
]  # fmt: skip
TYPES = [("", "All types"), *DeviceType.choices]
FIELDS = {"text": "q", "state": "state", "device_type": "type", "group": "group", "image": "image"}
_SESSION_KEY = "device_columns"


@dataclass(frozen=True, slots=True)
class Head:
    """A column's heading: where a click leads, and how it is sorted now."""

    column: Column
    url: str
    sorted: str  # ascending, descending or nothing


def device_list(request: HttpRequest) -> HttpResponse:
    """Registered devices; `?state=discovered` shows those that wait for approval."""
    if "columns" in request.GET:
        return _choose_columns(request)
    wanted = filter_of(request)
    page = _page(request, wanted)
    context = {
        "wanted": wanted, "live": _fragment(request, wanted, page), "is_filtered": _is_filtered(wanted),
        "states": STATES, "types": TYPES, "groups": _groups(wanted), "images": _images(wanted),
        "orders": _orders(wanted), "query": address_of(wanted).partition("?")[2], "hidden": hidden_of(wanted),
        "columns": [(column, column.key in _chosen(request)) for column in COLUMNS],
        "count": page.paginator.count, "may_tick": _may_tick(request, wanted),
    }  # fmt: skip
    return render(request, "devices/list.html", context)


def device_list_live(request: HttpRequest) -> HttpResponse:
    """The table alone."""
    wanted = filter_of(request)
    return live_answer(request, _fragment(request, wanted, _page(request, wanted)))


def filter_of(request: HttpRequest) -> DeviceFilter:
    """What a page's address asks for; what there is not is left out."""
    values = {field: asked(request, name) for field, name in FIELDS.items()}
    sort = asked(request, "sort")
    return DeviceFilter(**values, sort=sort if sort.removeprefix("-") in SORTS else "name")


def hidden_of(wanted: DeviceFilter) -> dict[str, str]:
    """A filter as the fields of an address, without what is empty."""
    values = {name: asdict(wanted)[field] for field, name in FIELDS.items()}
    if wanted.sort != "name":
        values["sort"] = wanted.sort
    return {name: value for name, value in values.items() if value}


def address_of(wanted: DeviceFilter, **more: Any) -> str:
    """The address of a list."""
    values = hidden_of(wanted) | more
    return f"/devices/?{urlencode(values)}" if values else "/devices/"


def _is_filtered(wanted: DeviceFilter) -> bool:
    return bool(set(hidden_of(wanted)) - {"sort"})


def _chosen(request: HttpRequest) -> list[str]:
    known = {column.key for column in COLUMNS}
    kept = request.session.get(_SESSION_KEY, USUAL)
    return [key for key in kept if key in known]


def _choose_columns(request: HttpRequest) -> HttpResponse:
    """Which columns are shown is kept with the person's session; the address goes on without them."""
    request.session[_SESSION_KEY] = [
        column.key for column in COLUMNS if column.key in request.GET.getlist("columns")
    ]
    return redirect(address_of(filter_of(request)))


def _page(request: HttpRequest, wanted: DeviceFilter) -> Page[Device]:
    found = search_devices(wanted).select_related("group", "export__image", "boot_plan")
    return page_of(request, found)


def _fragment(request: HttpRequest, wanted: DeviceFilter, page: Page[Device]) -> SafeString:
    shown = [column for column in COLUMNS if column.key in _chosen(request)]
    context = {
        "page": page, "rows": rows_of(list(page)), "keys": {column.key for column in shown},
        "heads": [_head(column, wanted) for column in shown],
        "name_head": _head(Column("name", "Device", "name"), wanted),
        "is_filtered": _is_filtered(wanted), "links": _links(wanted, page),
        "may_tick": _may_tick(request, wanted),
    }  # fmt: skip
    query = urlencode(hidden_of(wanted) | ({"page": page.number} if page.number > 1 else {}))
    return live_fragment(request, "devices/table.html", context, url=f"/devices/live/?{query}".rstrip("?"))


def _may_tick(request: HttpRequest, wanted: DeviceFilter) -> bool:
    """Those that nobody has approved are approved, and not changed."""
    return may_write(request.user) and wanted.state != DeviceState.DISCOVERED


def _head(column: Column, wanted: DeviceFilter) -> Head:
    is_up, is_down = wanted.sort == column.sort, wanted.sort == f"-{column.sort}"
    turned = DeviceFilter(**asdict(wanted) | {"sort": f"-{column.sort}" if is_up else column.sort})
    return Head(column, address_of(turned), "ascending" if is_up else "descending" if is_down else "")


def _links(wanted: DeviceFilter, page: Page[Device]) -> list[tuple[object, str]]:
    """Page numbers and their addresses; gaps have none."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    return [(n, address_of(wanted, page=n) if isinstance(n, int) else "") for n in numbers]


def _orders(wanted: DeviceFilter) -> list[tuple[str, str]]:
    """For a phone, which shows no headings."""
    names = [("name", "Name"), *((column.sort, column.label) for column in COLUMNS)]
    return [pair for key, label in names for pair in ((key, label), (f"-{key}", f"{label}, downwards"))]


def _groups(wanted: DeviceFilter) -> list[tuple[str, str]]:
    names = list(Group.objects.values_list("name", flat=True)[:CHOICES_OFFERED])
    if wanted.group and wanted.group != NONE and wanted.group not in names:
        names.append(wanted.group)
    return [("", "All groups"), (NONE, "In no group"), *((name, name) for name in names)]


def _images(wanted: DeviceFilter) -> list[tuple[str, str]]:
    images = list(Image.objects.values_list("id", "name")[:CHOICES_OFFERED])
    if wanted.image and wanted.image != NONE and wanted.image not in dict(images):
        images.append((wanted.image, wanted.image))
    return [("", "All disks"), (NONE, "Without a disk"), *images]
