"""What a round's end means for each row. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from images.convergence.facts import Desired, FilesSeen, Observed, Wanted
from images.convergence.plan import NO_FILES, blocked, fits, sound
from images.models import ExportState, ImageState
from images.ports import Target


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rows of an image and of its export are to say."""

    state: ImageState
    error: str = ""
    export_state: ExportState = ExportState.PENDING
    export_error: str = ""
    gone: bool = False  # nothing is left of a deleted image
    observed_size_bytes: int | None = None
    observed_generation: int | None = None


def judge(
    want: Wanted, desired: Desired, observed: Observed, errors: Mapping[str, str], server_error: str
) -> Verdict:
    """The verdict on one image."""
    target = observed.target(want.iqn)
    seen = observed.files.get(want.image_id, NO_FILES)
    waiting = _waits_for(want, target, desired, observed)
    error = errors.get(want.image_id, "")
    if want.state == ImageState.DELETING:
        gone = observed.server is not None and target is None and not seen.anything
        return Verdict(want.state, waiting or error or server_error, gone=gone)
    why = error or _damage(want, seen)
    state = _state(want, seen, why)
    if want.access is None:
        why = why or waiting
    export_state, export_error = _export(want, desired, observed, waiting or why or server_error)
    return Verdict(
        state, why or want.import_error, export_state, export_error,
        observed_size_bytes=max(seen.head_size_bytes or 0, want.seen_size_bytes) or None,
        observed_generation=want.generation if fits(want, target) else None,
    )  # fmt: skip


def _state(want: Wanted, seen: FilesSeen, error: str) -> ImageState:
    if want.state == ImageState.IMPORTING:  # it is the upload that ends it
        return want.state
    if sound(want, seen):
        # With nothing in its disk, an image whose import failed has nothing to give.
        return ImageState.FAILED if want.import_error and not seen.used_bytes else ImageState.READY
    return want.state if want.state == ImageState.CREATING and not error else ImageState.FAILED


def _damage(want: Wanted, seen: FilesSeen) -> str:
    size = seen.head_size_bytes
    if size is None:
        missing = "The disk's file is missing on the storage node; put it back, or upload its content again."
        return "" if want.state == ImageState.CREATING else missing
    if size < want.seen_size_bytes:
        return f"The disk's file has shrunk to {size} bytes; put it back, or upload its content again."
    if size > want.size_bytes:
        return f"A file of {size} bytes is in this disk's place, which has {want.size_bytes}."
    return ""


def _export(want: Wanted, desired: Desired, observed: Observed, why: str) -> tuple[ExportState, str]:
    target, server = observed.target(want.iqn), observed.server
    if want.state == ImageState.IMPORTING:  # who logs in now would make the upload end in a conflict
        return ExportState.PENDING, "Its content is being uploaded."
    if server is None or why:
        waits = blocked(want, target)
        return (ExportState.WAITING if waits else ExportState.PENDING), why
    if desired.portal and desired.portal not in server.portals:
        return ExportState.PENDING, f"The target server does not listen at {desired.portal} yet."
    if not server.ready or not fits(want, target):
        return ExportState.PENDING, ""
    return ExportState.READY, ""


def _waits_for(want: Wanted, target: Target | None, desired: Desired, observed: Observed) -> str:
    """`waiting for lab1-07 to log out`, if a change waits for that."""
    going = want.state == ImageState.DELETING and target is not None and target.logins
    if target is None or not (going or blocked(want, target)):
        return ""
    names = {**observed.strangers, **desired.device_names}
    devices = sorted({names.get(login.initiator_name, login.initiator_name) for login in target.logins})
    return f"waiting for {', '.join(devices)} to log out"
