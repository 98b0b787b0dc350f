"""Every page that there is, found by the url patterns: a page that is new is walked over by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from bootflow.models import Boot, Installer
from devices.models import Device, DeviceState, Group
from images.lineage import kept_aside
from images.models import Job, Layer
from tests.browser.believable import mac_of

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_NOT_PAGES = ("api/", "admin/", "^boot/", "boot/", "logout/", "docs", "openapi", "health", "metrics")
FURTHER = [
    "/devices/bulk/?action=assign&all=1", "/admin/", "/admin/devices/device/", "/docs", "/no-such-page/",
]  # fmt: skip


def _patterns(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _patterns(one, route)
        elif isinstance(one, URLPattern) and not route.startswith(_NOT_PAGES):
            yield route


def addresses(values: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Address -> pattern, with what there is for each parameter, looked up by its first folder too."""
    found = {}
    for route in dict.fromkeys(_patterns(get_resolver())):
        names = _PARAMETER.findall(route)
        known = {
            name: values.get(f"{route.partition('/')[0]}/{name}", values.get(name, [])) for name in names
        }
        if all(known.values()):
            rest = {name: known[name][0] for name in names}
            for one in known[names[0]] if names else [""]:
                found[_filled(route, {**rest, **dict.fromkeys(names[:1], one)})] = route
    return found


def _filled(route: str, values: Mapping[str, object]) -> str:
    return "/" + _PARAMETER.sub(lambda match: str(values[match[1]]), route)


def of_the_lab() -> dict[str, Sequence[object]]:
    """What the believable lab has for each parameter; several where pages differ."""
    discovered = Device.objects.filter(state=DeviceState.DISCOVERED)[:1]
    devices = [*Device.objects.filter(name="signage-entrance"), *discovered]
    boots = [Boot.objects.filter(outcome="ok").first(), Boot.objects.exclude(reason="").first()]
    kept = Layer.objects.filter(kept_aside())[:1]
    return {
        "mac": [mac_of(2), *(device.mac for device in devices)],
        "image_id": ["debian-12-golden"], "node": ["local"], "channel": ["production"], "number": [3],
        "boot_id": [boot.pk for boot in boots if boot], "job_id": [job.pk for job in Job.objects.all()[:1]],
        "devices/number": [layer.number for layer in kept],
        "groups/number": [group.pk for group in Group.objects.all()[:1]],
        "name": ["rpi-6.6", "default"],
        "installers/name": [one.pk for one in Installer.objects.all()[:1]],
    }  # fmt: skip


def every_page(client: Client) -> list[str]:
    """The addresses of all pages that a signed-in person can open."""
    opened = []
    for path, route in addresses(of_the_lab()).items():
        answer = client.get(path)
        is_page = answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
        assert answer.status_code < 500, f"{path} answers {answer.status_code}"
        if is_page and b"<html" in answer.content and "/live/" not in route:
            opened.append(path)
    return opened
