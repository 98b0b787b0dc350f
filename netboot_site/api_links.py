"""Which REST calls do what a page does: each page's foot links to them (a test holds the list complete)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from netboot_site.api import api

_DEVICE = "/api/v1/devices/{mac}"
_IMAGE = "/api/v1/images/{image_id}"
_SET = "/api/v1/kernel-sets/{name}"
_INSTALLER = "/api/v1/os-installers/{name}"
_VERSION = f"{_IMAGE}/versions/{{number}}"
# By the name of a page's address. A `-live` part is its page's.
CALLS: dict[str, tuple[str, ...]] = {
    "dashboard": (
        "GET /api/v1/dashboard", "GET /health", "GET /api/v1/devices", "GET /api/v1/boots",
        "GET /api/v1/storage", "GET /api/v1/unknown-devices",
    ),
    "network": ("GET /api/v1/network", "PUT /api/v1/network"),
    "network-look": ("POST /api/v1/network/look", "GET /api/v1/network/look"),
    "doctor": ("GET /api/v1/doctor",),
    "doctor-run": ("GET /api/v1/doctor", "POST /api/v1/network/look"),
    "device-list": (
        "GET /api/v1/devices", "POST /api/v1/devices/bulk", "GET /api/v1/devices/export",
    ),
    "list-new": ("POST /api/v1/devices/import",),
    "list-import": ("POST /api/v1/devices/import",),
    "list-export": ("GET /api/v1/devices/export",),
    "device-bulk": ("POST /api/v1/devices/bulk",),
    "bulk-result": ("GET /api/v1/devices/bulk/{number}",),
    "bulk-stop": ("DELETE /api/v1/devices/bulk/{number}",),
    "device-new": ("POST /api/v1/devices",),
    "device-detail": (f"GET {_DEVICE}", f"GET {_DEVICE}/boots", f"GET {_DEVICE}/disk"),
    "device-approve": ("POST /api/v1/unknown-devices/{mac}/approve",),
    "device-wizard": (
        "GET /api/v1/unknown-devices", "POST /api/v1/unknown-devices/approve", "POST /api/v1/groups",
    ),
    "device-ignored": ("GET /api/v1/unknown-devices",),
    "device-ignore": ("PUT /api/v1/unknown-devices/{mac}/ignored",),
    "device-heed": ("DELETE /api/v1/unknown-devices/{mac}/ignored",),
    "device-forget": ("DELETE /api/v1/unknown-devices/{mac}",),
    "device-boots": (f"GET {_DEVICE}/boots",),
    "device-disk": (f"GET {_DEVICE}/disk",),
    "device-identity": (f"GET {_DEVICE}", f"PATCH {_DEVICE}"),
    "device-power": (f"POST {_DEVICE}/wake",),
    "device-preview": (f"GET {_DEVICE}/preview",),
    "device-history": (f"GET {_DEVICE}/history",),
    "device-wake": (f"POST {_DEVICE}/wake",),
    "device-edit": (f"PATCH {_DEVICE}",),
    "device-enable": (f"PATCH {_DEVICE}",),
    "device-boot-once": (f"PUT {_DEVICE}/boot-once",),
    "device-assign": (f"PUT {_IMAGE}/assign",),
    "device-unassign": (f"PUT {_IMAGE}/unassign",),
    "device-delete": (f"DELETE {_DEVICE}",),
    "disk-reset": (f"POST {_DEVICE}/disk/reset",),
    "disk-merge": (f"POST {_DEVICE}/disk/merge",),
    "disk-change": (f"PUT {_IMAGE}/assign",),
    "kept-restore": (f"POST {_DEVICE}/disk/kept/{{number}}/restore",),
    "kept-discard": (f"DELETE {_DEVICE}/disk/kept/{{number}}",),
    "device-boot-files": (f"GET {_DEVICE}/pi-tree",),
    "device-serial": (f"PATCH {_DEVICE}",),
    "device-config-add": (f"PATCH {_DEVICE}",),
    "device-config-remove": (f"PATCH {_DEVICE}",),
    "device-bootloader": (f"PUT {_DEVICE}/bootloader-update",),
    "device-bootloader-keep": (f"DELETE {_DEVICE}/bootloader-update",),
    "group-list": ("GET /api/v1/groups",),
    "group-new": ("POST /api/v1/groups",),
    "group-edit": ("PATCH /api/v1/groups/{group}",),
    "group-delete": ("DELETE /api/v1/groups/{group}",),
    "group-channel": ("PATCH /api/v1/groups/{group}",),
    "boot-list": ("GET /api/v1/boots", "GET /api/v1/boots/reasons"),
    "boot-detail": ("GET /api/v1/boots/{boot_id}", "GET /api/v1/boots/{boot_id}/bundle"),
    "boot-bundle": ("GET /api/v1/boots/{boot_id}/bundle",),
    "kernel-set-new": ("POST /api/v1/kernel-sets",),
    "kernel-set-detail": (f"GET {_SET}", f"GET {_SET}/files", f"GET {_SET}/history"),
    "kernel-set-edit": (f"PUT {_SET}",),
    "kernel-set-default": (f"PUT {_SET}",),
    "kernel-set-upload": (f"PUT {_SET}/files/{{path}}",),
    "kernel-set-remove": (f"DELETE {_SET}/files/{{path}}",),
    "kernel-set-delete": (f"DELETE {_SET}",),
    "kernel-set-list": ("GET /api/v1/kernel-sets", "GET /api/v1/pi-mac-prefixes"),
    "pi-prefix-list": ("GET /api/v1/pi-mac-prefixes", "POST /api/v1/pi-mac-prefixes"),
    "pi-prefix-remove": ("DELETE /api/v1/pi-mac-prefixes/{prefix}",),
    "installer-list": ("GET /api/v1/os-installers",),
    "installer-new": ("POST /api/v1/os-installers",),
    "installer-detail": (f"GET {_INSTALLER}", f"GET {_INSTALLER}/history", f"PUT {_INSTALLER}"),
    "installer-edit": (f"PUT {_INSTALLER}",),
    "installer-delete": (f"DELETE {_INSTALLER}",),
    "storage": ("GET /api/v1/storage", "GET /api/v1/jobs"),
    "storage-remove": ("DELETE /api/v1/storage/{node}",),
    "job-list": ("GET /api/v1/jobs", "GET /api/v1/jobs/{job_id}"),
    "disk-list": ("GET /api/v1/disks", f"POST {_DEVICE}/disk/reset", f"POST {_DEVICE}/disk/merge"),
    "storage-orphans": ("POST /api/v1/storage/{node}/orphans/remove",),
    "job-cancel": ("DELETE /api/v1/jobs/{job_id}",),
    "image-list": ("GET /api/v1/images",),
    "image-new": ("POST /api/v1/images", f"PUT {_IMAGE}/content", f"POST {_IMAGE}/import"),
    "image-detail": (
        f"GET {_IMAGE}", f"GET {_IMAGE}/versions", f"GET {_IMAGE}/content", f"PUT {_IMAGE}/content",
        f"GET {_IMAGE}/history",
    ),
    "image-import": (f"POST {_IMAGE}/import", "GET /api/v1/import-files"),
    "image-assign": (f"PUT {_IMAGE}/assign",),
    "image-unassign": (f"PUT {_IMAGE}/unassign",),
    "image-resize": (f"POST {_IMAGE}/resize",),
    "image-delete": (f"DELETE {_IMAGE}",),
    "image-publish": (f"POST {_IMAGE}/versions",),
    "image-clone": (f"POST {_IMAGE}/clone",),
    "channel-close": (f"DELETE {_IMAGE}/channels/{{channel}}",),
    "version-detail": (f"GET {_IMAGE}/versions", f"GET {_IMAGE}/content"),
    "version-promote": (f"PUT {_IMAGE}/channels/{{channel}}",),
    "version-roll-back": (f"POST {_IMAGE}/rollback",),
    "version-verify": (f"POST {_VERSION}/verify",),
    "version-squash": (f"POST {_VERSION}/squash",),
    "version-delete": (f"DELETE {_VERSION}",),
}  # fmt: skip
PAGES_ALONE = {"login", "logout"}  # signing in is the browser's; the API has tokens


@dataclass(frozen=True, slots=True)
class Call:
    """A REST call, and where it is described."""

    words: str
    url: str


@functools.cache
def described_at() -> dict[str, str]:
    """Each call's place in the interactive documentation."""
    paths: dict[str, dict[str, dict[str, Any]]] = api.get_openapi_schema()["paths"]
    return {
        f"{method.upper()} {path}": f"/docs#/{re.sub(' ', '%20', told['tags'][0])}/{told['operationId']}"
        for path, methods in paths.items()
        for method, told in methods.items()
    }


def calls_of(view_name: str) -> list[Call]:
    """The REST calls of a page, by the name of its address."""
    return [Call(words, described_at()[words]) for words in CALLS.get(view_name, ())]


def calls_of_page(request: HttpRequest) -> dict[str, object]:
    """For templates: the calls of the page that is shown, looked up when it prints them."""
    match = request.resolver_match
    return {"api_calls": SimpleLazyObject(lambda: calls_of(match.url_name or "") if match else [])}
