"""A store of layers in memory and plain files that refuses what qemu refuses, and one that never answers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from images.ports import LayerFile, Served
from images.qemu_files import FROZEN_MODE, virtual_size
from netboot_site.errors import ConflictError, UnavailableError, ValidationError


class FakeLayerStore:
    """Its layers are bare headers, its served files sparse. `calls` are its verbs in the order they came."""

    def __init__(self, run_path: Path) -> None:
        self.run_path = run_path
        self.calls: list[str] = []
        self._served: dict[str, Served] = {}
        self._starts = 0

    def observe(self) -> Mapping[str, Served]:
        return dict(self._served)

    def create(self, path: str, size_bytes: int, parent: LayerFile) -> None:
        target = Path(path)
        if target.exists():
            return
        _must_exist(parent.path)
        self.calls.append(f"create {target.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_header(target, size_bytes)
        target.chmod(0o600)

    def grow(self, path: str, size_bytes: int) -> None:
        _must_exist(path)
        if virtual_size(path) >= size_bytes:
            return
        if path in {served.top for served in self._served.values() if served.alive}:
            raise ConflictError("Another process still writes this layer.")
        self.calls.append(f"grow {Path(path).name}")
        _write_header(Path(path), size_bytes)

    def freeze(self, path: str) -> None:
        _must_exist(path)
        self.calls.append(f"freeze {Path(path).name}")
        Path(path).chmod(FROZEN_MODE)

    def serve(
        self, name: str, chain: Sequence[LayerFile], *, writable: bool = True, shared: bool = False
    ) -> Served:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,15}", name):
            raise ValidationError(f"{name!r} cannot be served.")
        self.stop(name)
        for layer in chain:
            _must_exist(layer.path)
        top = chain[0]
        if writable and top.path in {one.top for one in self._served.values() if one.alive and one.writable}:
            raise ConflictError("Another process still writes this layer.")
        self._starts += 1
        self.calls.append(f"serve {name} {Path(top.path).name}")
        point = self.run_path / name / f"disk-{self._starts}"
        point.parent.mkdir(parents=True, exist_ok=True)
        with point.open("wb") as file:
            file.truncate(_size_of(top))
        self._served[name] = Served(name, str(point), top.path, alive=True, writable=writable)
        return self._served[name]

    def snapshot(self, name: str, top: LayerFile) -> None:
        served = self._running(name)
        if served.paused:
            raise ConflictError("The disk is paused.")
        if served.top == top.path:
            return
        _must_exist(top.path)
        self.calls.append(f"snapshot {name} {Path(top.path).name}")
        self._served[name] = replace(served, top=top.path)

    def stop(self, name: str) -> None:
        if self._served.pop(name, None) is not None:
            self.calls.append(f"stop {name}")
            shutil.rmtree(self.run_path / name)

    def pause(self, *names: str) -> None:
        self._served |= {name: replace(self._running(name), paused=True) for name in names}
        self.calls += [f"pause {name}" for name in names]

    def resume(self, name: str) -> None:
        self._served[name] = replace(self._running(name), paused=False)
        self.calls.append(f"resume {name}")

    def kill(self, name: str) -> None:
        """Its process dies, as by kill -9; the path stays, and nobody can read it."""
        self._served[name] = replace(self._running(name), alive=False, paused=False)

    def _running(self, name: str) -> Served:
        served = self._served.get(name)
        if served is None or not served.alive:
            raise ConflictError("The disk is not being served.")
        return served


def _must_exist(path: str) -> None:
    if not Path(path).is_file():
        raise ConflictError("A layer's file is not there.")


def _size_of(layer: LayerFile) -> int:
    return Path(layer.path).stat().st_size if layer.format == "raw" else virtual_size(layer.path)


def _write_header(path: Path, size_bytes: int) -> None:
    # docs/interop/qcow2: magic, version, then 16 bytes of backing file and cluster size, then the size
    path.write_bytes(b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + size_bytes.to_bytes(8, "big"))


class BrokenLayerStore(FakeLayerStore):
    """Never answers."""

    def observe(self) -> Mapping[str, Served]:
        raise UnavailableError("The store of layers does not answer.")

    def create(self, path: str, size_bytes: int, parent: LayerFile) -> None:
        self.observe()

    def grow(self, path: str, size_bytes: int) -> None:
        self.observe()

    def freeze(self, path: str) -> None:
        self.observe()

    def serve(
        self, name: str, chain: Sequence[LayerFile], *, writable: bool = True, shared: bool = False
    ) -> Served:
        raise UnavailableError("The store of layers does not answer.")

    def snapshot(self, name: str, top: LayerFile) -> None:
        self.observe()

    def stop(self, name: str) -> None:
        self.observe()

    def pause(self, *names: str) -> None:
        self.observe()

    def resume(self, name: str) -> None:
        self.observe()
