"""Further beginnings of MAC addresses that are Raspberry Pis': what somebody added to our own list."""

from __future__ import annotations

import re

from django.db import IntegrityError, transaction

from bootflow.models import PiMacPrefix
from bootflow.raspberry_pi.identity import MAC_PREFIXES
from bootflow.tasks import converge
from netboot_site.errors import ConflictError, NotFoundError, ValidationError

_SEPARATORS = re.compile(r"[:.\-]")
_PREFIX = re.compile(r"^[0-9a-f]{6,9}$")


def parse_prefix(text: str) -> str:
    """`B8:27:EB` as `b827eb`: 6 to 9 hex digits. Raises ValidationError."""
    digits = _SEPARATORS.sub("", text.strip().lower()) if len(text) <= 32 else ""
    if not _PREFIX.match(digits):
        raise ValidationError(
            "The beginning of a MAC address has 6 to 9 hex digits, like b8:27:eb or 8c:1f:64:34:a."
        )
    if int(digits[:2], 16) & 1:  # IEEE 802: the lowest bit of the first octet marks a group address
        raise ValidationError("This is the beginning of a multicast address; no device has one.")
    return digits


@transaction.atomic
def add_prefix(*, prefix: str, note: str = "") -> PiMacPrefix:
    """Take devices with such an address for Raspberry Pis. Raises ConflictError if that is so already."""
    digits = parse_prefix(prefix)
    if len(note) > 200 or not note.isprintable():
        raise ValidationError("A note is one line of at most 200 printable characters.")
    if digits.startswith(MAC_PREFIXES):
        raise ConflictError(f"{digits} is known as a Raspberry Pi's already.")
    row = PiMacPrefix(prefix=digits, note=note)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise ConflictError(f"{digits} is in the list already.") from error
    converge.delay_on_commit()  # type: ignore[attr-defined]  # netboot_site.celery.NudgeTask
    return row


@transaction.atomic
def remove_prefix(*, prefix: str) -> None:
    """Take such devices by their architecture again. Raises NotFoundError, ConflictError for one of ours."""
    digits = parse_prefix(prefix)
    if digits in MAC_PREFIXES:
        raise ConflictError(f"{digits} belongs to Raspberry Pi itself and stays.")
    deleted, _ = PiMacPrefix.objects.filter(prefix=digits).delete()
    if not deleted:
        raise NotFoundError(f"{digits} is not in the list.")
    converge.delay_on_commit()  # type: ignore[attr-defined]  # netboot_site.celery.NudgeTask
