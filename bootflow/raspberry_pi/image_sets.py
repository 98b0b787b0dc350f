"""Kernel sets that are the boot partition of an image: they come with it, and go with it."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from bootflow.models import BootPlan, KernelSet
from bootflow.raspberry_pi.rows import Snapshot


def keep_image_sets(rows: Snapshot) -> bool:
    """Make the sets that are missing, remove those whose image has gone; whether there was one."""
    having = {row.image_id for row in rows.sets.values() if row.image_id}
    ready = {one.image_id for one in rows.partitions.values() if one.is_ready and one.device is None}
    made = [image_id for image_id in sorted(ready - having) if _make(image_id, set(rows.sets))]
    left = [row.name for row in rows.sets.values() if row.is_of_image and row.image_id is None]
    return bool(made) or (bool(left) and _remove_unused(left))


def _make(image_id: str, taken: set[str]) -> bool:
    """Named like the image, unless somebody named a set of his own so."""
    names = (image_id, *(f"{image_id}-{number}" for number in range(2, 1000)))
    name = next(name for name in names if name not in taken)
    try:
        with transaction.atomic():
            KernelSet.objects.create(name=name, image_id=image_id, is_of_image=True)
    except IntegrityError:  # the image went, or somebody took the name: the next round sees which
        return False
    return True


def _remove_unused(names: list[str]) -> bool:
    """Of images that have gone; the default set stays, and what a device chose."""
    chosen = BootPlan.objects.filter(kernel_set__in=names).values("kernel_set")
    removed, _ = KernelSet.objects.filter(name__in=names, is_default=False).exclude(name__in=chosen).delete()
    return removed > 0
