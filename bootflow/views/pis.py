"""What only a Raspberry Pi's page has: its boot files, its serial, its config.txt, its bootloader."""

from __future__ import annotations

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from bootflow.forms import AdditionForm, ConfirmForm
from bootflow.pi_overview import Pi, pi_of
from bootflow.pi_tree_overview import tree_view
from bootflow.raspberry_pi.shown import tree_shown
from bootflow.raspberry_pi.updates import WARNING, cancel_bootloader_update, prepare_bootloader_update
from bootflow.services import add_to_config, set_serial
from bootflow.views.devices import detail_page, find_device, guarded
from devices.models import Device, DeviceState
from netboot_site.errors import OrchestratorError
from netboot_site.pages import (
    REFUSED,
    Question,
    ask,
    attempt,
    attempt_and_return,
    layout_of,
    posted,
    saved,
)
from netboot_site.roles import operator_required


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


@operator_required
def take_serial(request: HttpRequest, mac: str) -> HttpResponse:
    """Believe the serial that it was seen with."""
    pi = find_pi(mac)
    seen, device = pi.serial_seen, pi.device
    if not seen:
        raise Http404(f"{device} was seen with no other serial.")
    question = Question(
        f"Take the serial {seen}",
        f"{device} has the serial {device.serial or 'none'} here, and asked for its files as {seen}. "
        f"Take the new one if the board was exchanged, or the old one was a slip.",
        "Take it", back=_back(pi),
        lost=f"If another machine only pretends to be it, that one then gets the files of {device}, its "
        f"disk's password among them.",
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: set_serial(device=device, serial=seen),
        to=_back(pi)[0], done=f"The serial of {device} is {seen} now.",
    )  # fmt: skip


@operator_required
@require_POST
def add_line(request: HttpRequest, mac: str) -> HttpResponse:
    """One more line for its config.txt."""
    pi = _known_pi(mac)
    form = AdditionForm(request.POST)
    if form.is_valid() and attempt(form, guarded(request, pi.device, lambda: _add(pi, form)), field="value"):
        return saved(request, to=_back(pi)[0], done=f"{form.line()} is in its config.txt at its next boot.")
    return detail_page(request, pi.device, tab="preview", status=REFUSED, addition_form=form)


@operator_required
@require_POST
def remove_line(request: HttpRequest, mac: str) -> HttpResponse:
    """Take a line of ours out of its config.txt."""
    pi, line = _known_pi(mac), request.POST.get("line", "")
    rest = [one for one in pi.additions if f"{one['name']}={one['value']}" != line]
    return attempt_and_return(
        request, lambda: _change(pi, rest), to=_back(pi)[0], done=f"{line} is taken out of its config.txt."
    )


def _add(pi: Pi, form: AdditionForm) -> None:
    _change(pi, [*pi.additions, form.addition()])


def _change(pi: Pi, additions: list[dict[str, str]]) -> None:
    add_to_config(device=pi.device, additions=additions)


@operator_required
def update_bootloader(request: HttpRequest, mac: str) -> HttpResponse:
    """Let its next boot rewrite its bootloader."""
    pi = _known_pi(mac)
    form = ConfirmForm(posted(request))
    question = Question(
        f"Update the bootloader of {pi.device}",
        _what_rewrites(pi.device),
        "Rewrite it at the next boot", "bolt", lost=WARNING, back=_back(pi),
    )  # fmt: skip
    return ask(
        request, question, form, lambda: prepare_bootloader_update(device=pi.device),
        to=_back(pi)[0], done=f"The next boot of {pi.device} rewrites its bootloader.",
    )  # fmt: skip


def _what_rewrites(device: Device) -> str:
    try:
        files = sorted(tree_shown(device).update)
    except OrchestratorError as error:
        return str(error)
    if not files:
        return f"What {device} boots has no file for it: put pieeprom.upd or recovery.bin into its set first."
    return f"What {device} boots has {', '.join(files)} for it."


@operator_required
@require_POST
def keep_bootloader(request: HttpRequest, mac: str) -> HttpResponse:
    """Take those files back."""
    pi = _known_pi(mac)
    return attempt_and_return(
        request, lambda: cancel_bootloader_update(device=pi.device), to=_back(pi)[0],
        done=f"{pi.device} keeps its bootloader.",
    )  # fmt: skip


def _known_pi(mac: str) -> Pi:
    pi = find_pi(mac)
    if pi.device.state == DeviceState.DISCOVERED:
        raise Http404(f"{pi.device} is not approved yet.")
    return pi


def _back(pi: Pi) -> tuple[str, str]:
    return f"/devices/{pi.device.mac}/preview/", str(pi.device)
