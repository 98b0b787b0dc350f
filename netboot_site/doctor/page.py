"""The doctor's page: the last examination, live, and a button that starts another."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from netboot_site.doctor.doctor import local_doctor
from netboot_site.doctor.findings import GROUPS, Finding, State
from netboot_site.pages import live_answer, live_fragment, saved
from netboot_site.roles import may_write, operator_required

_WORST_FIRST = (State.BAD, State.WARNING, State.UNKNOWN, State.GOOD)


def index(request: HttpRequest) -> HttpResponse:
    """The page; an examination of long ago is done anew meanwhile."""
    context = {"live": _fragment(request), "may_write": may_write(request.user)}
    return render(request, "doctor/index.html", context)


def live(request: HttpRequest) -> HttpResponse:
    """The part that changes."""
    return live_answer(request, _fragment(request))


@require_POST
@operator_required
def run(request: HttpRequest) -> HttpResponse:
    """Look at everything again, the wire too. Without our script the answer waits for the end."""
    local_doctor.start(ask_wire=True)
    if not request.headers.get("HX-Request"):
        local_doctor.wait()
    return saved(request, to="/doctor/", done="The doctor looks at everything again.")


def _fragment(request: HttpRequest) -> SafeString:
    if local_doctor.is_due:
        local_doctor.start()
    report = local_doctor.report
    context = {
        "report": report,
        "busy": local_doctor.is_busy,
        "counts": [(state, report.count(state)) for state in _WORST_FIRST] if report else [],
        "troubles": troubles_of(report.findings) if report else [],
        "groups": groups_of(report.findings) if report else [],
    }
    return live_fragment(request, "doctor/live.html", context, url="/doctor/live/")


def troubles_of(findings: tuple[Finding, ...]) -> list[Finding]:
    """What is not good, the worst first. Pure."""
    amiss = [finding for finding in findings if finding.state != State.GOOD]
    return sorted(amiss, key=lambda finding: _WORST_FIRST.index(finding.state))


def groups_of(findings: tuple[Finding, ...]) -> list[tuple[str, list[Finding]]]:
    """What is good, by group. Pure."""
    good = [finding for finding in findings if finding.state == State.GOOD]
    grouped = [(group, [finding for finding in good if finding.group == group]) for group in GROUPS]
    return [(group, members) for group, members in grouped if members]
