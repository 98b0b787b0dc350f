"""Pages of installers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from bootflow.models import Installer
from netboot_site.pages import page_of


def installer_list(request: HttpRequest) -> HttpResponse:
    """All installers."""
    return render(request, "catalogue/installers.html", {"page": page_of(request, Installer.objects.all())})
