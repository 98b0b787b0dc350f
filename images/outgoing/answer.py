"""GET and HEAD of a disk's content as HTTP (RFC 9110)."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse

from images.models import Image
from images.outgoing.source import Source, find_source
from images.outgoing.transfer import RAW, ZST, Wanted, begin
from netboot_site.errors import UnavailableError

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_TYPES = {ZST: "application/zstd"}


def answer(request: HttpRequest, *, image: Image, number: int | None, file_format: str) -> HttpResponseBase:
    """The disk as a file. Raises ConflictError, NotFoundError, UnavailableError."""
    if image.node_id != settings.STORAGE_NODE:
        raise UnavailableError(f"The image {image.pk!r} is on the storage node {image.node_id!r}; ask that.")
    source = find_source(image, number)
    part = _wanted_part(request, source) if file_format == RAW else None
    if part is not None and part[0] >= part[1]:
        refusal = JsonResponse({"detail": f"The disk has {source.size_bytes} bytes."}, status=416)
        refusal["Content-Range"] = f"bytes */{source.size_bytes}"
        return refusal
    start, end = part or (0, source.size_bytes)
    response = _response(request, Wanted(source, file_format, start, end, request.user.get_username()))
    if part is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{end - 1}/{source.size_bytes}"
    return response


def _response(request: HttpRequest, wanted: Wanted) -> StreamingHttpResponse:
    """Of a HEAD, only what is known without opening the disk."""
    if request.method == "HEAD":
        response = StreamingHttpResponse([])
        length = (wanted.end or 0) - wanted.start if wanted.format == RAW else None
    else:
        transfer = begin(wanted)
        response, length = StreamingHttpResponse(transfer.chunks), transfer.length
    if length is not None:
        response["Content-Length"] = str(length)
    response["Content-Type"] = _TYPES.get(wanted.format, "application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{wanted.file_name}"'
    if wanted.source.version is not None and wanted.source.version.sha256:
        response["X-Disk-SHA256"] = wanted.source.version.sha256
    if wanted.format == RAW:
        response["Accept-Ranges"] = "bytes"
        response["ETag"] = _tag(wanted.source)
    return response


def _tag(source: Source) -> str:
    """A version never changes; a head may at any time, and a weak tag never joins two parts."""
    return f'"version-{source.version.pk}"' if source.version else f'W/"head-{source.layer.pk}"'


def _wanted_part(request: HttpRequest, source: Source) -> tuple[int, int] | None:
    """One range, if one was asked for that we understand and that is of this disk; else all of it."""
    match = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    condition = request.headers.get("If-Range", "")
    if match is None or not any(match.groups()) or (condition and condition != _tag(source)):
        return None
    first, last = match.groups()
    if not first:
        return max(0, source.size_bytes - int(last)), source.size_bytes
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1 if last else source.size_bytes, source.size_bytes)
