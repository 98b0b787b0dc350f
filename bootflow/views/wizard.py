"""The wizard for new machines: choose them, say how they are called and what they boot, review, approve.

Each step is a plain form that carries what was said before, so that it works without our script, and back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from bootflow.enrolling import APPROVED, MACHINES_MAX, ORDERS, Plan, enroll, plan_of
from bootflow.forms import OVERLAY_PREFIX
from bootflow.newcomers import newcomers, overlay_is_possible
from bootflow.services import heed_device, ignore_device
from bootflow.views.devices import find_device
from bootflow.wizard_form import WizardForm
from devices.models import Device
from netboot_site.errors import ValidationError
from netboot_site.pages import (
    REFUSED,
    Question,
    ask,
    attempt_and_return,
    live_answer,
    live_fragment,
    page_of,
    posted,
)
from netboot_site.roles import operator_required

HOME = "/devices/wizard/"
FIELDS = ("name", "start", "order", "device_type", "group", "boots")


@operator_required
def wizard(request: HttpRequest) -> HttpResponse:
    """The step that was asked for; the first one fills by itself as machines are powered on."""
    step = request.POST.get("to", "machines")
    if step == "machines":
        return _machines(request)
    macs = list(dict.fromkeys(request.POST.getlist("mac")))
    devices = list(Device.objects.filter(mac__in=[mac for mac in macs if "\0" not in mac]).order_by("mac"))
    if not devices:
        return _machines(request, "Tick at least one machine.")
    if len(devices) > MACHINES_MAX:
        return _machines(request, f"Tick {MACHINES_MAX} machines at most; the others can follow.")
    return _settings(request, devices) if step == "settings" else _decided(request, devices, step)


@operator_required
def wizard_live(request: HttpRequest) -> HttpResponse:
    """The list of the first step; ticks stay, since a box that is there is kept as it is."""
    return live_answer(request, _list(request, []))


def _machines(request: HttpRequest, trouble: str = "") -> HttpResponse:
    sent = request.POST if request.method == "POST" else request.GET
    context = {
        "step": 1, "live": _list(request, sent.getlist("mac")), "trouble": trouble,
        "carried": [(name, sent[name]) for name in FIELDS if name in request.POST],
        "ignored_count": Device.objects.ignored().count(),
    }  # fmt: skip
    return render(request, "wizard/machines.html", context, status=REFUSED if trouble else 200)


def _list(request: HttpRequest, ticked: Sequence[str]) -> SafeString:
    context = {"found": newcomers(), "ticked": ticked}
    return live_fragment(request, "wizard/machines_live.html", context, url=f"{HOME}live/")


def _settings(request: HttpRequest, devices: list[Device], form: WizardForm | None = None) -> HttpResponse:
    """The second step; input that came along stands in it, and is judged when it goes on."""
    if form is None:
        initial: dict[str, Any] = {"order": "seen", "start": 1, "name": _suggestion(devices)}
        initial |= {name: request.POST[name] for name in FIELDS if name in request.POST}
        form = WizardForm(initial=initial, devices=devices)
    context = {"step": 2, "form": form, "devices": devices}
    return render(request, "wizard/settings.html", context, status=REFUSED if form.errors else 200)


def _suggestion(devices: list[Device]) -> str:
    return str(devices[0].facts.get("product") or "").replace("{", "(") if len(devices) == 1 else ""


def _decided(request: HttpRequest, devices: list[Device], step: str) -> HttpResponse:
    data = request.POST.copy()
    if step == "overlay":  # the review's offer, taken
        data["boots"] = f"{OVERLAY_PREFIX}{str(data['boots']).removeprefix(OVERLAY_PREFIX)}"
    form = WizardForm(data, devices=devices)
    if not form.is_valid():
        return _settings(request, devices, form)
    try:
        plan = plan_of(form.wish())
    except ValidationError as error:
        form.add_error("name", str(error))
        return _settings(request, devices, form)
    if step != "approve" or data.get("reviewed") != _digest(plan):
        return _review(request, plan, form, changed=step == "approve")
    fates = enroll(plan)
    done = [fate for fate in fates if fate.fate == APPROVED]
    refused = [fate for fate in fates if fate.fate != APPROVED]
    return render(request, "wizard/done.html", {"done": done, "refused": refused, "plan": plan})


def _review(request: HttpRequest, plan: Plan, form: WizardForm, *, changed: bool) -> HttpResponse:
    """The third step; also when what was reviewed would not be what happens."""
    several = plan.image is not None and plan.wish.mode == "exclusive" and len(plan.fates) > 1
    context = {
        "step": 3, "plan": plan, "form": form, "changed": changed, "reviewed": _digest(plan),
        "order": ORDERS[plan.wish.order], "exclusive_to_several": several,
        "offers_overlay": several and overlay_is_possible(plan.wish.image_id),
    }  # fmt: skip
    return render(request, "wizard/review.html", context, status=REFUSED if changed else 200)


def _digest(plan: Plan) -> str:
    told = repr([(fate.mac, fate.name, fate.device_type, fate.reason) for fate in plan.fates])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def ignored(request: HttpRequest) -> HttpResponse:
    """Machines that nobody is asked about."""
    rows = Device.objects.ignored().order_by("-ignored_at", "mac")
    return render(request, "wizard/ignored.html", {"page": page_of(request, rows)})


@operator_required
def ignore(request: HttpRequest, mac: str) -> HttpResponse:
    """Never ask about a machine again."""
    device = find_device(mac)
    question = Question(
        f"Ignore {device.code} for good",
        f"{device.mac} leaves every list. At each boot it goes on to its local disk at once, and its boots "
        f"are not watched. The list of ignored machines keeps it, and gives it back.",
        "Ignore", symbol="ban", back=(HOME, "New machines"),
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: ignore_device(mac=device.mac), to=HOME,
        done=f"{device.mac} is ignored from now on.",
    )  # fmt: skip


@operator_required
@require_POST
def heed(request: HttpRequest, mac: str) -> HttpResponse:
    """Take an ignored machine back."""
    device = find_device(mac)
    return attempt_and_return(
        request, lambda: heed_device(mac=device.mac), to="/devices/ignored/",
        done=f"{device.mac} waits for approval again, from its next boot on.",
    )  # fmt: skip
