"""What only a Raspberry Pi's page has: the files that its firmware fetches."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from bootflow.pi_overview import Pi, pi_of
from bootflow.pi_tree_overview import tree_view
from bootflow.views.devices import find_device
from netboot_site.pages import layout_of


def boot_files(request: HttpRequest, mac: str) -> HttpResponse:
    """Its config.txt and cmdline.txt as they are written for it, and all other files."""
    pi = find_pi(mac)
    context = {"device": pi.device, "pi": pi, "view": tree_view(pi.device), "layout": layout_of(request)}
    return render(request, "devices/boot_files.html", context)


def find_pi(mac: str) -> Pi:
    """404 for what is no Raspberry Pi."""
    device = find_device(mac)
    pi = pi_of(device)
    if pi is None:
        raise Http404(f"{device} is no Raspberry Pi.")
    return pi
