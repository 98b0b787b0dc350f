"""All that is known of one boot, to be sent with a report: as JSON, and as a text that a person reads.

It holds no secret and no path of this server: what decided is kept without any, passwords are told as MASK,
and whatever text comes from elsewhere is searched for both once more.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.utils import timezone

from bootflow.adapters import CONFIG_NAME
from bootflow.boot_schemas import boot_detail_out
from bootflow.boot_story import BootStory
from bootflow.checkin import Secret, boot_base
from bootflow.decision import Situation, decide
from bootflow.ipxe import Server, render
from bootflow.log_lines import Span, of_boot_files, of_dnsmasq
from bootflow.models import BootEvent
from bootflow.raspberry_pi import asking as pi
from bootflow.raspberry_pi.shown import tree_shown
from devices.models import Device, DeviceType
from images.models import Export
from netboot_site.errors import OrchestratorError
from netboot_site.formats import mac_hex

MASK = "********"
_ASKED = ("script", "check-in")
_BEFORE, _AFTER = timedelta(seconds=5), timedelta(seconds=60)
_STARTED = re.compile(r"started, version (\S+)")
# Lines of dnsmasq's configuration that tell where this server keeps its files.
_OF_THE_SERVER = ("pid-file=", "dhcp-leasefile=", "dhcp-hostsdir=", "tftp-root=")


def bundle_of(story: BootStory) -> dict[str, Any]:
    """Everything, as JSON takes it."""
    boot = boot_detail_out(story).model_dump(mode="json")
    events = boot.pop("events")
    found = {
        "made_at": timezone.now().isoformat(timespec="seconds"),
        "versions": _versions(),
        "boot": boot,
        "device": _device(story.device),
        "events": events,
        "decision": _decision(story),
        "configuration": _configuration(story),
        "log": _log(story),
    }
    cleaned: dict[str, Any] = json.loads(_clean(json.dumps(found), _secrets(story.device)))
    return cleaned


def text_of(bundle: dict[str, Any]) -> str:
    """The same for a person."""
    parts = [f"Boot {bundle['boot']['id']} of {bundle['boot']['mac']}, told {bundle['made_at']}"]
    for title in ("versions", "boot", "device"):
        parts += ["", f"== {title.capitalize()} ==", *_pairs(bundle[title] or {})]
    parts += ["", "== Events ==", *(_event(event) for event in bundle["events"])]
    for title in ("decision", "configuration", "log"):
        for name, told in (bundle[title] or {}).items():
            parts += ["", f"== {title.capitalize()}: {name} ==", *_told(told)]
    return "\n".join(_plain(line) for part in parts for line in part.split("\n")) + "\n"


def file_name(story: BootStory, ending: str) -> str:
    """`boot-42-lab1-03-20260214-0800.json`: of whatever name a device has, what every file system takes."""
    name = story.device.name if story.device else ""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60] or mac_hex(story.boot.mac)
    return f"boot-{story.boot.pk}-{plain}-{story.boot.started_at:%Y%m%d-%H%M}.{ending}"


def _device(device: Device | None) -> dict[str, Any] | None:
    if device is None:
        return None
    fields = ("mac", "name", "serial", "device_type", "architecture", "firmware", "state", "facts")
    export = Export.objects.filter(device=device).first()
    return {
        **{field: getattr(device, field) for field in fields},
        "image": export.image_id if export else None,
        "mode": export.mode if export else None,
    }


def _decision(story: BootStory) -> dict[str, Any] | None:
    """What it was last told, made again from what decided it, as the boot endpoints make it."""
    asked = next((e for e in reversed(story.events) if e.kind in _ASKED and "plan" in e.facts), None)
    if asked is None:
        return None
    situation = Situation.from_facts(story.boot.mac, asked.facts["plan"])
    return {
        "asked": asked.at.isoformat(), "told": asked.detail, "situation": asked.facts["plan"],
        "script": _script(asked, situation),
    }  # fmt: skip


def _script(asked: BootEvent, situation: Situation) -> str:
    decision = decide(situation)
    system = asked.facts.get("system")
    if system in list(pi.System):
        return pi.render(situation, decision, pi.System(system))
    server = Server(boot_base(), situation.mac, int(asked.facts.get("retry") or 0))
    return render(server, situation, decision, Secret(MASK, MASK))


def _configuration(story: BootStory) -> dict[str, Any]:
    """What dnsmasq serves with now, and a Raspberry Pi's own files."""
    lines = _read(Path(settings.DNSMASQ_PATH) / CONFIG_NAME).splitlines()
    found: dict[str, Any] = {"dnsmasq": [line for line in lines if not line.startswith(_OF_THE_SERVER)]}
    device = story.device
    if device is not None and device.device_type == DeviceType.RASPI:
        try:
            shown = tree_shown(device)
            found |= {"config.txt": shown.config, "cmdline.txt": shown.cmdline}
        except OrchestratorError as error:
            found["config.txt"] = str(error)
    return found


def _log(story: BootStory) -> dict[str, list[str]]:
    boot, logs = story.boot, Path(settings.LOGS_PATH)
    last = max(filter(None, (boot.finished_at, boot.last_event_at, boot.started_at)))
    span = Span.between(boot.started_at - _BEFORE, last + _AFTER)
    addresses = {str(event.facts.get("address") or "") for event in story.events}
    return {
        "dnsmasq": of_dnsmasq(logs / "dnsmasq.log", span, boot.mac, addresses),
        "boot files": of_boot_files(logs / "boot-files.log", span, addresses),
    }


def _versions() -> dict[str, str]:
    heads = (_read(Path(settings.LOGS_PATH) / name, 4096) for name in ("dnsmasq.log", "dnsmasq.log.1"))
    dnsmasq = next((found[1] for head in heads if (found := _STARTED.search(head))), "not known")
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (postgres,) = cursor.fetchone()
    return {
        "Netboot Orchestrator": settings.VERSION, "Python": platform.python_version(),
        "Django": django.get_version(), "PostgreSQL": str(postgres), "dnsmasq": dnsmasq,
        "system": platform.platform(),
    }  # fmt: skip


def _read(path: Path, limit: int = 256 * 1024) -> str:
    try:
        with path.open(errors="replace") as file:
            return file.read(limit)
    except OSError:
        return ""


def _secrets(device: Device | None) -> Iterable[str]:
    if device is None:
        return []
    return Export.objects.filter(device=device).values_list("chap_secret", flat=True)


def _clean(text: str, secrets: Iterable[str]) -> str:
    """Without this server's paths, the longest first, and without a secret, wherever it came from."""
    paths = {
        str(path) for name in dir(settings) if name.endswith("_PATH") and (path := getattr(settings, name))
    }
    for path in sorted(paths, key=len, reverse=True):
        text = text.replace(json.dumps(path)[1:-1], "(server)") if len(path) > 1 else text
    for secret in filter(None, secrets):
        text = text.replace(json.dumps(secret)[1:-1], MASK)
    return text


def _pairs(told: dict[str, Any]) -> list[str]:
    return [f"{name}: {_one(value)}" for name, value in told.items() if value not in (None, "", [], {})]


def _told(told: Any) -> list[str]:
    if isinstance(told, dict):
        return [json.dumps(told, indent=2, ensure_ascii=False)]
    return [str(line) for line in told] or ["(nothing)"] if isinstance(told, list) else [str(told)]


def _one(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _event(event: dict[str, Any]) -> str:
    facts = {name: value for name, value in event["facts"].items() if name != "plan"}
    told = f"{event['elapsed_seconds']:>10.3f} s  {event['stage']:<9} {event['kind']:<16} {event['detail']}"
    return f"{told}  {json.dumps(facts, ensure_ascii=False)}" if facts else told


def _plain(line: str) -> str:
    """Text from outside moves no cursor and turns no direction."""
    return "".join(sign if sign.isprintable() else "?" for sign in line.replace("\t", "    "))


def answer(story: BootStory, kind: str) -> HttpResponse:
    """The bundle as a file to keep: `json`, or `text`."""
    bundle = bundle_of(story)
    if kind == "text":
        body, content_type, ending = text_of(bundle), "text/plain; charset=utf-8", "txt"
    else:
        body, content_type, ending = json.dumps(bundle, indent=2), "application/json", "json"
    response = HttpResponse(body, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{file_name(story, ending)}"'
    response["Cache-Control"] = "no-store"
    return response
