"""The page of storage: each node's room, the files that belong to nothing, and long work on all images."""

from __future__ import annotations

from dataclasses import dataclass

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString

from images.around import Around, look_around, told
from images.forms import OrphansForm
from images.models import StorageNode
from images.overview import ended_jobs, rows_of, unfinished_jobs
from images.services import remove_node, remove_orphans
from images.space import NodeSpace, node_spaces
from netboot_site.pages import Question, ask, live_answer, live_fragment, posted
from netboot_site.roles import may_write, operator_required

PAGE = "/storage/"


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node's room, and whether somebody is at work there."""

    space: NodeSpace
    away: list[str]  # since when, in words
    short_bytes: int


def index(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "images/storage.html", {"live": _fragment(request)})


def live(request: HttpRequest) -> HttpResponse:
    """Its live part; 204 while nothing has changed."""
    return live_answer(request, _fragment(request))


def _fragment(request: HttpRequest) -> SafeString:
    around = look_around([])
    context = {
        "nodes": [_row(space, around) for space in node_spaces()],
        "unfinished": rows_of(unfinished_jobs(), around), "ended": rows_of(ended_jobs(), around),
        "may_write": may_write(request.user),
    }  # fmt: skip
    return live_fragment(request, "images/storage_live.html", context, url="/storage/live/")


def _row(space: NodeSpace, around: Around) -> NodeRow:
    away: list[str] = []
    if space.observed_at is not None and around.is_away(space.observed_at):
        away.append(f"Its worker has been away since {told(space.observed_at)}: what is to be done waits.")
    short = (space.reserve_bytes or 0) - (space.free_bytes or 0) if space.short_of_room else 0
    return NodeRow(space, away, short)


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
def remove(request: HttpRequest, node: str) -> HttpResponse:
    """Forget a node that was taken away; refused while it is at work or has images."""
    name = get_object_or_404(StorageNode, pk=node).name
    question = Question(
        f"Forget the storage node {name}",
        "For a host that was taken away. If its worker starts again, the node registers itself anew.",
        "Forget", "trash", lost="What this page knows of its room is forgotten.", back=(PAGE, "Storage"),
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: remove_node(name=name), to=PAGE,
        done=f"The storage node {name} is forgotten.",
    )  # fmt: skip
