"""Folders of an instance, whose they are, and the secrets that are made once and kept there."""

from __future__ import annotations

import os
import pwd
import secrets
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from netboot_site.errors import UnavailableError

SERVICE_USER = "netboot"
STORAGE_USER = "netboot-storage"


@dataclass(frozen=True, slots=True)
class Account:
    """A system user and its own group."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who runs what. Without root everything runs as the person who started it."""

    service: Account
    storage: Account
    launcher: Account

    @property
    def privileged(self) -> bool:
        """Whether the launcher may become other users and open privileged ports."""
        return self.launcher.uid == 0

    def __iter__(self) -> Iterator[Account]:
        return iter((self.service, self.storage))


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it must be."""

    path: Path
    uid: int
    gid: int
    mode: int


def _account(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise UnavailableError(f"The system user {name} does not exist; `make setup` creates it.") from error
    return Account(name, entry.pw_uid, entry.pw_gid)


def find_accounts() -> Accounts:
    """The users that run the services."""
    entry = pwd.getpwuid(os.geteuid())
    person = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    if person.uid != 0:
        return Accounts(person, person, person)
    return Accounts(_account(SERVICE_USER), _account(STORAGE_USER), person)


def become(account: Account, accounts: Accounts) -> list[str]:
    """The words before a command that is to run as `account`."""
    if not accounts.privileged or account.uid == 0:
        return []
    return ["setpriv", f"--reuid={account.name}", f"--regid={account.gid}", "--init-groups"]


def folders(accounts: Accounts) -> list[Folder]:
    """Every folder of the instance, parents first. Only its two ends may enter the folder of a socket."""
    web, disks, root = accounts.service, accounts.storage, accounts.launcher
    run = settings.RUN_PATH
    wanted = [
        Folder(settings.DATA_PATH, root.uid, root.gid, 0o755),
        Folder(run, root.uid, root.gid, 0o755),
        Folder(run / "supervisor", root.uid, root.gid, 0o700),
        Folder(settings.POSTGRES_SOCKET_PATH, web.uid, disks.gid, 0o750),
        Folder(settings.REDIS_SOCKET_PATH.parent, web.uid, disks.gid, 0o750),
        Folder(run / "web", web.uid, web.gid, 0o750),
        Folder(run / "boot", web.uid, web.gid, 0o750),
        Folder(run / "storage", disks.uid, web.gid, 0o750),
        Folder(run / "nginx", web.uid, web.gid, 0o700),
        Folder(run / "beat", web.uid, web.gid, 0o700),
        Folder(settings.LAYERS_RUN_PATH, disks.uid, disks.gid, 0o700),
        Folder(settings.TGT_SOCKET_PATH.parent, disks.uid, disks.gid, 0o700),
        Folder(settings.DATA_PATH / "postgres", web.uid, web.gid, 0o700),
        Folder(settings.IMAGES_PATH, disks.uid, disks.gid, 0o700),
        Folder(settings.IMPORT_PATH, disks.uid, disks.gid, 0o750),
        Folder(settings.TFTP_PATH, web.uid, web.gid, 0o755),
        Folder(settings.BOOT_FILES_PATH, web.uid, web.gid, 0o755),
        Folder(settings.DNSMASQ_PATH, web.uid, web.gid, 0o750),
        Folder(settings.NETWORK_CHOICE_PATH.parent, web.uid, web.gid, 0o755),
        Folder(settings.STATIC_ROOT, web.uid, web.gid, 0o755),
        Folder(settings.LOGS_PATH, root.uid, web.gid, 0o750),
    ]
    return [folder for folder in wanted if not (settings.STORAGE_ONLY and folder.path in _site_s_own())]


def _site_s_own() -> set[Path]:
    """Folders that a host does not have that serves disks alone."""
    sockets = {settings.POSTGRES_SOCKET_PATH, settings.REDIS_SOCKET_PATH.parent}
    kept = {settings.TFTP_PATH, settings.BOOT_FILES_PATH, settings.DNSMASQ_PATH, settings.STATIC_ROOT}
    kept.add(settings.NETWORK_CHOICE_PATH.parent)
    return (
        sockets | kept | {settings.DATA_PATH / "postgres", *(settings.RUN_PATH / n for n in ("web", "boot"))}
    )


def make_data_path(path: Path) -> None:
    """Make DATA_PATH itself. Raises UnavailableError where it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnavailableError(f"DATA_PATH ({path}) cannot be made: {reason}.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UnavailableError(f"DATA_PATH ({path}) cannot be written by this user.")


def check_run_path(path: Path, launcher: Account) -> None:
    """Refuse a folder for sockets that somebody else prepared: it may lie in /tmp, which is open to all."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != launcher.uid:
        raise UnavailableError(
            f"{path}, where our sockets belong, is not a folder of {launcher.name}: remove it."
        )


def make_folders(wanted: list[Folder]) -> None:
    """Create what is missing and set owner and mode of what is there."""
    for folder in wanted:
        folder.path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder.path, folder.uid, folder.gid, follow_symlinks=False)
        folder.path.chmod(folder.mode)


def keep_secret(path: Path, bytes_of_entropy: int) -> tuple[str, bool]:
    """The secret kept in `path` (mode 0600), made if there is none yet; and whether it was made now."""
    try:
        return path.read_text().strip(), False
    except FileNotFoundError:
        text = secrets.token_urlsafe(bytes_of_entropy)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    half_done = Path(name)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(half_done)  # of two at once, one makes it and the other takes that one's
    except FileExistsError:
        return path.read_text().strip(), False
    finally:
        half_done.unlink()
    return text, True
