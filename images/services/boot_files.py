"""Changes of boot files: when a layer is read again, and what was read of it, all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat, Replace
from django.utils import timezone

from images import boot_rows
from images.models import (
    BootFiles,
    BootFilesState,
    ImageState,
    Job,
    JobKind,
    JobState,
    Layer,
    LayerState,
    Persistence,
    Session,
)
from netboot_site.errors import ConflictError
from netboot_site.formats import mac_hex

RETRY_AFTER = timedelta(hours=1)  # of what failed, or what a person did not want
GIVE_WAY = timedelta(seconds=10)  # until a machine that came in between is in a row of Session
MOST_AT_ONCE = 100


def request_boot_files(*, node: str) -> None:
    """A job for each layer of this node that is to be read and that nobody writes just now. One query."""
    for row in _due(node)[:MOST_AT_ONCE]:
        try:
            with transaction.atomic():
                Job.objects.create(
                    image_id=row.layer.image_id, layer_id=row.layer_id, kind=JobKind.BOOT_FILES
                )
        except IntegrityError:  # another worker was quicker, or the layer has gone
            continue


def target_of(layer: Layer) -> str | None:
    """The IQN under which a machine may write this layer; None: nobody can any more."""
    if layer.observed_frozen_at is not None:
        return None
    return f"{layer.image.iqn}.{mac_hex(layer.device.mac)}" if layer.device else layer.image.iqn


def is_written(*, layer: Layer, since: datetime | None = None) -> bool:
    """Whether a machine is logged in to this layer, or was since then, as far as rows tell."""
    iqn = target_of(layer)
    still = Q(ended_at=None) | (Q(ended_at__gte=since) if since else Q())
    return iqn is not None and Session.objects.filter(still, iqn=iqn).exists()


@transaction.atomic
def record_boot_files(
    *, layer: Layer, begun_at: datetime, files: Mapping[str, str] | None, facts: Mapping[str, Any]
) -> None:
    """What was read of a layer counts from now on: SHA-256 of stored contents by path; None: it has none.

    `layer.boot_files` is the row as it was when the reading began. Raises ConflictError if the layer has
    changed meanwhile, or may have.
    """
    was = layer.boot_files
    row = BootFiles.objects.select_for_update().filter(pk=was.pk).first()
    current = Layer.objects.select_related("image", "device").filter(pk=layer.pk).first()
    if row is None or current is None:
        raise ConflictError("The disk was removed while it was read.")
    if row.wanted_at != was.wanted_at or is_written(layer=current, since=begun_at):
        raise ConflictError("A machine logged in while its disk was read; it is read again.")
    row.read_at = max(begun_at, row.wanted_at)
    row.state = BootFilesState.NONE if files is None else BootFilesState.READY
    row.facts, row.last_error = {**facts, boot_rows.READ_OF: layer.pk}, ""
    row.save(update_fields=["read_at", "state", "facts", "last_error"])
    boot_rows.replace_files(row, dict(files or {}))


def note_unread(*, job: Job, reason: str, damaged: bool = False) -> None:
    """The layer could not be read, and is tried again in an hour. What was read before stays.

    It goes on counting, too, unless it is the disk that is damaged.
    """
    begun_at = job.started_at or job.created_at
    rows = BootFiles.objects.filter(layer=job.layer_id, wanted_at__lte=begun_at)
    useful = Q() if damaged else Q(state=BootFilesState.READY)
    rows.exclude(useful).update(state=BootFilesState.FAILED)
    rows.update(last_error=reason, read_at=begun_at)


def _due(node: str) -> QuerySet[BootFiles]:
    now = timezone.now()
    failed = ~Q(last_error="") & Q(read_at__lt=now - RETRY_AFTER)
    wanted = Q(read_at=None) | Q(wanted_at__gt=F("read_at")) | failed | _lacks_packages()
    written = Q(layer__parent=None) | Q(layer__used_at__isnull=False)  # others follow what they stand on
    rows = BootFiles.objects.filter(wanted, written, layer__image__node=node, layer__state=LayerState.READY)
    rows = rows.exclude(layer__image__state=ImageState.DELETING).annotate(iqn=_iqn())
    rows = rows.filter(Q(layer__observed_frozen_at__isnull=False) | _is_at_rest())
    return rows.exclude(Exists(_tried(now))).select_related("layer").order_by("wanted_at", "pk")


def _lacks_packages() -> Q:
    """Read while the packages of the initiator were not there, and they have come since."""
    try:
        changed_at = datetime.fromtimestamp(settings.PI_PACKAGES_PATH.stat().st_mtime, UTC)
    except FileNotFoundError:
        return Q(pk=None)
    return Q(facts__has_initiator=False, read_at__lt=changed_at)


def _iqn() -> Concat:
    """`target_of`, as the database computes it."""
    device = Concat(Value("."), Replace("layer__device__mac", Value(":"), Value("")))
    own = Case(When(layer__device=None, then=Value("")), default=device)
    return Concat(Value(f"{settings.IQN_PREFIX}:"), "layer__image_id", own)


def _is_at_rest() -> Q:
    """Nobody writes a head, or an overlay that its device keeps. One that is reset is not worth a look."""
    head = Q(layer__number=F("layer__image__generation"), layer__image__state=ImageState.READY)
    overlay = Q(layer__export__persistence=Persistence.KEEP)
    open_sessions = Session.objects.filter(ended_at=None, iqn=OuterRef("iqn"))
    return Q(layer__frozen=False) & (head | overlay) & Q(~Exists(open_sessions))


def _tried(now: datetime) -> QuerySet[Job]:
    """Work on the same layer that goes on, or that need not be begun again yet."""
    unwanted = Q(
        cancel_requested=True, created_at__gte=OuterRef("wanted_at"), finished_at__gt=now - RETRY_AFTER
    )
    gave_way = Q(cancel_requested=False, finished_at__gt=now - GIVE_WAY)
    recent = Q(finished_at=None) | (Q(state=JobState.CANCELLED) & (unwanted | gave_way))
    return Job.objects.filter(recent, kind=JobKind.BOOT_FILES, layer=OuterRef("layer"))
