"""Gives overlays a fresh layer: at a boot that asks for one, or unused, once its version has moved on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from images import lineage
from images.convergence.facts import Desired, Door, Following, Observed
from images.lineage import Candidate
from images.models import Channel, Export, Persistence, Version

# A machine asks each second while it waits at its boot; after so long it has been switched off.
REQUEST_LIFE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of an overlay."""

    version: int | None = None  # make it anew over this one
    stale: bool = False
    drop_request: bool = False


@dataclass(slots=True)
class Versions:
    """What an image's overlays choose from."""

    candidates: list[Candidate] = field(default_factory=list)
    channels: dict[str, int] = field(default_factory=dict)

    def followed(self, following: Following) -> int | None:
        """The version of its next boot; one that is not frozen yet cannot be stood on."""
        chosen = lineage.choose(following.follows, following.pinned, self.candidates, self.channels)
        return chosen if any(one.pk == chosen and one.ready for one in self.candidates) else None


def decide(following: Following, followed: int | None, now: datetime, *, used: bool, in_use: bool) -> Verdict:
    """Pure. Kept changes are never thrown away: without another version a `keep` stays as it is."""
    moved = followed is not None and followed != following.base_version
    touched = used or following.handed_out
    version = followed if followed is not None else following.base_version
    asked = following.requested_at is not None and now - following.requested_at <= REQUEST_LIFE
    needed = moved or (following.persistence == Persistence.RESET and touched)
    if not in_use and version is not None and needed and (asked or not touched):
        return Verdict(version=version)
    idle = following.requested_at is not None and (not asked or not needed)
    return Verdict(stale=moved, drop_request=idle)


def refresh_overlays(desired: Desired, observed: Observed) -> bool:
    """Carry out what is decided on each overlay; whether rows changed that a plan depends on."""
    doors = [(door, door.following) for door in desired.doors if door.following is not None]
    if not doors or observed.server is None:
        return False
    versions, now = _versions({door.image_id for door, _ in doors}), timezone.now()
    verdicts = []
    for door, following in doors:
        target, followed = observed.target(door.iqn), versions[door.image_id].followed(following)
        in_use = target is not None and bool(target.logins)
        verdict = decide(following, followed, now, used=door.top.used, in_use=in_use)
        verdicts.append((door, following, verdict))
    _note(verdicts)
    fresh = 0
    for door, following, verdict in verdicts:
        if verdict.version is not None:
            _refresh(door, following, verdict.version)
            fresh += 1
    return fresh > 0


def _versions(image_ids: Iterable[str]) -> Mapping[str, Versions]:
    """In two queries."""
    found: dict[str, Versions] = defaultdict(Versions)
    rows = Version.objects.filter(image__in=image_ids)
    for image_id, pk, number, frozen_at in rows.values_list(
        "image_id", "pk", "number", "layer__observed_frozen_at"
    ):
        found[image_id].candidates.append(Candidate(pk, number, frozen_at is not None))
    channels = Channel.objects.filter(image__in=image_ids)
    for image_id, name, version in channels.values_list("image_id", "name", "version_id"):
        found[image_id].channels[name] = version
    return found


def _note(verdicts: Sequence[tuple[Door, Following, Verdict]]) -> None:
    """Which are stale, and which requests are over."""
    for stale in (True, False):
        news = [
            following.export_id for _, following, verdict in verdicts
            if verdict.stale is stale and following.stale is not stale
        ]  # fmt: skip
        if news:
            Export.objects.filter(pk__in=news).update(observed_stale=stale)
    over = [following.export_id for _, following, verdict in verdicts if verdict.drop_request]
    if over:
        Export.objects.filter(pk__in=over).update(refresh_requested_at=None)


@transaction.atomic
def _refresh(door: Door, following: Following, version_id: int) -> None:
    """Unless it was changed since it was looked at."""
    image = lineage.locked_image(door.image_id)
    rows = Export.objects.select_related("device", "layer")
    export = rows.filter(pk=following.export_id, layer=door.top.pk).first()
    version = Version.objects.select_related("layer").filter(pk=version_id, image=image).first()
    if export is not None and version is not None:
        export.image = image
        lineage.refresh(export, version)
