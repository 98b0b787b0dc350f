"""What an image, a version, a device's disk, a layer or a job waits for, in sentences with names. Pure.

Only `waits_of` asks the database; the others are told what goes on (`images.around`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from images.around import Around, Login, NodeNow, look_around, shortened, told
from images.models import (
    Export,
    ExportState,
    Image,
    ImageState,
    Job,
    JobKind,
    JobState,
    Layer,
    LayerFormat,
    LayerState,
    Version,
)
from netboot_site.templatetags.ui import size

Row = Image | Version | Export | Layer | Job
LOGINS_TOLD = 3


def waits_of(row: Row) -> list[str]:
    """What one row waits for; nothing, where it waits for nothing. At most eight queries."""
    image_id = row.pk if isinstance(row, Image) else row.image_id
    around = look_around([str(image_id)])
    match row:
        case Image():
            return image_waits(row, around)
        case Version():
            return version_waits(row, around)
        case Export():
            return export_waits(row, around)
        case Layer():
            return layer_waits(row, around)
        case Job():
            return job_waits(row, around)


def image_waits(image: Image, around: Around) -> list[str]:
    """All that waits at an image: itself, its versions, the disks of its devices, work on it."""
    found = [*own_waits(image, around)]
    for version in image.versions.all():
        found += version_waits(version, around)
    for export in image.exports.all():
        found += export_waits(export, around)
    for job in image.jobs.all():
        found += job_waits(job, around)
    return list(dict.fromkeys(found))


def own_waits(image: Image, around: Around) -> list[str]:
    """What the image alone waits for, without its versions and disks."""
    return list(_of_image(image, around))


def version_waits(version: Version, around: Around) -> list[str]:
    """Why a version is not frozen yet. Its layer and its image have been fetched."""
    return _of_version(version, version.image, around)


def export_waits(export: Export, around: Around) -> list[str]:
    """Why a device's disk is not as it should be.

    Its image, its device, its layer and the version under it (with its layer) have been fetched.
    """
    what, node = f"The disk of {shortened(str(export.device))}", around.nodes.get(export.image.node_id)
    state, logins = export.state, around.logins.get(export.iqn, [])
    if state == ExportState.PAUSED:
        return [_paused(what, node)]
    if state == ExportState.WAITING and logins:
        return [_until_logged_out(what, logins)]
    if unreachable := _unreachable(what, node, around):
        return [unreachable]
    if state == ExportState.READY:
        return []
    base = export.layer.base_version if export.layer else None
    below = _of_version(base, export.image, around) if base else []
    return below or [f"{what} is being made{_because(export.last_error)}."]


def layer_waits(layer: Layer, around: Around) -> list[str]:
    """Why a layer that is to go, or to be made, is there still, or not yet. Its image has been fetched."""
    what = f"Layer {layer.number} of {layer.image_id}"
    logins = around.logins.get(layer.image.iqn, [])
    if layer.state == LayerState.READY:
        return []
    if layer.state == LayerState.DELETING and logins:
        return [_until_logged_out(f"The removal of {what.lower()}", logins)]
    doing = "removed" if layer.state == LayerState.DELETING else "made"
    return [_goes_on(what, doing, layer.last_error, around.nodes.get(layer.image.node_id), around)]


def job_waits(job: Job, around: Around) -> list[str]:
    """Why a piece of long work does not go on. Its image and version have been fetched."""
    if job.finished_at is not None or job.kind == JobKind.EXPORT:
        return []
    what, node = f"The {job_words(job)}", around.nodes.get(job.image.node_id)
    if node is not None and around.is_away(node.jobs_seen_at):
        return [
            f"{what} is waiting for the storage node {node.name}, whose worker {_since(node.jobs_seen_at)}."
        ]
    if job.state != JobState.WAITING:
        return []
    ahead = _ahead(job, around.jobs.get(job.image.node_id, []))
    if not ahead:
        return [f"{what} is about to begin."]
    more = f", and for {len(ahead) - 1} more" if len(ahead) > 1 else ""
    return [f"{what} is waiting for the {job_words(ahead[0])} (job {ahead[0].pk}{_share(ahead[0])}){more}."]


def job_words(job: Job) -> str:
    """What it does, to what: `checksum of version 3 of debian-12`."""
    version = f"version {job.version.number} of " if job.version else ""
    joint = "into" if job.kind == JobKind.IMPORT else "of"
    return f"{job.get_kind_display().lower()} {joint} {version}{job.image_id}"


def users_of(logins: Iterable[Login]) -> str:
    """`lab1-07 (10.20.0.7, logged in since ...)`, the first of them by name."""
    rows = sorted(logins, key=lambda login: login.device)
    more = len(rows) - LOGINS_TOLD
    return ", ".join(map(str, rows[:LOGINS_TOLD])) + (f" and {more} more" if more > 0 else "")


def _of_version(version: Version, image: Image, around: Around) -> list[str]:
    if version.is_ready:
        return []
    what = f"Version {version.number} of {image.pk}"
    # a head that runs as a layer is frozen while it runs; a plain file only when nobody writes it
    writers = around.logins.get(image.iqn, []) if version.layer.format == LayerFormat.RAW else []
    if writers:
        return [_until_logged_out(what, writers, "then it is frozen")]
    return [_goes_on(what, "frozen", version.last_error, around.nodes.get(image.node_id), around)]


def _of_image(image: Image, around: Around) -> Iterator[str]:
    node = around.nodes.get(image.node_id)
    if image.state == ImageState.DELETING:
        yield _of_removal(image, around)
    elif image.state == ImageState.CREATING:
        what = f"The disk of {image.pk}"
        yield _goes_on(what, "made", image.last_error, node, around)
    elif image.state == ImageState.IMPORTING:
        yield from _of_upload(image)
    else:
        yield from _of_growth(image, around)


def _of_removal(image: Image, around: Around) -> str:
    what = f"The removal of {image.pk}"
    users = [login for iqn, some in around.logins.items() if _is_of(iqn, image) for login in some]
    if users:
        return _until_logged_out(what, users)
    return _away(what, around.nodes.get(image.node_id), around) or f"{what} goes on."


def _of_upload(image: Image) -> Iterator[str]:
    received, total = image.upload_received_bytes or 0, image.upload_total_bytes
    if total is not None and received < total:
        yield f"{image.pk} is waiting for its upload: {size(received)} of {size(total)} are here."


def _of_growth(image: Image, around: Around) -> Iterator[str]:
    seen, logins = image.observed_size_bytes, around.logins.get(image.iqn, [])
    if logins and seen is not None and seen < image.size_bytes:
        yield _until_logged_out(f"The new size of {image.pk} ({size(image.size_bytes)})", logins)


def _is_of(iqn: str, image: Image) -> bool:
    return iqn == image.iqn or iqn.startswith(f"{image.iqn}.")


def _until_logged_out(what: str, logins: Iterable[Login], then: str = "") -> str:
    """The sentence that everybody knows: `waiting for lab1-07 to log out`."""
    rows = sorted(logins, key=lambda login: login.device)
    names = list(dict.fromkeys(login.short for login in rows))
    more = len(names) - LOGINS_TOLD
    who = ", ".join(names[:LOGINS_TOLD]) + (f" and {more} more" if more > 0 else "")
    first = rows[0]
    where = f"at {first.address} " if first.address else ""
    since = f"logged in {where}since {told(min(login.since for login in rows))}"
    return f"{what} is waiting for {who} to log out ({since}{f'; {then}' if then else ''})."


def _goes_on(what: str, doing: str, error: str, node: NodeNow | None, around: Around) -> str:
    """What its node is at work on, or would be if it were there."""
    if node is not None and around.is_away(node.seen_at) and not (error and node.seen_at is None):
        return _away(what, node, around)
    return f"{what} is being {doing}{_because(error)}."


def _away(what: str, node: NodeNow | None, around: Around) -> str:
    if node is None or not around.is_away(node.seen_at):
        return ""
    return f"{what} is waiting for the storage node {node.name}, which {_since(node.seen_at)}."


def _unreachable(what: str, node: NodeNow | None, around: Around) -> str:
    """What is done with a disk is done by its node's worker, and by its target server."""
    if node is None or node.seen_at is None:  # nobody has looked yet: nothing is known against it
        return ""
    if away := _away(what, node, around):
        return away
    if node.target_server == "down":
        return f"{what} is waiting for the iSCSI target server of {node.name}, which does not answer."
    return ""


def _since(seen_at: datetime | None) -> str:
    return "has not been seen at work yet" if seen_at is None else f"has been away since {told(seen_at)}"


def _paused(what: str, node: NodeNow | None) -> str:
    if node is None or not node.short_bytes:
        return f"{what} is waiting for room on its storage node, which is nearly full."
    short = f"which is {size(node.short_bytes)} short of its reserve"
    return f"{what} is waiting for room on the storage node {node.name}, {short}."


def _ahead(job: Job, queue: list[Job]) -> list[Job]:
    """What is done before it, the work that runs already first."""
    place = next((at for at, other in enumerate(queue) if other.pk == job.pk), len(queue))
    running = [other for other in queue if other.state == JobState.RUNNING and other.pk != job.pk]
    return running + [other for other in queue[:place] if other.state == JobState.WAITING]


def _share(job: Job) -> str:
    return "" if job.progress is None else f", {100 * job.progress:.0f} %"


def _because(error: str) -> str:
    return f": {error.rstrip('.')}" if error else ""
