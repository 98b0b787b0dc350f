"""What an operator does to devices. Each view takes a POST, calls one service, and goes back."""

from __future__ import annotations

from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from bootflow.forms import (
    ApproveForm,
    AssignForm,
    BootOnceForm,
    EditForm,
    GroupForm,
    NamedForm,
    RegisterForm,
    chosen_disk,
)
from bootflow.services import (
    approve_device,
    delete_profile,
    forget_discovered,
    register_profile,
    set_boot_once,
    update_profile,
)
from bootflow.views.devices import detail_page, find_device, guarded
from devices.models import Device, DeviceState, Group
from devices.services import create_group, follow_channel, wake_device
from netboot_site.pages import Question, ask, attempt, attempt_and_return, layout_of, posted, saved
from netboot_site.roles import operator_required

REFUSED = 422


@operator_required
def register(request: HttpRequest) -> HttpResponse:
    """A device that has not asked yet."""
    form = RegisterForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and attempt(form, lambda: _register(form)):
        return saved(
            request,
            to=f"/devices/{form.cleaned_data['mac']}/",
            done=f"{form.cleaned_data['name']} is registered.",
        )
    return _form_page(request, "devices/register.html", form, {})


def _register(form: RegisterForm) -> Device:
    fields = form.cleaned_data
    image_id, mode = chosen_disk(fields["image"])
    return register_profile(
        mac=fields["mac"], device_type=fields["device_type"], name=fields["name"],
        image_id=image_id, mode=mode, group=_group(form),
    )  # fmt: skip


@operator_required
def approve(request: HttpRequest, mac: str) -> HttpResponse:
    """An unknown device becomes one of ours, with a disk if one is chosen."""
    device = _discovered(mac)
    initial = {"device_type": device.device_type, "name": device.facts.get("product", "")}
    form = ApproveForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid() and attempt(form, lambda: _approve(device, form)):
        return saved(request, to="/", done=f"{form.cleaned_data['name']} is approved and boots now.")
    return _form_page(request, "devices/approve.html", form, {"device": device})


def _approve(device: Device, form: ApproveForm) -> Device:
    fields = form.cleaned_data
    image_id, mode = chosen_disk(fields["image"])
    return approve_device(
        mac=device.mac, name=fields["name"], device_type=fields["device_type"],
        image_id=image_id, mode=mode, group=_group(form),
    )  # fmt: skip


@operator_required
@require_POST
def forget(request: HttpRequest, mac: str) -> HttpResponse:
    """Drop an unknown device from the list."""
    device = _discovered(mac)
    return attempt_and_return(
        request, lambda: forget_discovered(mac=device.mac), to="/",
        done=f"{device.mac} is forgotten; it comes back when it asks again.",
    )  # fmt: skip


@operator_required
@require_POST
def edit(request: HttpRequest, mac: str) -> HttpResponse:
    """Name, type, group, kernel set."""
    device = _known(mac)
    form = EditForm(request.POST, device=device)
    if form.is_valid() and attempt(form, guarded(request, device, lambda: _edit(device, form))):
        return saved(request, to=f"/devices/{device.mac}/identity/", done="Saved.")
    return detail_page(request, find_device(mac), tab="identity", status=REFUSED, edit_form=form)


def _edit(device: Device, form: EditForm) -> Device:
    fields = form.cleaned_data
    return update_profile(
        device=device, name=fields["name"], device_type=fields["device_type"],
        kernel_set=fields["kernel_set"], group=_group(form), channel=fields["channel"],
        serial=fields.get("serial"),
    )  # fmt: skip


@operator_required
@require_POST
def enable(request: HttpRequest, mac: str) -> HttpResponse:
    """Switch it on (`enabled=1`) or off; a disk in use stays in use until the machine is restarted."""
    device, enabled = _known(mac), request.POST.get("enabled") == "1"
    now = "enabled" if enabled else "disabled: from its next boot on it starts its local disk"
    change = guarded(request, device, lambda: update_profile(device=device, enabled=enabled))
    return attempt_and_return(
        request, change, to=f"/devices/{device.mac}/",
        done=f"{device} is {now}.",
    )  # fmt: skip


@operator_required
@require_POST
def boot_once(request: HttpRequest, mac: str) -> HttpResponse:
    """What its next boot does instead of the plan."""
    device = _known(mac)
    form = BootOnceForm(
        request.POST, device_type=device.device_type, as_planned="What its disk and kernel set say."
    )
    change = guarded(request, device, lambda: _set_boot_once(device, form))
    if form.is_valid() and attempt(form, change, field="choice"):
        return saved(request, to=f"/devices/{device.mac}/", done="The next boot is set.")
    return detail_page(request, find_device(mac), status=REFUSED, once_form=form)


def _set_boot_once(device: Device, form: BootOnceForm) -> None:
    choice, installer = form.chosen()
    set_boot_once(device=device, boot_once=choice, installer=installer)


@operator_required
@require_POST
def assign(request: HttpRequest, mac: str) -> HttpResponse:
    """Give it a disk."""
    device = _known(mac)
    form = AssignForm(request.POST)
    if form.is_valid() and attempt(
        form, guarded(request, device, lambda: _assign(device, form)), field="image"
    ):
        return saved(request, to=f"/devices/{device.mac}/disk/", done="The disk is assigned.")
    return detail_page(request, find_device(mac), tab="disk", status=REFUSED, assign_form=form)


def _assign(device: Device, form: AssignForm) -> None:
    image_id, mode = chosen_disk(form.cleaned_data["image"])
    update_profile(device=device, image_id=image_id, mode=mode)


@operator_required
@require_POST
def unassign(request: HttpRequest, mac: str) -> HttpResponse:
    """Take its disk; refused while it is in use."""
    device = _known(mac)
    return attempt_and_return(
        request, guarded(request, device, lambda: update_profile(device=device, image_id=None)),
        to=f"/devices/{device.mac}/disk/",
        done=f"{device} has no disk any more; the image is kept.",
    )  # fmt: skip


@operator_required
@require_POST
def wake(request: HttpRequest, mac: str) -> HttpResponse:
    """Send it the packet that powers it on."""
    device = _known(mac)
    return attempt_and_return(
        request, lambda: wake_device(device=device), to=f"/devices/{device.mac}/power/",
        done=f"{device} is being woken.",
    )  # fmt: skip


@operator_required
@require_POST
def delete(request: HttpRequest, mac: str) -> HttpResponse:
    """Forget a registered device; refused while its disk is in use."""
    device = _known(mac)
    return attempt_and_return(
        request, guarded(request, device, lambda: delete_profile(device=device)), to="/devices/",
        refused=f"/devices/{device.mac}/identity/",
        done=f"{device} is deleted; its image is kept.",
    )  # fmt: skip


@operator_required
def group_channel(request: HttpRequest, number: int) -> HttpResponse:
    """Which versions the overlays of a group's devices take."""
    group = get_object_or_404(Group, pk=number)
    form = GroupForm(posted(request), initial={"channel": group.channel})
    back = (f"/devices/?q={quote(group.name)}", group.name)
    question = Question(
        f"Channel of {group.name}",
        "Devices of the group whose overlay and whose own settings name no channel boot this one next.",
        "Save", back=back,
    )  # fmt: skip
    return ask(
        request, question, form,
        lambda: follow_channel(follower=group, channel=form.cleaned_data["channel"]),
        to=back[0], done=f"{group.name} is set; its devices follow at their next boot.",
    )  # fmt: skip


def _discovered(mac: str) -> Device:
    device = find_device(mac)
    if device.state != DeviceState.DISCOVERED:
        raise Http404(f"{device} does not wait for approval.")
    return device


def _known(mac: str) -> Device:
    device = find_device(mac)
    if device.state == DeviceState.DISCOVERED:
        raise Http404(f"{device} is not approved yet.")
    return device


def _group(form: NamedForm) -> Group | None:
    name = form.cleaned_data["group"]
    if not name:
        return None
    return Group.objects.filter(name=name).first() or create_group(name=name)


def _form_page(
    request: HttpRequest, template: str, form: NamedForm, context: dict[str, object]
) -> HttpResponse:
    status = REFUSED if form.errors else 200
    return render(request, template, {**context, "form": form, "layout": layout_of(request)}, status=status)
