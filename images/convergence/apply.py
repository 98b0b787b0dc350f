"""Carries out planned steps. An error ends the steps of its own group, and of no other."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from images.convergence import files
from images.convergence.actions import (
    Action,
    AddPortal,
    Allow,
    BindAccount,
    CreateAccount,
    CreateDisk,
    CreateLayer,
    CreateRaw,
    CreateTarget,
    DeleteAccount,
    DeletePortal,
    DeleteTarget,
    DescribeDisk,
    FileAction,
    Freeze,
    GrowLayer,
    GrowRaw,
    LayerAction,
    RemoveFile,
    RemoveFolder,
    Serve,
    ServerAction,
    SetReady,
    Snapshot,
    Stop,
)
from images.convergence.facts import LUN
from images.ports import LayerStore, TargetInUseError, TargetServer
from netboot_site.errors import OrchestratorError

THREADS = 4  # tgtd itself takes one request at a time; these only hide the start of a process
_REASONS = {
    errno.ENOSPC: "No room is left on the storage node.",
    errno.EFBIG: "The storage node's file system holds no file as large as that.",
    errno.EACCES: "The storage worker may not write into the image folder.",
    errno.EROFS: "The storage node's file system can only be read.",
}


def apply(actions: Iterable[Action], server: TargetServer, store: LayerStore) -> Mapping[str, str]:
    """Carry out the steps and return what went wrong, by group (an empty name: for the whole node).

    Groups are worked on side by side; steps for the whole server wait for those before them.
    """
    results: list[tuple[str, str]] = []
    by_group = [(key, list(steps)) for key, steps in itertools.groupby(actions, lambda step: step.group)]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="converge") as pool:
        for whole, groups in itertools.groupby(by_group, lambda group: not group[0]):
            batch = list(groups)
            results += (map if whole else pool.map)(lambda group: _group(group, server, store), batch)
    return {key: error for key, error in results if error}


def _group(group: tuple[str, list[Action]], server: TargetServer, store: LayerStore) -> tuple[str, str]:
    key, steps = group
    try:
        for step in steps:
            perform(step, server, store)
    except TargetInUseError:
        return key, ""  # somebody logged in since we looked: the next round sees and says it
    except OrchestratorError as error:
        return key, str(error)
    except OSError as error:
        return key, _REASONS.get(error.errno or 0, "The storage node could not write the disk's file.")
    return key, ""


def perform(step: Action, server: TargetServer, store: LayerStore) -> None:
    """One step."""
    match step:
        case CreateRaw() | GrowRaw() | RemoveFile() | RemoveFolder():
            _perform_on_files(step)
        case CreateLayer() | GrowLayer() | Freeze() | Serve() | Snapshot() | Stop():
            _perform_on_layers(step, store)
        case SetReady() | AddPortal() | DeletePortal():
            _perform_on_server(step, server)
        case CreateTarget() | DeleteTarget() | CreateDisk() | DescribeDisk():
            _perform_on_target(step, server)
        case _:
            _perform_on_access(step, server)


def _perform_on_files(step: FileAction) -> None:
    match step:
        case CreateRaw(_, path, size_bytes):
            files.create_raw(path, size_bytes)
        case GrowRaw(_, path, size_bytes):
            files.grow_raw(path, size_bytes)
        case RemoveFile(_, path):
            files.remove(path)
        case RemoveFolder(_, image_id):
            files.remove_folder(image_id)


def _perform_on_layers(step: LayerAction, store: LayerStore) -> None:
    match step:
        case CreateLayer(_, path, size_bytes, parent):
            store.create(path, size_bytes, parent)
        case GrowLayer(_, path, size_bytes):
            store.grow(path, size_bytes)
        case Freeze(_, path):
            store.freeze(path)
        case Serve(_, name, chain):
            store.serve(name, chain)
        case Snapshot(_, name, top):
            store.snapshot(name, top)
        case Stop(_, name):
            store.stop(name)


def _perform_on_server(step: ServerAction, server: TargetServer) -> None:
    match step:
        case SetReady(ready):
            server.set_ready(ready=ready)
        case AddPortal(portal):
            server.add_portal(portal)
        case DeletePortal(portal):
            server.delete_portal(portal)


def _perform_on_target(
    step: CreateTarget | DeleteTarget | CreateDisk | DescribeDisk, server: TargetServer
) -> None:
    match step:
        case CreateTarget(_, tid, iqn):
            server.create_target(tid, iqn)
        case DeleteTarget(_, tid, dead):
            server.delete_target(tid, force=dead)
        case CreateDisk(_, tid, disk):
            server.create_disk(tid, LUN, disk)
        case DescribeDisk(_, tid, disk):
            server.describe_disk(tid, LUN, disk)


def _perform_on_access(
    step: CreateAccount | DeleteAccount | BindAccount | Allow, server: TargetServer
) -> None:
    match step:
        case CreateAccount(_, name, secret):
            server.create_account(name, secret)
        case DeleteAccount(_, name):
            server.delete_account(name)
        case BindAccount(_, tid, name):
            server.bind_account(tid, name)
        case Allow(_, tid, initiator_name):
            server.allow(tid, initiator_name)
