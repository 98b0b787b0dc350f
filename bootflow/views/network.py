"""The page of the boot network: which interface, which mode, and who else answers on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from bootflow.convergence import local_host
from bootflow.models import NetworkChoice
from bootflow.network import chosen, look_of, served, suggested_pool
from bootflow.network_forms import NetworkForm
from bootflow.network_services import choose_network, interruption_of, request_look
from bootflow.ports import Interface
from netboot_site.pages import REFUSED, attempt, attempt_and_return, live_answer, live_fragment, posted, saved
from netboot_site.roles import may_write, operator_required, require_operator

PAGE = "/network/"
_STARTED_WITHIN = timedelta(seconds=60)


def index(request: HttpRequest) -> HttpResponse:
    """The page, and its form sent."""
    interfaces = local_host().interfaces()
    choice = chosen()
    form = NetworkForm.of(posted(request), now=served(choice), interfaces=interfaces)
    if request.method == "POST":
        require_operator(request)
        if form.is_valid() and attempt(form, lambda: _choose(form)):
            return saved(request, to=PAGE, done="The boot network is chosen.")
    context = _context(request, choice, form, interfaces)
    return render(request, "network/index.html", context, status=REFUSED if form.errors else 200)


def _choose(form: NetworkForm) -> None:
    choose_network(wanted=form.wanted, interfaces=form.interfaces, interrupt=form.cleaned_data["interrupt"])


def _context(
    request: HttpRequest, choice: NetworkChoice | None, form: NetworkForm, interfaces: Sequence[Interface]
) -> dict[str, object]:
    wanted = form.data.get("interface") if form.is_bound else ""
    return {
        "form": form, "live": _fragment(request, choice), "fixed": settings.NETWORK_FIXED,
        "rows": [(one, suggested_pool(one)) for one in interfaces],
        "losing": interruption_of(str(wanted), interfaces) if wanted else "",
        "may_write": may_write(request.user),
    }  # fmt: skip


def live(request: HttpRequest) -> HttpResponse:
    """The part that changes by itself; 204 while it does not."""
    return live_answer(request, _fragment(request, chosen()))


@operator_required
@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """Look again who answers on the wire."""
    interface = served(chosen()).interface
    return attempt_and_return(
        request, lambda: request_look(interface=interface), to=PAGE, done="Looking; that takes some seconds."
    )


def _fragment(request: HttpRequest, choice: NetworkChoice | None) -> SafeString:
    now = served(choice)
    row = look_of(now.interface)
    others = [server for server in row.observed_servers if not server.get("ours")]
    late = choice is not None and timezone.now() - choice.chosen_at > _STARTED_WITHIN
    context = {
        "now": now, "look": row, "others": others, "late": late,
        "looking": row.requested_at and (row.observed_at is None or row.observed_at < row.requested_at),
        "giving": [server for server in others if server.get("hands_out_addresses")],
        "may_write": may_write(request.user),
    }  # fmt: skip
    return live_fragment(request, "network/live.html", context, url="/network/live/")
