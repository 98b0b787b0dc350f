"""Pages of what devices can be given besides disks: kernel sets and installers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from bootflow.models import Installer, KernelSet
from netboot_site.pages import page_of


def kernel_set_list(request: HttpRequest) -> HttpResponse:
    """All kernel sets."""
    return render(request, "catalogue/kernel_sets.html", {"page": page_of(request, KernelSet.objects.all())})


def installer_list(request: HttpRequest) -> HttpResponse:
    """All installers."""
    return render(request, "catalogue/installers.html", {"page": page_of(request, Installer.objects.all())})
