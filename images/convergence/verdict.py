"""What a round's end means for each row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from images.convergence.doors import blocked, fitting, image_of, is_dead, is_new, is_sound
from images.convergence.facts import Desired, Door, LayerSeen, Observed, Wanted, WantedLayer
from images.convergence.room import PAUSED, is_paused, is_short
from images.models import ExportState, ImageState, LayerState
from images.ports import Target

_REMEDY = "put it back, or upload its content again"
MISSING = f"The disk's file is missing on the storage node; {_REMEDY}."
BEING_FROZEN = "its version is being frozen"


@dataclass(frozen=True)
class Seen:
    """A round's end: what should be, what is, and what went wrong on the way."""

    desired: Desired
    observed: Observed
    errors: Mapping[str, str] = field(default_factory=dict)  # by group
    server_error: str = ""

    @cached_property
    def fitting(self) -> frozenset[str]:
        """The names of the targets that are just as they should be."""
        return fitting(self.desired, self.observed)


@dataclass(frozen=True, slots=True)
class ImageVerdict:
    """What an image's row is to say."""

    state: ImageState
    error: str = ""
    gone: bool = False  # nothing is left of a deleted image
    size_bytes: int | None = None
    generation: int | None = None
    used_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LayerVerdict:
    """What a layer's row is to say, and that of its version."""

    state: str
    error: str = ""
    gone: bool = False
    frozen: bool = False
    used_bytes: int | None = None
    version_error: str = ""


def judge_image(want: Wanted, seen: Seen) -> ImageVerdict:
    """The verdict on an image: on its head, above all."""
    error = seen.errors.get(want.image_id, "")
    used = sum(found.used_bytes for layer in want.layers if (found := seen.observed.files.get(layer.pk)))
    if want.state == ImageState.DELETING:
        return _judge_going(want, seen, error, used)
    door = seen.desired.heads.get(want.image_id)
    why = error or _damage(want, seen)
    state = _state(want, seen, why)
    if door is None or door.access is None:
        why = why or _why_waiting(want, door, seen)
    size = seen.observed.files.get(want.head.pk) if want.head else None
    ready = _is_served(want, door, seen)
    return ImageVerdict(
        state, why or want.import_error, used_bytes=used, generation=want.generation if ready else None,
        size_bytes=max(size.size_bytes if size else 0, want.seen_size_bytes) or None,
    )  # fmt: skip


def judge_door(door: Door, want: Wanted, seen: Seen) -> tuple[ExportState, str]:
    """The verdict on an export."""
    observed, target = seen.observed, seen.observed.target(door.iqn)
    if want.state == ImageState.IMPORTING and door.key == door.image_id:
        # who logs in now would make the upload end in a conflict
        return ExportState.PENDING, "Its content is being uploaded."
    if observed.server is None or observed.served is None:
        return ExportState.PENDING, seen.server_error
    if is_paused(door, observed):
        return ExportState.PAUSED, PAUSED
    if target is not None and target.logins and blocked(door, target, observed):
        return ExportState.WAITING, waits_for([target], seen)
    fits = door.iqn in seen.fitting
    why = seen.errors.get(door.key, "") or ("" if fits else _why_not_served(door, target, want, seen))
    if not why and seen.desired.portal and seen.desired.portal not in observed.server.portals:
        why = f"The target server does not listen at {seen.desired.portal} yet."
    if not why and not fits and not door.top.is_raw and is_short(observed):
        return ExportState.PAUSED, PAUSED
    if why or not observed.server.ready or not fits:
        return ExportState.PENDING, why
    return ExportState.READY, ""


def judge_layer(layer: WantedLayer, seen: Seen) -> LayerVerdict:
    """The verdict on a layer."""
    found = seen.observed.files.get(layer.pk)
    used = found.used_bytes if found else None
    if layer.state == LayerState.DELETING:
        children = seen.desired.children.get(layer.pk, ())
        gone = found is None and not children and not seen.observed.served_tops.get(layer.path)
        return LayerVerdict(layer.state, gone=gone, used_bytes=used, version_error=layer.version_error)
    frozen = layer.frozen and found is not None and found.sealed and not _writers(layer, seen)
    sound = is_sound(layer, found)
    lost = found is None and not is_new(layer, found)
    trouble = layer.version_error
    if layer.frozen and not layer.seen_frozen:
        trouble = "" if frozen else why_not_frozen(layer, seen)
    return LayerVerdict(
        LayerState.READY if sound else layer.state, MISSING if lost else "", frozen=frozen,
        used_bytes=used, version_error=trouble,
    )  # fmt: skip


def why_not_frozen(layer: WantedLayer, seen: Seen) -> str:
    """What a version waits for before others may stand on it."""
    writers = [seen.observed.targets[name] for name in _writers(layer, seen) if name in seen.observed.targets]
    return waits_for(writers, seen) or BEING_FROZEN


def waits_for(targets: Iterable[Target], seen: Seen) -> str:
    """`waiting for lab1-07 to log out`, if somebody is logged in."""
    names = {**seen.observed.strangers, **seen.desired.device_names}
    logins = {login.initiator_name for target in targets for login in target.logins}
    devices = sorted({names.get(name, name) for name in logins})
    return f"waiting for {', '.join(devices)} to log out" if devices else ""


def _judge_going(want: Wanted, seen: Seen, error: str, used: int) -> ImageVerdict:
    observed = seen.observed
    targets = [
        target for target in observed.targets.values() if image_of(seen.desired, target.iqn) == want.image_id
    ]
    left = targets or any(_writers(layer, seen) for layer in want.layers)
    known = observed.server is not None and observed.served is not None
    gone = known and not left and want.image_id not in observed.folders and not _clones(want, seen)
    why = waits_for(targets, seen) or error or seen.server_error
    return ImageVerdict(want.state, why, gone=gone, used_bytes=used)


def _clones(want: Wanted, seen: Seen) -> bool:
    children = (child for layer in want.layers for child in seen.desired.children.get(layer.pk, ()))
    return any(child.image_id != want.image_id for child in children)


def _state(want: Wanted, seen: Seen, error: str) -> ImageState:
    if want.state == ImageState.IMPORTING:  # it is the upload that ends it
        return want.state
    found = seen.observed.files.get(want.head.pk) if want.head else None
    if want.head is not None and is_sound(want.head, found):
        return ImageState.FAILED if want.import_error and _is_empty(want.head, found) else ImageState.READY
    if want.head is not None and is_new(want.head, found):
        return ImageState.FAILED if error and want.state == ImageState.CREATING else want.state
    return ImageState.FAILED


def _is_empty(head: WantedLayer, found: LayerSeen | None) -> bool:
    """With nothing in its disk, an image whose import failed has nothing to give."""
    return head.is_raw and found is not None and not found.used_bytes


def _damage(want: Wanted, seen: Seen) -> str:
    head = want.head
    found = seen.observed.files.get(head.pk) if head else None
    if head is None or found is None:
        return "" if head is not None and is_new(head, found) else MISSING
    if found.size_bytes < head.seen_size_bytes:
        return f"The disk's file has shrunk to {found.size_bytes} bytes; {_REMEDY}."
    if found.size_bytes > head.size_bytes:
        return f"A file of {found.size_bytes} bytes is in this disk's place, which has {head.size_bytes}."
    return ""


def _is_served(want: Wanted, door: Door | None, seen: Seen) -> bool:
    """Whether what is exported, or would be if the image had an exclusive device, is its present head."""
    if door is not None:
        return door.iqn in seen.fitting
    return want.head is not None and want.head.pk in seen.observed.files


def _why_waiting(want: Wanted, door: Door | None, seen: Seen) -> str:
    iqn = door.iqn if door else f"{seen.desired.prefix}:{want.image_id}"
    target = seen.observed.target(iqn)
    if target is not None and target.logins and (door is None or blocked(door, target, seen.observed)):
        return waits_for([target], seen)
    return ""


def _why_not_served(door: Door, target: Target | None, want: Wanted, seen: Seen) -> str:
    """What is in the way of its disk, if it is not its target."""
    observed, top = seen.observed, door.top
    served = observed.serving(door.served_as)
    if (served is not None and not served.alive) or (target is not None and is_dead(target, observed)):
        device = door.access.device if door.access else want.image_id
        return f"the layer server of {device} ended; it is being started anew"
    if door.key == door.image_id and (damage := _damage(want, seen)):
        return damage
    chain = list(seen.desired.chain(top))
    for layer in chain:
        if layer.pk not in observed.files and not is_new(layer, None):
            return MISSING
    unfrozen = [layer for layer in chain[1:] if not layer.seen_frozen and not _is_sealed(layer, seen)]
    return why_not_frozen(unfrozen[-1], seen) if unfrozen else ""


def _is_sealed(layer: WantedLayer, seen: Seen) -> bool:
    found = seen.observed.files.get(layer.pk)
    return found is not None and found.sealed


def _writers(layer: WantedLayer, seen: Seen) -> list[str]:
    exporters = [target.iqn for target in seen.observed.exporters.get(layer.path, ())]
    served = [one for one in seen.observed.served_tops.get(layer.path, ()) if one.writable]
    # whoever is served shows by the target that exports it
    behind = [t.iqn for one in served for t in seen.observed.exporters.get(one.path, ())]
    return exporters + behind + [one.name for one in served]
