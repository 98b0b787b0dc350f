"""Reads both sides: rows in three queries, files, the target server and the store of layers."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.utils import timezone

from devices.models import Device
from images.convergence import files
from images.convergence.facts import (
    Access,
    Desired,
    Door,
    Following,
    LayerSeen,
    Observed,
    Recorded,
    Wanted,
    WantedLayer,
)
from images.lineage import follows_what
from images.models import Export, ExportMode, Image, ImageState, Layer, StorageNode, layer_file_name
from images.ports import LayerStore, Served, ServerView, TargetServer
from images.tgt import portal_text
from netboot_site.errors import UnavailableError
from netboot_site.formats import mac_hex

# Used bytes are written once in so many seconds; files are looked for in each round.
THOROUGH_PERIOD_SECONDS = 10
_IMAGE_COLUMNS = (
    "id", "state", "generation", "size_bytes", "observed_size_bytes", "import_error",
    "last_error", "observed_generation", "observed_used_bytes",
)  # fmt: skip
_LAYER_COLUMNS = (
    "image_id", "id", "number", "format", "parent_id", "size_bytes", "state", "frozen",
    "used_at", "observed_frozen_at", "observed_used_bytes", "last_error",
    "version__id", "version__last_error",
)  # fmt: skip
_EXPORT_COLUMNS = (
    "id", "image_id", "mode", "layer_id", "observed_state", "last_error", "observed_layer_number",
    "device__mac", "device__name", "chap_username", "chap_secret",
    "persistence", "follows", "version_id", "layer__base_version_id", "refresh_requested_at",
    "handed_out_at", "observed_stale", "device__channel", "device__group__channel",
)  # fmt: skip


def load_desired(node: StorageNode) -> Desired:
    """What should be on this node, in a fixed number of queries."""
    portal = portal_text(node.portal_address, node.portal_port) if node.portal_address else ""
    images = list(Image.objects.filter(node=node).order_by("id").values_list(*_IMAGE_COLUMNS))
    layers = _layers(node, {row[0]: (row[2], row[4] or 0) for row in images})
    wanted = tuple(_wanted(layers.get(row[0], ()), *row) for row in images)
    exports = Export.objects.filter(image__node=node).order_by("id").values_list(*_EXPORT_COLUMNS)
    prefix = settings.IQN_PREFIX
    return Desired(prefix, portal, wanted, tuple(_doors(prefix, wanted, exports)))


def _layers(node: StorageNode, heads: Mapping[str, tuple[int, int]]) -> Mapping[str, list[WantedLayer]]:
    """By image. Of a head it is known what size it was last seen to have."""
    found: dict[str, list[WantedLayer]] = defaultdict(list)
    folder = str(settings.IMAGES_PATH)
    rows = Layer.objects.filter(image__node=node).order_by("image_id", "number").values_list(*_LAYER_COLUMNS)
    for image_id, pk, number, form, *rest in rows:
        head, seen_size_bytes = heads.get(image_id, (0, 0))
        path = f"{folder}/{layer_file_name(image_id, number, form)}"
        seen = seen_size_bytes if number == head else 0
        found[image_id].append(_layer(image_id, pk, number, path, form, seen, *rest))
    return found


def _layer(
    image_id: str, pk: int, number: int, path: str, form: str, seen_size_bytes: int, *row: Any
) -> WantedLayer:
    parent, size_bytes, state, frozen, used_at, frozen_at, used_bytes, error, version, version_error = row
    return WantedLayer(
        pk, image_id, number, path, form, parent, size_bytes, state, frozen, used_at is not None,
        seen_size_bytes, frozen_at is not None, used_bytes, error, version, version_error or "",
    )  # fmt: skip


def _wanted(layers: Iterable[WantedLayer], image_id: str, state: str, *row: Any) -> Wanted:
    generation, size_bytes, _, import_error, *recorded = row
    all_layers = tuple(layers)
    head = next((layer for layer in all_layers if layer.number == generation), None)
    return Wanted(
        image_id,
        ImageState(state),
        generation,
        size_bytes,
        head,
        all_layers,
        Recorded(*recorded),
        import_error,
    )


def _doors(prefix: str, wanted: tuple[Wanted, ...], exports: Iterable[tuple[Any, ...]]) -> Iterable[Door]:
    """One for each export, and one for each raw head that nobody has. Images that are to go have none."""
    images = {want.image_id: want for want in wanted if want.state != ImageState.DELETING}
    layers = {layer.pk: layer for want in wanted for layer in want.layers}
    taken = set()
    for pk, image_id, mode, layer_id, *rest in exports:
        want = images.get(image_id)
        exclusive = mode == ExportMode.EXCLUSIVE
        top = want.head if want and exclusive else layers.get(layer_id)
        if want is not None and top is not None:
            if exclusive:
                taken.add(image_id)
            yield _export_door(prefix, image_id, top, exclusive, pk, *rest)
    for want in images.values():
        image_id, head = want.image_id, want.head
        if image_id not in taken and head is not None and head.is_raw:
            yield Door(image_id, image_id, f"{prefix}:{image_id}", head, image_id)


def _export_door(prefix: str, image_id: str, top: WantedLayer, exclusive: bool, pk: int, *row: Any) -> Door:
    state, error, seen_layer, mac, name, username, secret, *following = row
    device = mac_hex(mac)
    identity = image_id if exclusive else f"{image_id}.{device}"
    return Door(
        key=image_id if exclusive else f"{image_id}.{pk}",
        image_id=image_id,
        iqn=f"{prefix}:{identity}",
        top=top,
        identity=identity,
        served_as="" if top.is_raw else f"e{pk}",
        access=Access(name or mac, f"{prefix}:device.{device}", username, secret),
        export_id=pk,
        export_state=state,
        export_error=error,
        export_layer=seen_layer,
        following=None if exclusive else _following(pk, *following),
    )


def _following(export_id: int, *row: Any) -> Following:
    persistence, follows, pinned, base, requested_at, handed_out_at, stale, device, group = row
    return Following(
        export_id, persistence, follows_what(follows, device, group or ""), pinned, base,
        requested_at, handed_out_at is not None, stale,
    )  # fmt: skip


def observe(desired: Desired, server: TargetServer, store: LayerStore) -> tuple[Observed, str]:
    """What is, and what does not answer and so is not part of it."""
    trouble = []
    served: Mapping[str, Served] | None = None
    view: ServerView | None = None
    try:
        served = store.observe()
    except UnavailableError as error:
        trouble.append(str(error))
    try:
        view = server.observe()
    except UnavailableError as error:
        trouble.append(str(error))
    going = [want.image_id for want in desired.images if want.state == ImageState.DELETING]
    return Observed(
        view,
        _look(desired),
        served,
        frozenset(image_id for image_id in going if files.folder(image_id).exists()),
        _strangers(desired, view) if view is not None else {},
        files.room(),
    ), " ".join(trouble)


def _look(desired: Desired) -> Mapping[int, LayerSeen]:
    found = {}
    for want in desired.images:
        for layer in want.layers:
            seen = files.look(layer.path, raw=layer.is_raw)
            if seen is not None:
                found[layer.pk] = seen
    return found


def _strangers(desired: Desired, view: ServerView) -> Mapping[str, str]:
    """Names of devices that are logged in without an export; without any of those it costs nothing."""
    here = f"{desired.prefix}:device."
    names = {login.initiator_name for target in view.targets for login in target.logins}
    macs = {
        name: ":".join(re.findall("..", name.removeprefix(here)))
        for name in names - desired.device_names.keys() if name.startswith(here)
    }  # fmt: skip
    if not macs:
        return {}
    found = dict(Device.objects.filter(mac__in=macs.values()).values_list("mac", "name"))
    return {name: found.get(mac) or mac for name, mac in macs.items()}


def is_due(image_id: str) -> bool:
    """Whether this image is looked at more closely in this second."""
    return (int(timezone.now().timestamp()) + zlib.crc32(image_id.encode())) % THOROUGH_PERIOD_SECONDS == 0
