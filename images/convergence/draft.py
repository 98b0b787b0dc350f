"""The steps of one group as they gather, and what will be true once they have been carried out. Pure."""

from __future__ import annotations

from images.convergence.actions import (
    Action,
    CreateLayer,
    CreateRaw,
    Freeze,
    GrowLayer,
    GrowRaw,
    Serve,
    Snapshot,
    Stop,
)
from images.convergence.doors import deletion, is_dead, is_sound
from images.convergence.facts import Desired, Door, Observed, WantedLayer
from images.convergence.room import may_stand_still
from images.models import LayerState
from images.ports import Served, Target


class Draft:
    """A group's steps. Others are thought of as not having begun."""

    def __init__(self, key: str, desired: Desired, observed: Observed) -> None:
        self.key = key
        self.steps: list[Action] = []
        self._desired, self._observed = desired, observed
        self._deleted: set[str] = set()  # targets, by name
        self._tops: dict[str, str] = {}  # what takes the writes of what is served, where steps change it
        self._made: set[int] = set()
        self._grown: set[int] = set()
        self._sealed: set[int] = set()
        # Whoever cannot see who writes may make things, but not take them away from a writer.
        self._blind = observed.server is None or observed.served is None

    def exists(self, target: Target) -> bool:
        """Whether a target is there after these steps."""
        return target.iqn not in self._deleted

    def is_there(self, layer: WantedLayer) -> bool:
        """Whether a layer has its file."""
        return layer.pk in self._made or layer.pk in self._observed.files

    def is_sealed(self, layer: WantedLayer) -> bool:
        """Whether nobody can write to a layer any more."""
        seen = self._observed.files.get(layer.pk)
        return layer.pk in self._sealed or (layer.frozen and seen is not None and seen.sealed)

    def writers(self, layer: WantedLayer) -> set[str]:
        """Whoever may write to a layer: targets that export its file, and what serves it."""
        exporters = self._observed.exporters.get(layer.path, ())
        served = self._observed.served_tops.get(layer.path, ())
        names = {target.iqn for target in exporters if target.iqn not in self._deleted}
        names |= {one.name for one in served if one.writable and one.name not in self._tops}
        return names | {name for name, top in self._tops.items() if top == layer.path}

    def delete_target(self, target: Target, door: Door | None = None) -> None:
        """It goes; the account of its own door stays, to be bound again."""
        keep = door.access.chap_username if door and door.access else ""
        dead = bool(target.logins) and is_dead(target, self._observed)
        for served in () if target.logins else may_stand_still(target, self._observed):
            self.stop(served)
        self.steps += deletion(self.key, target, dead=dead, keep=keep)
        self._deleted.add(target.iqn)

    def stop(self, served: Served) -> None:
        """Its process ends."""
        if self._tops.get(served.name) == "":
            return
        self.steps.append(Stop(self.key, served.name))
        self._tops[served.name] = ""

    def create(self, layer: WantedLayer, *, size_bytes: int = 0) -> None:
        """Its file, if that is still to be made, over a parent that nobody writes to any more.

        A size is given for a layer that takes over from a parent which is being written to until then.
        """
        if self.is_there(layer) or layer.state != LayerState.CREATING:
            return
        parent = self._desired.layers.get(layer.parent) if layer.parent is not None else None
        possible = parent is not None and (size_bytes or self.is_sealed(parent))
        if parent is not None and possible and self._observed.served is not None:
            size = size_bytes or layer.size_bytes
            self.steps.append(CreateLayer(self.key, layer.path, size, parent.file))
            self._made.add(layer.pk)
        elif layer.is_raw:
            self.steps.append(CreateRaw(self.key, layer.path, layer.size_bytes))
            self._made.add(layer.pk)

    def grow(self, layer: WantedLayer) -> None:
        """To the size that it should have; a raw one even in use, which its user sees at its next boot."""
        seen = self._observed.files.get(layer.pk)
        if seen is None or layer.frozen or seen.sealed or layer.pk in self._grown:
            return
        if not layer.seen_size_bytes <= seen.size_bytes < layer.size_bytes:
            return
        if layer.is_raw:
            self.steps.append(GrowRaw(self.key, layer.path, layer.size_bytes))
            self._grown.add(layer.pk)
        elif not self._blind and not self.writers(layer):
            self.steps.append(GrowLayer(self.key, layer.path, layer.size_bytes))
            self._grown.add(layer.pk)

    def freeze(self, layer: WantedLayer) -> None:
        """Once nobody can write to it."""
        if not layer.frozen or self._blind or self.is_sealed(layer) or not self.is_there(layer):
            return
        if not self.writers(layer):
            self.steps.append(Freeze(self.key, layer.path))
            self._sealed.add(layer.pk)

    def serve(self, name: str, top: WantedLayer) -> None:
        """Only with all of its layers there, all but the top frozen, and nobody else writing to that."""
        chain = list(self._desired.chain(top))
        whole = all(self.is_there(layer) for layer in chain) and chain[-1].parent is None
        fits = top.pk in self._made or is_sound(top, self._observed.files.get(top.pk))
        frozen = all(self.is_sealed(layer) for layer in chain[1:])
        if whole and fits and frozen and not self._blind and not self.writers(top):
            self.steps.append(Serve(self.key, name, tuple(layer.file for layer in chain)))
            self._tops[name] = top.path

    def snapshot(self, served: Served, layer: WantedLayer, *, size_bytes: int) -> None:
        """An empty layer takes over the writes from its parent, in the process that serves it."""
        self.create(layer, size_bytes=size_bytes)
        self.steps.append(Snapshot(self.key, served.name, layer.file))
        self._tops[served.name] = layer.path
