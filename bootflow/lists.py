"""Lists of devices that were uploaded: looked at first, then imported once."""

from __future__ import annotations

import io
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from bootflow.import_rows import Fate
from bootflow.importing import import_devices
from bootflow.models import DeviceList
from netboot_site.errors import ConflictError, NotFoundError

KEPT = timedelta(days=1)
_NAME_LENGTH = 200


def lines_of(text: str) -> io.StringIO:
    """A text as the CSV reader wants it: line ends as they are."""
    return io.StringIO(text, newline="")


@transaction.atomic
def keep_list(*, file_name: str, text: str, changes_known: bool) -> DeviceList:
    """Put a list by until somebody has looked at what it would do; those of yesterday go."""
    DeviceList.objects.filter(created_at__lt=Now() - KEPT).delete()
    shown = "".join(sign for sign in file_name if sign.isprintable())[:_NAME_LENGTH]
    return DeviceList.objects.create(file_name=shown, text=text, changes_known=changes_known)


def get_list(*, number: str) -> DeviceList:
    """Raises NotFoundError."""
    try:
        found = DeviceList.objects.filter(pk=UUID(number)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFoundError("There is no such list, or it was uploaded more than a day ago.")
    return found


@transaction.atomic
def import_list(*, device_list: DeviceList) -> list[Fate]:
    """Import a list that was put by. Raises ConflictError if somebody has done so."""
    row = DeviceList.objects.select_for_update().filter(pk=device_list.pk).first()
    if row is None or row.imported_at is not None:
        raise ConflictError("This list was imported already; nothing was done a second time.")
    fates = import_devices(lines=lines_of(row.text), changes_known=row.changes_known)
    DeviceList.objects.filter(pk=row.pk).update(imported_at=Now(), text="")
    return fates
