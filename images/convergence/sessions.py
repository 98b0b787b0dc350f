"""Keeps the Session rows in step with the logins that the target server shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_address

from django.db.models import Q
from django.utils import timezone

from images.boot_rows import mark_written
from images.convergence.doors import image_of, is_ours
from images.convergence.facts import Desired, Observed, WantedLayer
from images.models import Layer, Session, StorageNode
from images.ports import Login, ServerView, Target

Key = tuple[str, str]  # target name, handle


def record_sessions(node: StorageNode, desired: Desired, observed: Observed) -> None:
    """Open the sessions that are new and close those that are gone; a quiet round costs one query.

    First of all their layers are noted as written: after a crash in between all of it is done again.
    """
    now, server = timezone.now(), observed.server or ServerView()
    seen = {(target.iqn, handle(server, login)): login for target, login in logins(desired, server)}
    known = {want.image_id for want in desired.images}
    here = Q(image__node=node) | Q(image=None)
    rows = Session.objects.filter(here, ended_at=None).values_list("iqn", "handle", "id")
    open_rows: dict[Key, int] = {(iqn, number): pk for iqn, number, pk in rows}
    if changed := {iqn for iqn, _ in seen.keys() ^ open_rows.keys()}:
        _note_written(changed, desired, observed)
    if gone := [pk for key, pk in open_rows.items() if key not in seen]:
        Session.objects.filter(pk__in=gone).update(ended_at=now)
    new = [
        Session(
            iqn=iqn, handle=number, image_id=image_id if image_id in known else None, started_at=now,
            initiator_name=login.initiator_name[:223], address=address(login),
        )
        for (iqn, number), login in seen.items() if (iqn, number) not in open_rows
        for image_id in [image_of(desired, iqn)]
    ]  # fmt: skip
    if new:
        Session.objects.bulk_create(new, ignore_conflicts=True)


def record_use(desired: Desired, observed: Observed) -> None:
    """Layers that a machine may have written to from now on; a quiet round costs nothing."""
    busy = [target for target in observed.targets.values() if target.logins and is_ours(desired, target)]
    _note_use([layer for layer in _layers_behind(busy, desired, observed) if not layer.used])


def _note_written(iqns: Collection[str], desired: Desired, observed: Observed) -> None:
    """A machine came to these targets, or has left: what they show, and what they are to show."""
    _note_use(_layers_behind([target for iqn in iqns if (target := observed.target(iqn))], desired, observed))
    mark_written([door.top.pk for iqn in iqns if (door := desired.doors_by_iqn.get(iqn))])


def _note_use(layers: Collection[WantedLayer]) -> None:
    if layers:
        mark_written([layer.pk for layer in layers])
    if new := [layer.pk for layer in layers if not layer.used]:
        Layer.objects.filter(pk__in=new, used_at=None).update(used_at=timezone.now())


def _layers_behind(
    targets: Iterable[Target], desired: Desired, observed: Observed
) -> Collection[WantedLayer]:
    """Those that take the writes of who is logged in."""
    tops = {path for target in targets for path in observed.top_of(target)}
    return [layer for path in tops if (layer := desired.by_path.get(path))]


def logins(desired: Desired, server: ServerView) -> Iterator[tuple[Target, Login]]:
    """All logins to targets of ours."""
    for target in server.targets:
        if is_ours(desired, target):
            for login in target.logins:
                yield target, login


def handle(server: ServerView, login: Login) -> str:
    """One login for ever: the server's numbers begin anew at each of its starts."""
    return f"{server.started}-{login.handle}"[:40]


def address(login: Login) -> str | None:
    """The first connection's address, if it is one."""
    for text in login.addresses:
        try:
            return str(ip_address(text.strip("[]")))
        except ValueError:
            continue
    return None
