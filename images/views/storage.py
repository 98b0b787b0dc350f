"""The page of storage: each node's room, the files that belong to nothing, and long work on all images."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from images.forms import OrphansForm
from images.overview import ended_jobs, unfinished_jobs
from images.services import cancel_job, get_job, remove_orphans
from images.space import node_spaces
from netboot_site.pages import Question, ask, attempt_and_return, live_answer, live_fragment, posted
from netboot_site.roles import may_write, operator_required

PAGE = "/storage/"


def index(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "images/storage.html", {"live": _fragment(request)})


def live(request: HttpRequest) -> HttpResponse:
    """Its live part; 204 while nothing has changed."""
    return live_answer(request, _fragment(request))


def _fragment(request: HttpRequest) -> SafeString:
    unfinished = unfinished_jobs()
    context = {
        "nodes": node_spaces(), "unfinished": unfinished, "ended": ended_jobs(),
        "may_write": may_write(request.user),
    }  # fmt: skip
    return live_fragment(request, "images/storage_live.html", context, url="/storage/live/")


@operator_required
def orphans(request: HttpRequest, node: str) -> HttpResponse:
    """Remove files that belong to nothing, those that are chosen."""
    space = next((space for space in node_spaces() if space.name == node), None)
    if space is None or not space.orphans:
        raise Http404(f"The storage node {node} has found no file that belongs to nothing.")
    form = OrphansForm(posted(request), orphans=space.orphans)
    question = Question(
        f"Remove files from {node}",
        "These files lie in the node's image folder, and no disk, version or overlay needs them.",
        "Remove", "trash", lost="What is in the chosen files is lost.", back=(PAGE, "Storage"),
    )  # fmt: skip
    return ask(
        request, question, form, lambda: remove_orphans(name=node, orphans=form.cleaned_data["names"]),
        to=PAGE, done="The files are being removed.",
    )  # fmt: skip


@operator_required
@require_POST
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Want a piece of long work no more."""
    return attempt_and_return(
        request, lambda: cancel_job(job=get_job(job_id=job_id)), to=PAGE, done="It is being cancelled."
    )
