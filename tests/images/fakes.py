"""A target server in memory that refuses what tgtd refuses, and one that never answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from images.ports import Disk, Login, Lun, ServerView, Target, TargetInUseError
from netboot_site.errors import ConflictError, UnavailableError


class FakeTargetServer:
    """Keeps what it is told. `calls` are its verbs in the order they came."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.secrets: dict[str, str] = {}
        self.unreachable_portals: set[str] = set()
        self.restart()

    def restart(self) -> None:
        """All is forgotten, as by tgtd."""
        self._targets: dict[int, Target] = {}
        self.secrets = {}
        self._portals: list[str] = []
        self._ready = True
        self._started = str(int(getattr(self, "_started", "0")) + 1)

    def observe(self) -> ServerView:
        targets = tuple(self._targets[tid] for tid in sorted(self._targets))
        return ServerView(
            targets, frozenset(self.secrets), tuple(self._portals), self._ready, started=self._started
        )

    def set_ready(self, *, ready: bool) -> None:
        self.calls.append("ready" if ready else "offline")
        self._ready = ready

    def add_portal(self, portal: str) -> None:
        self.calls.append(f"portal {portal}")
        if portal in self._portals or portal in self.unreachable_portals:
            raise ConflictError("The portal was refused.")
        self._portals.append(portal)

    def delete_portal(self, portal: str) -> None:
        self.calls.append(f"no portal {portal}")
        if portal not in self._portals:
            raise ConflictError("There is no such portal.")
        self._portals.remove(portal)

    def create_target(self, tid: int, iqn: str) -> None:
        self.calls.append(f"target {iqn}")
        if tid in self._targets or iqn in {target.iqn for target in self._targets.values()}:
            raise ConflictError("this target already exists")
        self._targets[tid] = Target(tid, iqn)

    def delete_target(self, tid: int, *, force: bool = False) -> None:
        target = self._target(tid)
        self.calls.append(f"{'by force ' if force else ''}no target {target.iqn}")
        if target.logins and not force:
            raise TargetInUseError("The disk is in use.")
        del self._targets[tid]

    def create_disk(self, tid: int, lun: int, disk: Disk) -> None:
        self.calls.append(f"disk {disk.path}")
        target, path = self._target(tid), Path(disk.path)
        if not path.is_absolute() or not path.is_file():
            raise ConflictError("The disk's file is not there.")
        if any(each.number == lun for each in target.luns):
            raise ConflictError("this logical unit number already exists")
        size_mb = (path.stat().st_size + 500_000) // 1_000_000
        made = Lun(lun, disk.path, size_mb, f"IET     {tid:04x}{lun:04x}", f"beaf{tid}{lun}", backing="rdwr")
        self.put(replace(target, luns=(*target.luns, made)))

    def describe_disk(self, tid: int, lun: int, disk: Disk) -> None:
        self.calls.append(f"identity {disk.serial}")
        target = self._target(tid)
        if not any(each.number == lun for each in target.luns):
            raise ConflictError("can't find the logical unit")
        luns = [
            replace(each, scsi_id=disk.scsi_id, serial=disk.serial, thin=True) if each.number == lun else each
            for each in target.luns
        ]
        self.put(replace(target, luns=tuple(luns)))

    def create_account(self, name: str, secret: str) -> None:
        self.calls.append(f"account {name}")
        if name in self.secrets:
            raise ConflictError("this account already exists")
        self.secrets[name] = secret

    def delete_account(self, name: str) -> None:
        self.calls.append(f"no account {name}")
        if name not in self.secrets:
            raise ConflictError("can't find the account")
        if any(name in target.accounts for target in self._targets.values()):
            raise AssertionError(f"deleting the bound account {name} kills tgtd at its next show")
        del self.secrets[name]

    def bind_account(self, tid: int, name: str) -> None:
        self.calls.append(f"bind {name}")
        target = self._target(tid)
        if name not in self.secrets:
            raise ConflictError("can't find the account")
        if target.accounts:
            raise AssertionError(f"a second account on {target.iqn} kills tgtd when one of them goes")
        self.put(replace(target, accounts=(name,)))

    def allow(self, tid: int, initiator_name: str) -> None:
        self.calls.append(f"allow {initiator_name}")
        target = self._target(tid)
        if initiator_name in target.acl:
            raise ConflictError("this access control rule already exists")
        self.put(replace(target, acl=(*target.acl, initiator_name)))

    # --- what happens to a server from outside -----------------------------------------------------------

    def put(self, target: Target) -> None:
        """Make a target so."""
        self._targets[target.tid] = target

    def drop(self, iqn: str) -> None:
        """Somebody removes a target by hand."""
        del self._targets[self.named(iqn).tid]

    def named(self, iqn: str) -> Target:
        """The target of exactly that name."""
        return next(target for target in self._targets.values() if target.iqn == iqn)

    def log_in(self, iqn: str, initiator_name: str, address: str = "10.66.0.7", handle: str = "1") -> None:
        """An initiator logs in; whether it may is not the fake's to say."""
        target = self.named(iqn)
        login = Login(handle, initiator_name, (address,))
        self.put(replace(target, logins=(*target.logins, login)))

    def log_out(self, iqn: str) -> None:
        """All initiators of a target leave."""
        self.put(replace(self.named(iqn), logins=()))

    def _target(self, tid: int) -> Target:
        if tid not in self._targets:
            raise ConflictError("can't find the target")
        return self._targets[tid]


class BrokenTargetServer(FakeTargetServer):
    """Never answers."""

    def observe(self) -> ServerView:
        raise UnavailableError("The iSCSI target server does not answer.")
