"""Pages of images: the list, one image, and what an operator does to it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from images.models import ImageState
from images.overview import search_images
from netboot_site.pages import page_of

STATES = [("", "All states"), *ImageState.choices]


def image_list(request: HttpRequest) -> HttpResponse:
    """All images."""
    text, state = request.GET.get("q", "").strip(), request.GET.get("state", "")
    page = page_of(request, search_images(text=text, state=state))
    return render(request, "images/list.html", {"page": page, "q": text, "state": state, "states": STATES})
