"""Pages of devices: the list, one device, and what an operator does to it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from bootflow.overview import search_devices
from devices.models import DeviceState
from netboot_site.pages import page_of

STATES = [("", "Enrolled and disabled"), *DeviceState.choices]


def device_list(request: HttpRequest) -> HttpResponse:
    """Registered devices; `?state=discovered` shows those that wait for approval."""
    text, state = request.GET.get("q", "").strip(), request.GET.get("state", "")
    page = page_of(request, search_devices(text=text, state=state))
    return render(request, "devices/list.html", {"page": page, "q": text, "state": state, "states": STATES})
