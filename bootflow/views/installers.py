"""Pages of installers: the list, and one with all that can be done to it."""

from __future__ import annotations

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST

from bootflow.catalogue import create_installer, delete_installer, update_installer
from bootflow.catalogue_forms import InstallerForm, NewInstallerForm
from bootflow.installer_overview import installers_shown
from bootflow.models import Installer
from netboot_site.history import last_changes
from netboot_site.pages import (
    REFUSED,
    Question,
    ask,
    asked,
    attempt,
    layout_of,
    page_of,
    posted,
    saved,
)
from netboot_site.roles import may_write, operator_required


def installer_list(request: HttpRequest) -> HttpResponse:
    """All installers, with the devices whose next boot starts one."""
    text = asked(request, "q")
    rows = Installer.objects.filter(name__icontains=text) if text else Installer.objects.all()
    page = page_of(request, rows)
    context = {"page": page, "rows": installers_shown(page), "q": text}
    return render(request, "installers/list.html", context)


def installer_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One installer: its files, who starts it next, what was changed."""
    return _page(request, _find(name))


@operator_required
def installer_new(request: HttpRequest) -> HttpResponse:
    """The form that makes one."""
    form = NewInstallerForm(posted(request))
    if request.method == "POST" and form.is_valid() and attempt(form, lambda: _create(form), field="name"):
        name = form.cleaned_data["name"]
        return saved(request, to=f"/installers/{name}/", done=f"{name} is in the boot menu now.")
    context = {"form": form, "layout": layout_of(request)}
    return render(request, "installers/new.html", context, status=REFUSED if form.errors else 200)


def _create(form: NewInstallerForm) -> Installer:
    return create_installer(name=form.cleaned_data["name"], files=form.as_files())


@operator_required
@require_POST
def installer_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Its files and its command line."""
    installer, form = _find(name), InstallerForm(request.POST)
    if form.is_valid() and attempt(
        form, lambda: update_installer(installer=installer, files=form.as_files())
    ):
        return saved(request, to=f"/installers/{name}/", done="Saved; it counts from the next boot on.")
    return _page(request, _find(name), status=REFUSED, form=form)


@operator_required
def installer_delete(request: HttpRequest, name: str) -> HttpResponse:
    """It goes from menus; refused while a device's next boot is to start it."""
    installer = _find(name)
    question = Question(
        f"Delete {name}", "It goes from the boot menus; its files stay where they are.", "Delete", "trash",
        back=(f"/installers/{name}/", name), lost="Its command line is forgotten.",
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: delete_installer(installer=installer),
        to="/installers/", done=f"{name} is deleted.",
    )  # fmt: skip


def _find(name: str) -> Installer:
    return get_object_or_404(Installer, pk=name.replace("\0", ""))


def _page(request: HttpRequest, installer: Installer, *, status: int = 200, **refused: Form) -> HttpResponse:
    """The page; a form that was refused stands there with its errors and the person's input."""
    (row,) = installers_shown([installer])
    context: dict[str, Any] = {"row": row, "changes": last_changes("installer", installer.pk)}
    if may_write(request.user):
        context |= {"form": InstallerForm.of(installer), **refused}
    return render(request, "installers/detail.html", context, status=status)
