"""The fakes, strict: they fail the test that harms a disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from images.ports import Disk, LayerFile, Served
from tests.images.fake_layers import FakeLayerStore
from tests.images.fakes import FakeTargetServer


class HarmError(AssertionError):
    """What must never be done to a disk. Convergence catches no such error."""


def is_sealed(path: str) -> bool:
    """Whether a file may not be written to."""
    return not Path(path).stat().st_mode & 0o222


class StrictServer(FakeTargetServer):
    """Gives a file to one target only, and tears nothing living away from an initiator."""

    store: StrictStore

    def exporters(self, path: str) -> list[str]:
        return [t.iqn for t in self.observe().targets if any(lun.path == path for lun in t.luns)]

    def create_disk(self, tid: int, lun: int, disk: Disk) -> None:
        if self.exporters(disk.path):
            raise HarmError(f"{disk.path} gets a second target")
        if Path(disk.path).exists() and is_sealed(disk.path):
            raise HarmError(f"{disk.path} is frozen and is given to a writer")
        if any(one.top == disk.path for one in self.store.living()):
            raise HarmError(f"{disk.path} is being served and is exported, too")
        super().create_disk(tid, lun, disk)

    def delete_target(self, tid: int, *, force: bool = False) -> None:
        target = self._target(tid)
        living = {one.path for one in self.store.living()}
        if force and target.logins and any(lun.path in living for lun in target.luns):
            raise HarmError(f"the living disk of {target.iqn} is torn away")
        super().delete_target(tid, force=force)


class StrictStore(FakeLayerStore):
    """Lets nobody write to what is frozen, or two write to one layer."""

    def __init__(self, run_path: Path, server: StrictServer) -> None:
        super().__init__(run_path)
        self.server = server
        server.store = self
        self.frozen: dict[str, tuple[int, int]] = {}

    def living(self) -> list[Served]:
        return [one for one in self._served.values() if one.alive]

    def create(self, path: str, size_bytes: int, parent: LayerFile) -> None:
        running = any(one.top == parent.path and one.writable for one in self.living())
        if not is_sealed(parent.path) and not running:
            raise HarmError(f"{path} is made over {parent.path}, which is not frozen")
        super().create(path, size_bytes, parent)

    def grow(self, path: str, size_bytes: int) -> None:
        if is_sealed(path):
            raise HarmError(f"{path} is frozen and grows")
        super().grow(path, size_bytes)

    def freeze(self, path: str) -> None:
        if self.server.exporters(path) or any(one.top == path for one in self.living()):
            raise HarmError(f"{path} is frozen while it can be written to")
        super().freeze(path)
        self.frozen[path] = self.stamp(path)

    def serve(
        self, name: str, chain: Sequence[LayerFile], *, writable: bool = True, shared: bool = False
    ) -> Served:
        if is_sealed(chain[0].path) or self.server.exporters(chain[0].path):
            raise HarmError(f"{chain[0].path} is frozen or exported, and gets a writer")
        if loose := [layer.path for layer in chain[1:] if not is_sealed(layer.path)]:
            raise HarmError(f"{loose} is stood on and not frozen")
        return super().serve(name, chain, writable=writable, shared=shared)

    def stop(self, name: str) -> None:
        served = self._served.get(name)
        if served is not None and self.server.exporters(served.path):
            raise HarmError(f"{name} is ended while a target exports it")
        super().stop(name)

    def check(self) -> None:
        """Nothing that was frozen has changed, and whatever lives has its file."""
        changed = [
            path for path, was in self.frozen.items() if Path(path).exists() and self.stamp(path) != was
        ]
        assert changed == [], "frozen layers were written to"
        lost = [one for one in self.living() if not Path(one.top).exists()]
        assert lost == [], "a layer was removed under its server"

    def stamp(self, path: str) -> tuple[int, int]:
        status = Path(path).stat()
        return status.st_mtime_ns, status.st_size
