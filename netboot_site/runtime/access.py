"""Lets the service users reach code and data that lie below a private folder (/root, mktemp -d)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from netboot_site import system
from netboot_site.errors import UnavailableError
from netboot_site.runtime.layout import Account, Accounts, become

_FUSE = Path("/dev/fuse")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # looked at, not written


def may_search(account: Account, folder: Path) -> bool:
    """Whether the account can reach what lies in `folder`, as the kernel sees it (modes, ACLs, mounts)."""
    words = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--init-groups"]
    return system.run([*words, "test", "-x", str(folder)]).exit_code == 0


def _grant(account: Account, folder: Path) -> None:
    entry = f"u:{account.name}:x"  # search only: the folder still cannot be listed
    done = system.run(["setfacl", "-m", entry, str(folder)])
    if done.exit_code != 0:
        raise UnavailableError(
            f"The user {account.name} cannot reach {folder}, whose file system takes no access rule for it: "
            "move the code or DATA_PATH elsewhere, or allow others to search that folder (chmod o+x)."
        )


def open_ancestors(path: Path, accounts: Accounts) -> list[str]:
    """Grant search permission on just those folders above `path` that a service user is kept out of.

    Returns one line per folder for the person who runs us.
    """
    if not accounts.privileged:
        return []
    opened = []
    for account in accounts:
        if may_search(account, path):
            continue
        for folder in reversed([path, *path.parents]):  # outermost first: the inner ones are behind it
            if not may_search(account, folder):
                _grant(account, folder)
                opened.append(f"{account.name} may now pass through {folder} (setfacl -x takes it back)")
    return opened


def check_shared_memory(account: Account) -> list[str]:
    """Celery and PostgreSQL keep semaphores in /dev/shm (shm_overview(7)), which a bare chroot lacks."""
    words = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--init-groups"]
    test = ["test", "-w", _SHARED_MEMORY]
    if system.run([*(words if os.geteuid() == 0 else []), *test]).exit_code == 0:
        return []
    return [
        f"{_SHARED_MEMORY} cannot be written by all: mount it with `mount -t tmpfs tmpfs {_SHARED_MEMORY}`."
    ]


def open_fuse(accounts: Accounts, device: Path = _FUSE) -> list[str]:
    """Let the storage user mount the files that layers are served as; a line for each thing to know."""
    without = "disks that are layers over a version (overlays) cannot be served"
    if not device.exists():
        return [f"there is no {device}: {without}; `modprobe fuse`, or give it to the container."]
    user = accounts.storage
    if _may_use(device, accounts):
        return []
    if not accounts.privileged:
        return [
            f"{device} is not open to {user.name}: {without}; root gives access by setfacl or at `make up`."
        ]
    done = system.run(["setfacl", "-m", f"u:{user.name}:rw", str(device)])
    if done.exit_code != 0:
        return [f"{device} takes no access rule: {without}; let {user.name} read and write it."]
    return [f"{user.name} may now use {device} (setfacl -x takes it back)"]


def _may_use(device: Path, accounts: Accounts) -> bool:
    words = become(accounts.storage, accounts)
    return all(system.run([*words, "test", f, str(device)]).exit_code == 0 for f in ("-r", "-w"))


def unreadable(paths: Iterable[Path], account: Account) -> list[Path]:
    """Those files that the account cannot read, for example after a checkout under umask 077."""
    if os.geteuid() != 0:
        return []
    words = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--init-groups"]
    return [path for path in paths if system.run([*words, "test", "-r", str(path)]).exit_code != 0]
