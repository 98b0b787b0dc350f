"""What the REST calls of images take and answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from django.db.models import F, Prefetch, Q, QuerySet
from ninja import Schema
from pydantic import BeforeValidator, Field

from devices.schemas import Text
from images.around import Around
from images.models import (
    Channel,
    ChannelName,
    Export,
    ExportMode,
    Image,
    ImageState,
    Job,
    JobKind,
    JobState,
    Layer,
    Version,
)
from images.schemas.disks import ExportOut, export_out
from images.schemas.jobs import JobBrief, job_brief
from images.schemas.numbers import no_boolean
from images.schemas.versions import VersionOut, version_out
from images.waiting import image_waits
from netboot_site.formats import GIB

SizeGib = Annotated[float, Field(gt=0, allow_inf_nan=False, description="GiB"), BeforeValidator(no_boolean)]


class ImageIn(Schema):
    """A new image."""

    id: str
    name: str
    size_gb: SizeGib
    device_type: str
    node: Text | None = Field(None, description="The storage node; left out: the first host's own.")
    created_at: Any = None  # older clients send it; it is ours to say


class ResizeIn(Schema):
    """A larger size."""

    size_gb: SizeGib


class KernelOut(Schema):
    """A kernel of a boot partition."""

    file: str
    release: str
    bits: int


class BootFilesOut(Schema):
    """What a Raspberry Pi's firmware finds in the image's head: `waiting`, `ready`, `none` or `failed`."""

    state: str
    read_at: datetime | None
    last_error: str
    warnings: list[str]
    kernels: list[KernelOut]


class ImageOut(Schema):
    """An image. `size_gb` is GiB, `progress` that of its upload.

    `assigned_to` is who has it for itself; where nobody has, the only device with an overlay on it.
    `waits_for` says what it waits for, in sentences: `waiting for lab1-07 to log out`.
    """

    id: str
    name: str
    size_gb: int | float
    device_type: str
    assigned_to: str | None
    created_at: datetime
    state: str
    size_bytes: int
    used_bytes: int | None
    iqn: str
    node: str
    versions: list[VersionOut]
    channels: dict[str, int | None]
    exports: list[ExportOut]
    jobs: list[JobBrief]
    contents: dict[str, Any]
    progress: float
    received_bytes: int | None
    total_bytes: int | None
    last_error: str
    waits_for: list[str]
    boot_files: BootFilesOut | None


class AssignedOut(Schema):
    """The answer to assign."""

    status: str
    image_id: str
    mac: str


class StatusOut(Schema):
    """The answer to unassign and to delete."""

    status: str
    image_id: str


def shown_images(images: QuerySet[Image] | None = None) -> QuerySet[Image]:
    """Images (all of them) with all that `image_out` reads: a fixed number of queries, whatever the rows."""
    exports = Export.objects.select_related("device", "image", "layer__base_version__layer")
    failed = Job.objects.filter(state=JobState.FAILED).order_by("image_id", "-id").distinct("image_id")
    heads = Layer.objects.filter(number=F("image__generation"))
    jobs = Job.objects.filter(Q(finished_at=None) | Q(pk__in=failed.values("pk"))).select_related("version")
    return (Image.objects.all() if images is None else images).prefetch_related(
        Prefetch("exports", exports),
        Prefetch("versions", Version.objects.select_related("layer")),
        Prefetch("channels", Channel.objects.select_related("version")),
        Prefetch("jobs", jobs),
        Prefetch("layers", heads.select_related("boot_files"), "heads"),
    )


def image_out(image: Image, around: Around) -> ImageOut:
    """An image of `shown_images`."""
    exports, channels = list(image.exports.all()), list(image.channels.all())
    return ImageOut(
        id=image.id,
        name=image.name,
        size_gb=size_gib(image.size_bytes),
        device_type=image.device_type,
        assigned_to=_assigned_to(exports),
        created_at=image.created_at,
        state=image.state,
        size_bytes=image.size_bytes,
        used_bytes=image.observed_used_bytes,
        iqn=image.iqn,
        node=image.node_id,
        versions=[version_out(version, channels) for version in image.versions.all()],
        channels=_channels(channels),
        exports=[export_out(export) for export in exports],
        jobs=[job_brief(job) for job in image.jobs.all()],
        contents=image.contents,
        progress=progress(image),
        received_bytes=image.upload_received_bytes,
        total_bytes=image.upload_total_bytes,
        last_error=image.last_error,
        waits_for=image_waits(image, around),
        boot_files=_boot_files(image),
    )


def _boot_files(image: Image) -> BootFilesOut | None:
    """Those of its head; None for an image of PCs, or before they are asked for."""
    heads: list[Layer] = getattr(image, "heads", [])
    found = next((head.boot_files for head in heads if hasattr(head, "boot_files")), None)
    if found is None:
        return None
    facts = found.facts
    return BootFilesOut(
        state=found.state, read_at=found.read_at, last_error=found.last_error,
        warnings=facts.get("warnings", []), kernels=[KernelOut(**one) for one in facts.get("kernels", [])],
    )  # fmt: skip


def _assigned_to(exports: list[Export]) -> str | None:
    exclusive = [export for export in exports if export.mode == ExportMode.EXCLUSIVE]
    known = exclusive or (exports if len(exports) == 1 else [])
    return known[0].device.mac if known else None


def _channels(channels: Iterable[Channel]) -> dict[str, int | None]:
    named: dict[str, int | None] = dict.fromkeys(ChannelName.values)
    return {**named, **{channel.name: channel.version.number for channel in channels}}


def size_gib(size_bytes: int) -> int | float:
    """GiB as they were given: whole ones as an integer, others without the sector's padding."""
    whole, rest = divmod(size_bytes, GIB)
    return round(size_bytes / GIB, 6) if rest else whole


def progress(image: Image) -> float:
    """Of the job that imports, or of the upload that is not complete; else whether the disk is there."""
    if image.state == ImageState.IMPORTING:
        for job in image.jobs.all():
            if job.kind == JobKind.IMPORT and job.finished_at is None:
                return job.progress or 0.0
    if image.upload_total_bytes:
        return round((image.upload_received_bytes or 0) / image.upload_total_bytes, 4)
    return 0.0 if image.state in {ImageState.CREATING, ImageState.IMPORTING} else 1.0
