"""Carries out planned steps. An error ends the steps of its own image, and of no other."""

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
    CreateHead,
    CreateTarget,
    DeleteAccount,
    DeletePortal,
    DeleteTarget,
    DescribeDisk,
    GrowHead,
    RemoveFiles,
    RemoveHead,
    SetReady,
)
from images.convergence.facts import LUN
from images.ports import TargetInUseError, TargetServer
from netboot_site.errors import OrchestratorError

THREADS = 4  # tgtd itself takes one request at a time; these only hide the start of a process
_REASONS = {
    errno.ENOSPC: "No room is left on the storage node.",
    errno.EFBIG: "The storage node's file system holds no file as large as that.",
    errno.EACCES: "The storage worker may not write into the image folder.",
    errno.EROFS: "The storage node's file system can only be read.",
}


def apply(actions: Iterable[Action], server: TargetServer) -> Mapping[str, str]:
    """Carry out the steps and return what went wrong, by image (an empty name: for the whole node).

    Images are worked on side by side; steps for the whole server wait for those before them.
    """
    results: list[tuple[str, str]] = []
    by_image = [(key, list(steps)) for key, steps in itertools.groupby(actions, _image_of)]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="converge") as pool:
        for whole, groups in itertools.groupby(by_image, lambda group: not group[0]):
            batch = list(groups)
            results += (map if whole else pool.map)(lambda group: _group(group, server), batch)
    return {key: error for key, error in results if error}


def _image_of(action: Action) -> str:
    return action.image_id


def _group(group: tuple[str, list[Action]], server: TargetServer) -> tuple[str, str]:
    key, steps = group
    try:
        for step in steps:
            perform(step, server)
    except TargetInUseError:
        return key, ""  # somebody logged in since we looked: the next round sees and says it
    except OrchestratorError as error:
        return key, str(error)
    except OSError as error:
        return key, _REASONS.get(error.errno or 0, "The storage node could not write the disk's file.")
    return key, ""


def perform(step: Action, server: TargetServer) -> None:
    """One step."""
    match step:
        case CreateHead() | GrowHead() | RemoveHead() | RemoveFiles():
            _perform_on_files(step)
        case SetReady(ready):
            server.set_ready(ready=ready)
        case AddPortal(portal):
            server.add_portal(portal)
        case DeletePortal(portal):
            server.delete_portal(portal)
        case _:
            _perform_on_target(step, server)


def _perform_on_files(step: CreateHead | GrowHead | RemoveHead | RemoveFiles) -> None:
    match step:
        case CreateHead(image_id, generation, size_bytes):
            files.create_head(image_id, generation, size_bytes)
        case GrowHead(image_id, generation, size_bytes):
            files.grow_head(image_id, generation, size_bytes)
        case RemoveHead(image_id, generation):
            files.remove_head(image_id, generation)
        case RemoveFiles(image_id):
            files.remove_files(image_id)


def _perform_on_target(
    step: CreateTarget | DeleteTarget | CreateDisk | DescribeDisk
    | CreateAccount | DeleteAccount | BindAccount | Allow,
    server: TargetServer,
) -> None:  # fmt: skip
    match step:
        case CreateTarget(_, tid, iqn):
            server.create_target(tid, iqn)
        case DeleteTarget(_, tid):
            server.delete_target(tid)
        case CreateDisk(_, tid, disk):
            server.create_disk(tid, LUN, disk)
        case DescribeDisk(_, tid, disk):
            server.describe_disk(tid, LUN, disk)
        case CreateAccount(_, name, secret):
            server.create_account(name, secret)
        case DeleteAccount(_, name):
            server.delete_account(name)
        case BindAccount(_, tid, name):
            server.bind_account(tid, name)
        case Allow(_, tid, initiator_name):
            server.allow(tid, initiator_name)
