"""Which tree each Raspberry Pi is to have, and why another one has none. It asks for contents of sets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from bootflow.raspberry_pi.cmdline import Ours, Target, render_cmdline, render_plain, words
from bootflow.raspberry_pi.config import (
    Addition,
    Kernel,
    check_addition,
    os_prefix,
    overlay_names,
    render_config,
)
from bootflow.raspberry_pi.kernels import kernel_of
from bootflow.raspberry_pi.models import family_of, missing_of_any
from bootflow.raspberry_pi.rows import Contents, Partition, SetRow, Snapshot
from bootflow.raspberry_pi.trees import CMDLINE, CONFIG, Tree, mac_name, serial_name
from images import lineage
from images.models import BootFilesState, ExportMode, Persistence
from netboot_site.errors import ValidationError
from netboot_site.formats import mac_hex

NO_DISK = "No disk is assigned to it: it shows the waiting system."
BEING_READ = "The boot partition of its disk is being read."


@dataclass(frozen=True, slots=True)
class Place:
    """Where devices reach us."""

    url: str  # of /boot/; empty while our address is not known
    iqn_prefix: str


def local_place() -> Place:
    """As this host's settings say."""
    address = settings.BOOT_ADDRESS
    url = f"http://{address}:{settings.BOOT_HTTP_PORT}/boot/" if address else ""
    return Place(url, settings.IQN_PREFIX)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one device is to have. Without a tree `waits` says why."""

    device: int
    mac: str
    boots: str = ""
    tree: Tree | None = None
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    waits: str = ""
    conflict: str = ""
    remarks: tuple[str, ...] = ()
    unbootable: bool = False
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """What a device boots from: a set's contents, and whose; or why there are none."""

    boots: str = ""
    contents: Contents | None = None
    of_disk: bool = False  # they are the boot partition of the very disk that it boots
    kernel_set: SetRow | None = None
    waits: str = ""


Contained = Callable[[Partition | SetRow], Contents]


Memory = dict[Any, Wanted]


def choose_all(
    rows: Snapshot, contents: Contained, place: Place, root: Iterable[str] = (), memory: Memory | None = None
) -> list[Wanted]:
    """Of every device. `root` are the names that the common root has for all.

    What was chosen before and depends on nothing that changed is taken from the memory.
    """
    claims = claims_of(rows.devices)
    chooser = Chooser(rows, contents, place, frozenset(root), memory if memory is not None else {})
    wanted = [chooser.choose(device, claims) for device in rows.devices]
    if memory is not None:
        memory.clear()
        memory.update(chooser.known)
    return wanted


def claims_of(devices: Iterable[Mapping[str, Any]]) -> Mapping[str, list[str]]:
    """Who claims each name of a serial."""
    found: dict[str, list[str]] = defaultdict(list)
    for device in devices:
        if name := serial_name(device["serial"]):
            found[name].append(device["name"] or device["mac"])
    return found


class Chooser:
    """Chooses for one device after the other."""

    def __init__(
        self, rows: Snapshot, contents: Contained, place: Place, root: frozenset[str], memory: Memory
    ) -> None:
        self.rows, self.contents, self.place, self.root = rows, contents, place, root
        self.memory, self.known = memory, Memory()

    def choose(self, device: Mapping[str, Any], claims: Mapping[str, list[str]]) -> Wanted:
        """What one device is to have."""
        names, conflict = _names(device, claims)
        source = self.source_of(device)
        wanted = Wanted(device["pk"], device["mac"], source.boots, conflict=conflict)
        if source.contents is None:
            return _with(wanted, waits=source.waits)
        key = repr((device, wanted, names, source.contents.key, source.kernel_set, source.of_disk,
                    self._root_of_disk(device), sorted(self.root), self.place))  # fmt: skip
        found = self.memory.get(key)
        if found is None:
            try:
                found = self._with_tree(_with(wanted, names=names), device, source, source.contents)
            except ValidationError as error:
                found = _with(wanted, waits=str(error))
        self.known[key] = found
        return found

    def source_of(self, device: Mapping[str, Any]) -> Source:
        """Its own choice if that is not the default set; else its image's; else the default."""
        image_id, default = device["export__image_id"], self.rows.default_set
        chosen = self.rows.sets.get(device["boot_plan__kernel_set_id"] or "")
        if chosen is not None and not chosen.is_default and not _is_own(chosen, image_id):
            return self._of_set(chosen, image_id)
        if image_id is None:
            return self._of_set(default, None) if default is not None else Source(waits=NO_DISK)
        source = self._of_disk(device, image_id)
        if source.contents is None and default is not None and self._is_no_pi_disk(device):
            other = self._of_set(default, image_id)
            return other if other.contents is not None else source
        return source

    def layer_of(self, device: Mapping[str, Any]) -> int | None:
        """The layer whose boot partition counts: that of the disk that its next boot has."""
        if device["export__mode"] == ExportMode.EXCLUSIVE:
            image_id, generation = device["export__image_id"], device["export__image__generation"]
            rows = self.rows.partitions.values()
            found = (one for one in rows if one.image_id == image_id and one.number == generation)
            return next((one.layer for one in found), None)
        own = self.rows.partitions.get(device["export__layer_id"] or 0)
        keeps = device["export__persistence"] == Persistence.KEEP and not device["export__observed_stale"]
        touched = device["export__layer__used_at"] or device["export__handed_out_at"]
        if keeps and touched and own is not None and own.is_ready:
            return own.layer
        return self.rows.version_layers.get(self._version_of(device) or 0)

    def _version_of(self, device: Mapping[str, Any]) -> int | None:
        """The version under its next boot; one that is not frozen yet is not moved to."""
        base: int | None = device["export__layer__base_version_id"]
        if not device["export__observed_stale"]:
            return base
        image_id = device["export__image_id"]
        follows = lineage.follows_what(
            device["export__follows"], device["channel"], device["group__channel"] or ""
        )
        candidates = self.rows.candidates.get(image_id, [])
        chosen = lineage.choose(
            follows, device["export__version_id"], candidates, self.rows.channels.get(image_id, {})
        )
        return chosen if any(one.pk == chosen and one.ready for one in candidates) else base

    def _of_disk(self, device: Mapping[str, Any], image_id: str) -> Source:
        layer = self.layer_of(device)
        partition = self.rows.partitions.get(layer) if layer is not None else None
        boots = f"{image_id} over iSCSI"
        if partition is None or not partition.is_ready:
            return Source(boots, waits=_why_not(partition))
        contents = self.contents(partition)
        if not contents.file_set.linked:  # it is being read anew just now
            return Source(boots, waits=BEING_READ)
        return Source(boots, contents, of_disk=True, kernel_set=self.rows.set_of(image_id))

    def _of_set(self, row: SetRow, image_id: str | None) -> Source:
        over = f"{image_id} over iSCSI, with the kernel set {row.name}" if image_id else ""
        boots = over or f"The kernel set {row.name}"
        partition = self.rows.shown_partition(row.image_id) if row.image_id else None
        contents = self.contents(partition) if partition is not None and partition.is_ready else None
        if contents is None and not row.image_id and row.stamp[0]:
            contents = self.contents(row)
        if contents is not None:
            return Source(boots, contents, kernel_set=row)
        if image_id is None and row.is_default:
            return Source("The waiting system", waits=NO_DISK)
        return Source(boots, waits=f"The kernel set {row.name!r} has no files.")

    def _is_no_pi_disk(self, device: Mapping[str, Any]) -> bool:
        partition = self.rows.partitions.get(self.layer_of(device) or 0)
        return partition is not None and partition.state == BootFilesState.NONE

    def _with_tree(
        self, wanted: Wanted, device: Mapping[str, Any], source: Source, contents: Contents
    ) -> Wanted:
        target = self._target(device) if device["export__pk"] else None
        prefix = os_prefix(contents.config)
        additions, remarks = _additions(device, contents, prefix)
        config = render_config(contents.config, _kernel(contents, source, target), additions, prefix)
        written = {CONFIG: config}
        line = self._line(device, source, contents, target)
        if line is not None:
            written |= {CMDLINE: f"{line}\n", f"{prefix}{CMDLINE}": f"{line}\n"}
        extra = contents.file_set.update if device["boot_plan__bootloader_update"] else {}
        tree = Tree.of(device["mac"], contents.file_set, written, extra)
        missing = missing_of_any(
            {*contents.file_set.linked, *self.root}, family_of(device["model"] or ""),
            config=config, initramfs=target is not None,
        )  # fmt: skip
        unhelped = _unhelped(contents) if target is not None else ()
        return _with(
            wanted, tree=tree, missing=tuple(missing), remarks=(*remarks, *unhelped),
            unbootable=bool(unhelped), secret=target.secret if target else "",
        )  # fmt: skip

    def _line(
        self, device: Mapping[str, Any], source: Source, contents: Contents, target: Target | None
    ) -> str | None:
        """None: the set's own file stands as it is."""
        own = source.kernel_set.cmdline if source.kernel_set else ""
        if target is None:
            return render_plain(own) if own else None
        kinds = {str(one.get("iscsi")) for one in contents.facts.get("initramfs", ())} or {"open-iscsi"}
        ours = Ours(self.place.url, device["mac"])
        root, base = self._root_of_disk(device), own or contents.cmdline
        if root and not own and not source.of_disk:  # where the root of that set's own image is
            base = " ".join(word for word in words(base) if not word.startswith("root="))
        return render_cmdline(base, target, initramfs=kinds, ours=ours, root=root)

    def _root_of_disk(self, device: Mapping[str, Any]) -> str:
        """Where the root of its disk is, as its boot partition says."""
        partition = self.rows.partitions.get(self.layer_of(device) or 0)
        if partition is None or not partition.is_ready:
            return ""
        return str(self.contents(partition).facts.get("root") or "")

    def _target(self, device: Mapping[str, Any]) -> Target:
        address = device["export__image__node__portal_address"]
        if not address:
            raise ValidationError("The storage node has told no address yet.")
        if not self.place.url:
            raise ValidationError("The address at which devices reach us (BOOT_ADDRESS) is not known yet.")
        digits = mac_hex(device["mac"])
        own = f".{digits}" if device["export__mode"] == ExportMode.OVERLAY else ""
        return Target(
            iqn=f"{self.place.iqn_prefix}:{device['export__image_id']}{own}",
            address=address,
            port=device["export__image__node__portal_port"],
            initiator=f"{self.place.iqn_prefix}:device.{digits}",
            username=device["export__chap_username"],
            secret=device["export__chap_secret"],
        )


def _with(wanted: Wanted, **changes: Any) -> Wanted:
    return Wanted(**{**{name: getattr(wanted, name) for name in Wanted.__slots__}, **changes})


def _names(device: Mapping[str, Any], claims: Mapping[str, list[str]]) -> tuple[tuple[str, ...], str]:
    """Under which names its tree is served; who else claims its serial."""
    by_mac, by_serial = mac_name(device["mac"]), serial_name(device["serial"])
    if not by_serial:
        return (by_mac,), ""
    others = Counter(claims[by_serial]) - Counter([device["name"] or device["mac"]])
    if not others:
        return (by_serial, by_mac), ""
    told = ", ".join(sorted(others)[:5])
    return (by_mac,), (
        f"Its serial ends in {by_serial}, as that of {told}: neither is served by its serial. "
        f"Correct the serial of the one that is wrong."
    )


def _is_own(chosen: SetRow, image_id: str | None) -> bool:
    return image_id is not None and chosen.image_id == image_id


def _why_not(partition: Partition | None) -> str:
    if partition is None or partition.state == BootFilesState.WAITING:
        return BEING_READ
    if partition.state == BootFilesState.NONE:
        return "Its disk has no boot partition for a Raspberry Pi."
    return partition.last_error or "The boot partition of its disk cannot be read."


def _additions(
    device: Mapping[str, Any], contents: Contents, prefix: str
) -> tuple[list[Addition], list[str]]:
    """Those that fit the set; what does not is left out, and said."""
    overlays = overlay_names(contents.file_set.linked, prefix) | overlay_names(contents.file_set.linked)
    fitting, remarks = [], []
    for entry in device["boot_plan__config_additions"] or ():
        try:
            fitting.append(check_addition(str(entry["name"]), str(entry["value"]), overlays))
        except ValidationError as error:
            remarks.append(f"Left out of its config.txt: {error}")
    return fitting, remarks


def _kernel(contents: Contents, source: Source, target: Target | None) -> Kernel:
    row = source.kernel_set
    return kernel_of(
        contents.config, contents.file_set.linked, contents.facts,
        urls=(row.kernel_url, row.initramfs_url) if row else ("", ""), over_iscsi=target is not None,
    )  # fmt: skip


def _unhelped(contents: Contents) -> tuple[str, ...]:
    """Why none of its initramfs reaches a disk over iSCSI."""
    kinds = {str(one.get("iscsi")) for one in contents.facts.get("initramfs", ())}
    if kinds != {"missing"}:
        return ()
    warnings = tuple(str(text) for text in contents.facts.get("warnings", ())[:5])
    return warnings or ("Its initramfs cannot reach a disk over iSCSI.",)
