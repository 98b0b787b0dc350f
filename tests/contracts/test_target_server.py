"""What every target server must do: one suite for the fake and for a real tgtd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from images.ports import Disk, ServerView, Target, TargetInUseError, TargetServer
from netboot_site.errors import ConflictError, UnavailableError, ValidationError
from tests.images.fakes import BrokenTargetServer, FakeTargetServer
from tests.images.tgtd import PORTAL, Initiator, Namespace, Tgtd

IQN = "iqn.2026-02.local.netboot:disk1"
NAME = "iqn.2026-02.local.netboot:device.525400000007"
SIZE = 64 * 1024 * 1024


@pytest.fixture(params=["fake", pytest.param("tgtd", marks=pytest.mark.real_tgtd)])
def server(request: pytest.FixtureRequest) -> Iterator[TargetServer]:
    if request.param == "fake":
        yield FakeTargetServer()
        return
    daemon = Tgtd(request.getfixturevalue("namespace"))
    yield daemon.server
    daemon.remove()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    path = tmp_path / "head-1.raw"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return Disk(str(path), "NETBOOT", "disk1", "disk1", "disk1")


@pytest.fixture
def whole(server: TargetServer, disk: Disk) -> TargetServer:
    """A server with one target, complete."""
    server.create_target(5, IQN)
    server.create_disk(5, 1, disk)
    server.describe_disk(5, 1, disk)
    server.create_account("disk1.abcdef", "s" * 16)
    server.bind_account(5, "disk1.abcdef")
    server.allow(5, NAME)
    return server


def only(server: TargetServer) -> Target:
    (target,) = server.observe().targets
    return target


def test_a_new_server_is_empty_and_ready(server: TargetServer) -> None:
    assert server.observe() == ServerView()


def test_what_was_made_is_shown(whole: TargetServer, disk: Disk) -> None:
    target = only(whole)
    assert (target.tid, target.iqn, target.logins) == (5, IQN, ())
    assert (target.accounts, target.acl) == (("disk1.abcdef",), (NAME,))
    (lun,) = target.luns
    assert (lun.number, lun.path, lun.size_mb) == (1, disk.path, 67)
    assert (lun.scsi_id, lun.serial, lun.thin, lun.backing) == ("disk1", "disk1", True, "rdwr")
    assert lun.online
    assert not lun.readonly
    assert whole.observe().accounts == {"disk1.abcdef"}


def test_a_deleted_target_takes_its_bindings_along_but_not_its_account(whole: TargetServer) -> None:
    whole.delete_target(5)
    assert whole.observe().targets == ()
    assert whole.observe().accounts == {"disk1.abcdef"}
    whole.delete_account("disk1.abcdef")
    assert whole.observe() == ServerView()


def test_an_account_can_be_bound_again_after_its_target_was_made_anew(whole: TargetServer) -> None:
    for number in range(3):
        whole.delete_target(5)
        whole.delete_account("disk1.abcdef" if number == 0 else f"disk1.00000{number - 1}")
        whole.create_target(5, IQN)
        whole.create_account(f"disk1.00000{number}", "t" * 16)
        whole.bind_account(5, f"disk1.00000{number}")
        assert only(whole).accounts == (f"disk1.00000{number}",)


def test_a_name_or_number_is_taken_once(whole: TargetServer) -> None:
    with pytest.raises(ConflictError):
        whole.create_target(6, IQN)
    with pytest.raises(ConflictError):
        whole.create_target(5, f"{IQN}0")
    with pytest.raises(ConflictError):
        whole.create_account("disk1.abcdef", "x" * 16)
    with pytest.raises(ConflictError):
        whole.allow(5, NAME)


def test_what_is_not_there_cannot_be_changed(server: TargetServer, disk: Disk) -> None:
    with pytest.raises(ConflictError):
        server.delete_target(9)
    with pytest.raises(ConflictError):
        server.create_disk(9, 1, disk)
    with pytest.raises(ConflictError):
        server.delete_account("nobody.000000")
    with pytest.raises(ConflictError):
        server.allow(9, NAME)


@pytest.mark.parametrize("path", ["", "-5", "relative.raw", "/nowhere/at/all.raw", "/tmp"])
def test_a_disk_without_a_file_is_refused(server: TargetServer, disk: Disk, path: str) -> None:
    server.create_target(5, IQN)
    with pytest.raises(ConflictError):
        server.create_disk(5, 1, replace(disk, path=path))
    assert only(server).luns == ()


def test_a_second_disk_at_one_number_is_refused(whole: TargetServer, disk: Disk) -> None:
    with pytest.raises(ConflictError):
        whole.create_disk(5, 1, disk)


def test_disk1_and_disk10_are_two(whole: TargetServer, disk: Disk) -> None:
    whole.create_target(6, f"{IQN}0")
    whole.delete_target(5)
    assert only(whole).iqn == f"{IQN}0"


def test_portals_come_and_go(server: TargetServer) -> None:
    server.add_portal(PORTAL)
    assert server.observe().portals == (PORTAL,)
    with pytest.raises(ConflictError):
        server.add_portal(PORTAL)
    server.delete_portal(PORTAL)
    assert server.observe().portals == ()
    with pytest.raises(ConflictError):
        server.delete_portal(PORTAL)


def test_it_can_be_taken_offline_and_back(server: TargetServer) -> None:
    server.set_ready(ready=False)
    assert not server.observe().ready
    server.set_ready(ready=True)
    assert server.observe().ready


@pytest.mark.parametrize("count", [0, 1, 300])
def test_all_targets_are_shown_however_many(server: TargetServer, disk: Disk, count: int) -> None:
    for tid in range(1, count + 1):
        server.create_target(tid, f"{IQN}-{tid}")
    shown = server.observe().targets
    assert [(target.tid, target.iqn) for target in shown] == [(n, f"{IQN}-{n}") for n in range(1, count + 1)]


# --- what only a real one can show --------------------------------------------------------------------------


@pytest.mark.real_tgtd
def test_a_login_is_shown_and_guards_its_target(tgtd: Tgtd, namespace: Namespace, disk: Disk) -> None:
    server = tgtd.server
    server.create_target(5, IQN)
    server.create_disk(5, 1, disk)
    server.create_account("disk1.abcdef", "s" * 16)
    server.bind_account(5, "disk1.abcdef")
    server.allow(5, NAME)
    server.add_portal(PORTAL)
    initiator = Initiator(namespace, NAME, IQN, "disk1.abcdef", "s" * 16)
    with initiator.logged_in():
        (login,) = only(server).logins
        assert (login.initiator_name, login.addresses) == (NAME, ("10.77.0.1",))
        with pytest.raises(TargetInUseError):
            server.delete_target(5)
        server.delete_portal(PORTAL)
        assert len(only(server).logins) == 1, "a session outlives its portal"
    assert only(server).logins == ()


@pytest.mark.real_tgtd
def test_offline_refuses_logins_and_ready_takes_them(tgtd: Tgtd, namespace: Namespace, disk: Disk) -> None:
    server = tgtd.server
    server.create_target(5, IQN)
    server.create_disk(5, 1, disk)
    server.create_account("disk1.abcdef", "s" * 16)
    server.bind_account(5, "disk1.abcdef")
    server.allow(5, NAME)
    server.add_portal(PORTAL)
    initiator = Initiator(namespace, NAME, IQN, "disk1.abcdef", "s" * 16)
    server.set_ready(ready=False)
    assert initiator.inquire().returncode != 0
    server.set_ready(ready=True)
    assert initiator.inquire().returncode == 0


@pytest.mark.real_tgtd
def test_after_a_restart_all_is_gone_and_logins_count_anew(tgtd: Tgtd, disk: Disk) -> None:
    tgtd.server.create_target(5, IQN)
    before = tgtd.server.observe()
    tgtd.kill()
    with pytest.raises(UnavailableError):
        tgtd.server.observe()
    with pytest.raises(UnavailableError):
        tgtd.server.create_target(6, f"{IQN}0")
    tgtd.start()
    after = tgtd.server.observe()
    assert after.targets == ()
    assert after.started != before.started


@pytest.mark.real_tgtd
def test_a_server_that_cannot_have_its_portal_listens_everywhere_and_we_see_it(namespace: Namespace) -> None:
    daemon = Tgtd(namespace, portal="192.0.2.1:3260")
    try:
        strangers = daemon.server.observe().portals
        assert set(strangers) == {"0.0.0.0:3260", "[::]:3260"}
        for portal in strangers:
            daemon.server.delete_portal(portal)
        assert daemon.server.observe().portals == ()
        with pytest.raises(ConflictError):
            daemon.server.add_portal("192.0.2.1:3260")
        assert daemon.server.observe().portals == ()
    finally:
        daemon.remove()


@pytest.mark.real_tgtd
@pytest.mark.parametrize("size", [10**6 - 512, 1_499_648, 3 * 2**20, 5 * 10**8, 8 * 2**30, 2**40 + 512])
def test_a_size_is_shown_in_the_megabytes_that_the_fake_shows(tgtd: Tgtd, disk: Disk, size: int) -> None:
    with Path(disk.path).open("r+b") as file:
        file.truncate(size)
    fake = FakeTargetServer()
    for server in (tgtd.server, fake):
        server.create_target(5, IQN)
        server.create_disk(5, 1, disk)
    assert only(tgtd.server).luns[0].size_mb == only(fake).luns[0].size_mb


@pytest.mark.real_tgtd
@pytest.mark.parametrize(
    "iqn", ["notaniqn", "iqn.2026-02.local:a,b=c", "iqn.2026-02.local:A", "", f"{IQN}{'x' * 200}"]
)
def test_a_name_that_tgtd_would_garble_never_reaches_it(tgtd: Tgtd, iqn: str) -> None:
    with pytest.raises(ValidationError):
        tgtd.server.create_target(5, iqn)
    assert tgtd.server.observe().targets == ()


@pytest.mark.real_tgtd
@pytest.mark.parametrize("secret", ["a,b", "a\nb", ""])
def test_a_secret_that_tgtadm_would_split_is_refused(tgtd: Tgtd, secret: str) -> None:
    with pytest.raises(ValidationError):
        tgtd.server.create_account("disk1.abcdef", secret)


def test_a_broken_server_says_so() -> None:
    with pytest.raises(UnavailableError):
        BrokenTargetServer().observe()
