"""Every page that there is, found by the url patterns: a page that is new is walked over by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from bootflow.models import Boot, Installer
from devices.models import Device, DeviceState, Group
from images.models import Job
from tests.browser.believable import mac_of

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_NOT_PAGES = ("api/", "admin/", "^boot/", "logout/", "docs", "openapi", "health", "metrics")
FURTHER = ["/admin/", "/admin/devices/device/", "/docs", "/no-such-page/"]


def _patterns(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _patterns(one, route)
        elif isinstance(one, URLPattern) and not route.startswith(_NOT_PAGES) and "/live/" not in route:
            yield route


def _addresses(route: str) -> list[str]:
    """A pattern with what the believable lab has for each of its parameters; several where pages differ."""
    if "<" not in route:
        return [f"/{route}"]
    discovered = Device.objects.filter(state=DeviceState.DISCOVERED)
    macs = [mac_of(2), Device.objects.get(name="signage-entrance").mac, discovered.first().mac]  # type: ignore[union-attr]
    boots = [Boot.objects.filter(outcome="ok").first(), Boot.objects.exclude(reason="").first()]
    values = {
        "mac": macs, "image_id": ["debian-12-golden"], "node": ["local"], "channel": ["production"],
        "boot_id": [boot.pk for boot in boots if boot], "job_id": [job.pk for job in Job.objects.all()[:1]],
        "number": [Group.objects.all()[0].pk] if route.startswith("groups") else [3],
        "name": [Installer.objects.all()[0].pk] if route.startswith("installers") else ["rpi-6.6", "default"],
    }  # fmt: skip
    first, *others = _PARAMETER.findall(route)
    rest = {name: values.get(name, [1])[0] for name in others}
    return [_filled(route, {**rest, first: one}) for one in values.get(first, [Group.objects.all()[0].pk])]


def _filled(route: str, values: dict[str, object]) -> str:
    return "/" + _PARAMETER.sub(lambda match: str(values[match[1]]), route)


def every_page(client: Client) -> list[str]:
    """The addresses of all pages that a signed-in person can open."""
    wanted = [path for route in dict.fromkeys(_patterns(get_resolver())) for path in _addresses(route)]
    opened = []
    for path in wanted:
        answer = client.get(path)
        is_page = answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
        assert answer.status_code < 500, f"{path} answers {answer.status_code}"
        if is_page and b"<html" in answer.content:
            opened.append(path)
    return opened
