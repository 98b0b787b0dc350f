"""The page of MAC addresses that are taken for Raspberry Pis'."""

from __future__ import annotations

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from bootflow.catalogue_forms import PiPrefixForm
from bootflow.models import PiMacPrefix
from bootflow.raspberry_pi.identity import MAC_PREFIXES
from bootflow.raspberry_pi.prefixes import add_prefix, remove_prefix
from netboot_site.pages import REFUSED, Question, ask, attempt, page_of, posted, saved
from netboot_site.roles import may_write, operator_required, require_operator

PAGE = "/pi-mac-prefixes/"


def prefix_list(request: HttpRequest) -> HttpResponse:
    """Those that are built in, and those that people added; a POST adds one."""
    form = PiPrefixForm(posted(request))
    if request.method == "POST":
        require_operator(request)
        if form.is_valid() and attempt(form, lambda: form.add(add_prefix), field="beginning"):
            return saved(
                request, to=PAGE, done="Machines with such an address are Raspberry Pis from now on."
            )
    context = {
        "page": page_of(request, PiMacPrefix.objects.all()), "built_in": MAC_PREFIXES,
        "form": form if may_write(request.user) else None,
    }  # fmt: skip
    return render(request, "kernel_sets/prefixes.html", context, status=REFUSED if form.errors else 200)


@operator_required
def prefix_remove(request: HttpRequest, prefix: str) -> HttpResponse:
    """Take them for what their architecture says again."""
    row = get_object_or_404(PiMacPrefix, pk=prefix)
    question = Question(
        f"Remove {row.prefix}",
        "Machines with such an address are taken for what their architecture says again, at their next boot.",
        "Remove", "trash", back=(PAGE, "Raspberry Pis' addresses"),
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: remove_prefix(prefix=row.prefix), to=PAGE,
        done=f"{row.prefix} is removed.",
    )  # fmt: skip
