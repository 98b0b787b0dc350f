"""Folders of an instance, whose they are, and the secrets that are kept there."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from netboot_site.errors import UnavailableError
from netboot_site.runtime import layout
from netboot_site.runtime.layout import Account, Accounts, Folder

ROOT, PERSON = Account("root", 0, 0), Account("jo", 1000, 1000)
WEB, DISKS = Account("netboot", 990, 890), Account("netboot-storage", 991, 891)
AS_ROOT, AS_PERSON = Accounts(WEB, DISKS, ROOT), Accounts(PERSON, PERSON, PERSON)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")


def folder_at(path: Path) -> Folder:
    (found,) = [folder for folder in layout.folders(AS_ROOT) if folder.path == path]
    return found


def test_a_folder_comes_after_the_one_that_holds_it() -> None:
    paths = [folder.path for folder in layout.folders(AS_ROOT)]
    for index, path in enumerate(paths):
        later = [parent for parent in paths[index + 1 :] if parent in path.parents]
        assert not later, f"{path} is made before {later}, with the wrong owner"


@pytest.mark.parametrize(
    ("name", "uid", "gid", "mode"),
    [
        ("IMAGES_PATH", 991, 891, 0o700),
        ("IMPORT_PATH", 991, 891, 0o750),
        ("TFTP_PATH", 990, 890, 0o755),
        ("BOOT_FILES_PATH", 990, 890, 0o755),
        ("STATIC_ROOT", 990, 890, 0o755),
        ("DNSMASQ_PATH", 990, 890, 0o750),
        ("POSTGRES_SOCKET_PATH", 990, 891, 0o750),
        ("LOGS_PATH", 0, 890, 0o750),
        ("DATA_PATH", 0, 0, 0o755),
        ("RUN_PATH", 0, 0, 0o755),
    ],
)
def test_each_folder_is_its_users_alone(name: str, uid: int, gid: int, mode: int) -> None:
    assert folder_at(getattr(settings, name)) == Folder(getattr(settings, name), uid, gid, mode)


@pytest.mark.parametrize(
    ("part", "owner", "group"),
    [("web", 990, 890), ("boot", 990, 890), ("storage", 991, 890), ("redis", 990, 891), ("tgt", 991, 891)],
)
def test_a_sockets_folder_is_entered_by_its_two_ends_only(part: str, owner: int, group: int) -> None:
    folder = folder_at(settings.RUN_PATH / part)
    assert (folder.uid, folder.gid) == (owner, group)
    assert folder.mode & 0o027 == 0, f"others may enter {part}, or its group may write"


def test_without_root_everything_is_the_persons_who_started_it() -> None:
    assert {(folder.uid, folder.gid) for folder in layout.folders(AS_PERSON)} == {(1000, 1000)}


@needs_root
def test_what_is_missing_is_made_and_what_is_wrong_is_set_right(tmp_path: Path) -> None:
    loose, deep = tmp_path / "loose", tmp_path / "a" / "b"
    loose.mkdir(mode=0o777)
    for _ in range(2):  # a second start changes nothing
        layout.make_folders([Folder(loose, 990, 890, 0o700), Folder(deep, 991, 891, 0o750)])
    for path, wanted in ((loose, (990, 890, 0o700)), (deep, (991, 891, 0o750))):
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == wanted


def test_the_umask_of_a_person_does_not_close_a_folder(tmp_path: Path) -> None:
    former = os.umask(0o077)
    try:
        layout.make_folders([Folder(tmp_path / "open", os.getuid(), os.getgid(), 0o755)])
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o755


def test_a_secret_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        text, fresh = layout.keep_secret(tmp_path / "key", 12)
    finally:
        os.umask(former)
    assert (len(text), fresh) == (16, True)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert layout.keep_secret(tmp_path / "key", 12) == (text, False)
    assert [path.name for path in tmp_path.iterdir()] == ["key"], "a draft was left"


def test_a_draft_that_a_crash_left_is_not_taken_for_the_secret(tmp_path: Path) -> None:
    (tmp_path / ".key.x7").write_text("half")
    text, fresh = layout.keep_secret(tmp_path / "key", 12)
    assert (fresh, len(text)) == (True, 16)


def test_two_who_make_a_secret_at_once_get_the_same_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for turn in range(30):
            path = tmp_path / f"key-{turn}"
            made = list(threads.map(lambda _, path=path: layout.keep_secret(path, 12), range(8)))
            assert {text for text, _ in made} == {path.read_text().strip()}, f"turn {turn}"
            assert [fresh for _, fresh in made].count(True) == 1, f"turn {turn}"


def test_a_secret_is_not_made_anew_because_it_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    with pytest.raises(IsADirectoryError):
        layout.keep_secret(tmp_path / "key", 12)


def test_root_becomes_the_user_with_its_groups_and_a_person_stays() -> None:
    assert layout.become(WEB, AS_ROOT) == ["setpriv", "--reuid=netboot", "--regid=890", "--init-groups"]
    assert layout.become(ROOT, AS_ROOT) == []
    assert layout.become(PERSON, AS_PERSON) == []


def test_a_missing_system_user_is_told_with_what_makes_it() -> None:
    with pytest.raises(UnavailableError, match="user nobody-of-that-name does not exist; `make setup`"):
        layout._account("nobody-of-that-name")


def test_a_person_runs_everything_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    accounts = layout.find_accounts()
    assert {account.uid for account in (*accounts, accounts.launcher)} == {65534}
    assert not accounts.privileged


def test_a_folder_for_sockets_that_is_ours_or_not_there_yet_is_taken(tmp_path: Path) -> None:
    owner = layout.Account("me", os.getuid(), os.getgid())
    layout.check_run_path(tmp_path / "not-yet", owner)
    layout.check_run_path(tmp_path, owner)


@pytest.mark.parametrize("kind", ["stranger", "link", "file"])
def test_a_folder_for_sockets_that_somebody_else_prepared_is_refused(tmp_path: Path, kind: str) -> None:
    path, owner = tmp_path / "run", layout.Account("me", os.getuid(), os.getgid())
    if kind == "link":
        path.symlink_to(tmp_path)
    elif kind == "file":
        path.touch()
    else:
        path.mkdir()
        owner = layout.Account("me", os.getuid() + 1, os.getgid())
    with pytest.raises(UnavailableError, match="is not a folder of me: remove it"):
        layout.check_run_path(path, owner)


def test_a_data_path_that_cannot_be_made_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match=r"DATA_PATH .* cannot be made: not a directory\."):
        layout.make_data_path(tmp_path / "file" / "data")
    layout.make_data_path(tmp_path / "new" / "data")
    assert (tmp_path / "new" / "data").is_dir()


def test_a_data_path_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UnavailableError, match="cannot be written by this user"):
        layout.make_data_path(tmp_path)
