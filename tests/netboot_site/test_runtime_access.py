"""Code and data below a private folder are reached by the service users, and by nobody else."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot_site.errors import UnavailableError
from netboot_site.runtime import access
from netboot_site.runtime.layout import Account, Accounts, find_accounts
from netboot_site.system import Completed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
STRANGER = Account("nobody", 65534, 65534)


@pytest.fixture
def private() -> Iterator[Path]:
    """A project below two folders that only root enters, as under /root."""
    top = Path(tempfile.mkdtemp(prefix="netboot-access-"))
    inner = top / "open" / "private" / "project"
    inner.mkdir(parents=True)
    for folder, mode in ((top, 0o700), (top / "open", 0o755), (inner.parent, 0o700), (inner, 0o755)):
        folder.chmod(mode)
    yield inner
    shutil.rmtree(top)


def rules(folder: Path) -> list[str]:
    done = subprocess.run(["getfacl", "-cp", folder], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith("user:") and "::" not in line]


def test_only_the_folders_that_are_closed_are_opened_and_only_for_passing(private: Path) -> None:
    accounts = find_accounts()
    said = access.open_ancestors(private, accounts)
    closed = [private.parents[2], private.parent]
    wanted = {f"{account.name} may now pass through {folder}" for account in accounts for folder in closed}
    assert {line.partition(" (setfacl -x")[0] for line in said} == wanted
    for folder in closed:
        assert sorted(rules(folder)) == sorted(f"user:{account.name}:--x" for account in accounts)
    assert rules(private) == rules(private.parents[1]) == []
    assert all(access.may_search(account, private) for account in accounts)


def test_strangers_stay_outside(private: Path) -> None:
    assert not access.may_search(STRANGER, private)
    access.open_ancestors(private, find_accounts())
    assert not access.may_search(STRANGER, private)
    assert stat.S_IMODE(private.parent.stat().st_mode) & 0o007 == 0


def test_the_second_start_has_nothing_to_open(private: Path) -> None:
    access.open_ancestors(private, find_accounts())
    assert access.open_ancestors(private, find_accounts()) == []


def test_what_it_says_takes_it_back_does_so(private: Path) -> None:
    accounts = find_accounts()
    access.open_ancestors(private, accounts)
    words = ["setfacl", "-x", f"u:{accounts.service.name}", str(private.parent)]
    subprocess.run(words, check=True)
    assert not access.may_search(accounts.service, private)
    assert access.may_search(accounts.storage, private)


def test_a_person_without_root_opens_nothing(private: Path) -> None:
    assert access.open_ancestors(private, Accounts(STRANGER, STRANGER, STRANGER)) == []
    assert rules(private.parent) == []


def test_a_file_system_that_takes_no_rule_is_told_with_two_ways_out(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Completed(("setfacl",), 1, "", "Operation not supported")
    monkeypatch.setattr(access, "may_search", lambda account, folder: folder.parts < private.parts[:3])
    monkeypatch.setattr("netboot_site.system.run", lambda argv: refused)
    with pytest.raises(UnavailableError, match=r"takes no access rule.*chmod o\+x"):
        access.open_ancestors(private, find_accounts())


def test_a_file_of_a_private_checkout_is_named(private: Path) -> None:
    accounts = find_accounts()
    access.open_ancestors(private, accounts)
    files = [private / "manage.py", private / "open.py"]
    for file, mode in zip(files, (0o600, 0o644), strict=True):
        file.touch()
        file.chmod(mode)
    assert access.unreadable(files, accounts.service) == files[:1]


def test_shared_memory_that_is_there_is_no_problem_and_without_it_the_mount_is_told(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = find_accounts().service
    assert access.check_shared_memory(service) == []
    monkeypatch.setattr(access, "_SHARED_MEMORY", str(private))
    (problem,) = access.check_shared_memory(service)
    assert f"mount -t tmpfs tmpfs {private}" in problem


@pytest.fixture
def device(private: Path) -> Path:
    """A file with the access rights of a closed /dev/fuse, in a folder that all may search."""
    path = private.parents[1] / "fuse"
    path.write_bytes(b"")
    path.chmod(0o600)
    private.parents[2].chmod(0o755)
    return path


def test_the_storage_user_alone_is_let_use_fuse_and_is_told_once(device: Path) -> None:
    accounts = find_accounts()
    (line,) = access.open_fuse(accounts, device)
    assert line == f"netboot-storage may now use {device} (setfacl -x takes it back)"
    assert rules(device) == ["user:netboot-storage:rw-"]
    assert access.open_fuse(accounts, device) == []


def test_a_fuse_that_is_open_to_all_is_left_as_it_is(device: Path) -> None:
    device.chmod(0o666)
    assert access.open_fuse(find_accounts(), device) == []
    assert rules(device) == []


def test_without_fuse_it_is_told_what_does_not_work(tmp_path: Path) -> None:
    (line,) = access.open_fuse(find_accounts(), tmp_path / "fuse")
    assert "overlays" in line
    assert "modprobe fuse" in line


def test_a_fuse_that_takes_no_rule_is_told(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Completed((), 1, "", "setfacl: Operation not supported")
    monkeypatch.setattr("netboot_site.system.run", lambda *_, **__: failing)
    (line,) = access.open_fuse(find_accounts(), device)
    assert "takes no access rule" in line
    assert "overlays" in line


def test_a_person_without_access_to_fuse_is_told_who_gives_it(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Completed((), 1, "", "")
    monkeypatch.setattr("netboot_site.system.run", lambda *_, **__: refused)
    (line,) = access.open_fuse(Accounts(STRANGER, STRANGER, STRANGER), device)
    assert "not open to nobody" in line
    assert rules(device) == []
