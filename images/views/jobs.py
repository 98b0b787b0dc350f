"""The list of long work on all images, and the end of one piece of it."""

from __future__ import annotations

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from images.around import look_around
from images.models import Image, JobKind, JobState, StorageNode
from images.overview import JobWish, rows_of, search_jobs
from images.services import cancel_job, get_job
from images.waiting import job_words
from netboot_site.errors import NotFoundError
from netboot_site.pages import (
    Filter,
    Question,
    address_of,
    ask,
    asked,
    live_answer,
    live_fragment,
    page_of,
    posted,
)
from netboot_site.roles import may_write, operator_required

PAGE = "/jobs/"
STATES = [("", "All states"), ("unfinished", "Waiting or running"), *JobState.choices]
KINDS = [("", "All kinds"), *JobKind.choices]
IMAGES_OFFERED = 500


def index(request: HttpRequest) -> HttpResponse:
    """All of it, or what is asked for; the newest first."""
    wish = _wish(request)
    context = {"live": _fragment(request, wish), "filters": _filters(wish)}
    return render(request, "images/job_list.html", context)


def live(request: HttpRequest) -> HttpResponse:
    """The list, as it changes by itself."""
    return live_answer(request, _fragment(request, _wish(request)))


@operator_required
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Want a piece of long work no more."""
    try:
        job = get_job(job_id=job_id)
    except NotFoundError as error:
        raise Http404(str(error)) from error
    question = Question(
        f"Cancel the {job_words(job)}", "It ends within moments; what was there before it stays.",
        "Cancel it", "player-stop", lost="What it has done so far is lost.", back=(PAGE, "Long work"),
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: cancel_job(job=job), to=PAGE,
        done="It is being cancelled.",
    )  # fmt: skip


def _wish(request: HttpRequest) -> JobWish:
    return JobWish(*(asked(request, name) for name in ("image", "node", "kind", "state")))


def _filters(wish: JobWish) -> list[Filter]:
    images = Image.objects.values_list("id", "name")[:IMAGES_OFFERED]
    nodes = StorageNode.objects.values_list("name", flat=True)
    return [
        Filter("state", "State", STATES, wish.state), Filter("kind", "Kind", KINDS, wish.kind),
        Filter("image", "Image", [("", "All images"), *images], wish.image),
        Filter("node", "Storage node", [("", "All nodes"), *((name, name) for name in nodes)], wish.node),
    ]  # fmt: skip


def _fragment(request: HttpRequest, wish: JobWish) -> SafeString:
    page = page_of(request, search_jobs(wish))
    rows = rows_of(page, look_around([]))
    context = {
        "page": page, "jobs": rows, "is_filtered": wish != JobWish(), "may_write": may_write(request.user)
    }  # fmt: skip
    return live_fragment(request, "images/job_rows.html", context, url=f"/jobs/_live/?{address_of(request)}")
