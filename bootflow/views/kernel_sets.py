"""Pages of kernel sets: the list, and one set with its files and all that can be done to it."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from bootflow.catalogue import KernelSetFields, create_kernel_set, delete_kernel_set, update_kernel_set
from bootflow.forms import KernelSetForm, NewKernelSetForm, UploadForm
from bootflow.kernel_set_files import delete_file, receive_file
from bootflow.kernel_set_overview import devices_with, overviews_of
from bootflow.models import KernelSet
from netboot_site.history import last_changes
from netboot_site.pages import (
    REFUSED,
    Question,
    ask,
    attempt,
    attempt_and_return,
    layout_of,
    live_answer,
    live_fragment,
    page_of,
    posted,
    saved,
)
from netboot_site.roles import may_write, operator_required


def kernel_set_list(request: HttpRequest) -> HttpResponse:
    """All kernel sets, the default one first."""
    page = page_of(request, KernelSet.objects.select_related("image").order_by("-is_default", "name"))
    context = {"page": page, "rows": overviews_of(page)}
    return render(request, "kernel_sets/list.html", context)


def kernel_set_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One kernel set: its files, what they can boot, who has it."""
    return _page(request, _find(name))


def kernel_set_live(request: HttpRequest, name: str) -> HttpResponse:
    """The part of it that changes when files come."""
    return live_answer(request, _fragment(request, _find(name)))


@operator_required
def kernel_set_new(request: HttpRequest) -> HttpResponse:
    """A set without files."""
    form = NewKernelSetForm(posted(request))
    if request.method == "POST" and form.is_valid() and attempt(form, lambda: _create(form)):
        name = form.cleaned_data["name"]
        return saved(request, to=f"/kernel-sets/{name}/", done=f"{name} is there; it has no files yet.")
    context = {"form": form, "layout": layout_of(request)}
    return render(request, "kernel_sets/new.html", context, status=REFUSED if form.errors else 200)


def _create(form: NewKernelSetForm) -> KernelSet:
    fields = form.cleaned_data
    return create_kernel_set(
        name=fields["name"], cmdline=fields["cmdline"], kernel_url="", initramfs_url=None, is_default=False
    )


@operator_required
@require_POST
def kernel_set_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Its command line, and the addresses of a kernel elsewhere."""
    kernel_set, form = _find(name), KernelSetForm(request.POST)
    if form.is_valid() and attempt(form, lambda: _update(kernel_set, **_fields_of(form))):
        return saved(request, to=f"/kernel-sets/{name}/", done="Saved.")
    return _page(request, kernel_set, status=REFUSED, form=form)


def _fields_of(form: KernelSetForm) -> dict[str, Any]:
    fields = form.cleaned_data
    return {
        "cmdline": fields["cmdline"], "kernel_url": fields["kernel_url"],
        "initramfs_url": fields["initramfs_url"] or None,
    }  # fmt: skip


@operator_required
@require_POST
def kernel_set_default(request: HttpRequest, name: str) -> HttpResponse:
    """Devices that chose no set of their own have this one from now on."""
    kernel_set = _find(name)
    return attempt_and_return(
        request, lambda: _update(kernel_set, is_default=True), to=f"/kernel-sets/{name}/",
        done=f"{name} is the default kernel set now.",
    )  # fmt: skip


def _update(kernel_set: KernelSet, **changes: Any) -> KernelSet:
    """Change what is given and leave the rest."""
    fields: KernelSetFields = {
        "kernel_url": kernel_set.kernel_url, "initramfs_url": kernel_set.initramfs_url,
        "cmdline": kernel_set.cmdline, "is_default": kernel_set.is_default,
    }  # fmt: skip
    return update_kernel_set(kernel_set=kernel_set, **{**fields, **changes})


@operator_required
def kernel_set_delete(request: HttpRequest, name: str) -> HttpResponse:
    """It and its files go; refused for the default one and while a device has it."""
    kernel_set = _find(name)
    question = Question(
        f"Delete {name}", "Devices cannot choose it any more.", "Delete", "trash",
        lost="The files that were uploaded into it are gone, too.", back=(f"/kernel-sets/{name}/", name),
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: delete_kernel_set(kernel_set=kernel_set),
        to="/kernel-sets/", done=f"{name} is deleted.",
    )  # fmt: skip


@operator_required
@require_POST
def kernel_set_upload(request: HttpRequest, name: str) -> HttpResponse:
    """Files from a plain form; our script puts each by itself, and shows how far it is."""
    kernel_set = _own(name)
    form = UploadForm(request.POST)
    given = request.FILES.getlist("uploads")
    if form.is_valid() and not given:
        form.add_error("uploads", "Choose at least one file.")
    if form.is_valid() and attempt(form, lambda: _receive(kernel_set, form, given), field="uploads"):
        done = f"{len(given)} file{'s' if len(given) > 1 else ''} of {name} can be served now."
        return saved(request, to=f"/kernel-sets/{name}/", done=done)
    return _page(request, kernel_set, status=REFUSED, upload_form=form)


def _receive(kernel_set: KernelSet, form: UploadForm, given: list[UploadedFile[Any]]) -> None:
    for upload in given:
        receive_file(
            kernel_set=kernel_set, path=form.path_of(upload.name or ""), stream=upload,
            content_length=str(upload.size),
        )  # fmt: skip


@operator_required
@require_POST
def kernel_set_remove(request: HttpRequest, name: str) -> HttpResponse:
    """Take one file out of it."""
    kernel_set, path = _own(name), request.POST.get("path", "")
    return attempt_and_return(
        request, lambda: delete_file(kernel_set=kernel_set, path=path), to=f"/kernel-sets/{name}/",
        done=f"{path} is deleted from {name}.",
    )  # fmt: skip


def _find(name: str) -> KernelSet:
    return get_object_or_404(KernelSet.objects.select_related("image"), pk=name.replace("\0", ""))


def _own(name: str) -> KernelSet:
    """A set that people fill; an image's is what its boot partition holds."""
    kernel_set = _find(name)
    if kernel_set.is_of_image:
        raise Http404(f"{name} is the boot partition of an image.")
    return kernel_set


def _page(request: HttpRequest, kernel_set: KernelSet, *, status: int = 200, **refused: Form) -> HttpResponse:
    """The page; a form that was refused stands there with its errors and the person's input."""
    context: dict[str, Any] = {"set": kernel_set, "live": _fragment(request, kernel_set)}
    if may_write(request.user):
        context |= {"form": KernelSetForm.of(kernel_set), **refused}
    if may_write(request.user) and not kernel_set.is_of_image:
        context = {"upload_form": UploadForm(), **context}
    return render(request, "kernel_sets/detail.html", context, status=status)


def _fragment(request: HttpRequest, kernel_set: KernelSet) -> SafeString:
    devices, device_count = devices_with(kernel_set)
    (overview,) = overviews_of([kernel_set])
    context = {
        "set": kernel_set, "overview": overview, "devices": devices, "device_count": device_count,
        "may_write": may_write(request.user) and not kernel_set.is_of_image,
        "changes": last_changes("kernel set", kernel_set.pk),
    }  # fmt: skip
    url = f"/kernel-sets/{kernel_set.pk}/live/"
    return live_fragment(request, "kernel_sets/live.html", context, url=url)
