"""plan(desired, observed): what is to be done, for every state of the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from images.convergence.actions import (
    AddPortal,
    Allow,
    BindAccount,
    CreateAccount,
    CreateDisk,
    CreateRaw,
    CreateTarget,
    DeleteAccount,
    DeletePortal,
    DeleteTarget,
    DescribeDisk,
    GrowRaw,
    RemoveFile,
    RemoveFolder,
    SetReady,
)
from images.convergence.doors import tid_for
from images.convergence.facts import Access, Desired, Door, LayerSeen, Observed, Wanted, WantedLayer
from images.convergence.plan import plan
from images.models import ImageState, LayerState
from images.ports import Disk, Login, Lun, ServerView, Target

PREFIX = "iqn.2026-02.local.netboot"
PORTAL = "10.66.0.1:3260"
GIB = 1024**3
ACCESS = Access("lab1-07", f"{PREFIX}:device.525400000007", "disk1.abcdef", "s" * 16)
OTHER = Access("lab1-08", f"{PREFIX}:device.525400000008", "disk1.fedcba", "t" * 16)
KEYS = {"disk1": 1, "disk10": 10}


@dataclass(frozen=True)
class Case:
    """An image with a raw head, and the door to it."""

    want: Wanted
    door: Door

    @property
    def iqn(self) -> str:
        return self.door.iqn

    @property
    def disk(self) -> Disk:
        return self.door.disk(self.door.top.path)


def wanted(
    image_id: str = "disk1",
    access: Access | None = ACCESS,
    *,
    state: ImageState = ImageState.READY,
    generation: int = 1,
    size_bytes: int = GIB,
    older: tuple[WantedLayer, ...] = (),
) -> Case:
    new = state == ImageState.CREATING
    head = WantedLayer(
        KEYS.get(image_id, 99), image_id, generation, f"/images/{image_id}/head-{generation}.raw",
        size_bytes=size_bytes, seen_size_bytes=0 if new else GIB,
        state=LayerState.CREATING if new else LayerState.READY,
    )  # fmt: skip
    door = Door(image_id, image_id, f"{PREFIX}:{image_id}", head, image_id, access=access, export_id=1)
    return Case(Wanted(image_id, state, generation, size_bytes, head, (*older, head)), door)


def right(case: Case, tid: int = 5, **changes: object) -> Target:
    """The target just as it should be."""
    disk, door = case.disk, case.door
    lun = Lun(1, disk.path, door.size_mb, disk.scsi_id, disk.serial, "rdwr", thin=True)
    accounts = (door.access.chap_username,) if door.access else ()
    acl = (door.access.initiator_name,) if door.access else ()
    return replace(Target(tid, door.iqn, (lun,), (), accounts, acl), **changes)  # type: ignore[arg-type]


def world(*targets: Target, size: int | None = GIB, files: dict[int, LayerSeen] | None = None) -> Observed:
    accounts = frozenset(name for target in targets for name in target.accounts)
    seen = {KEYS["disk10"]: LayerSeen(GIB)} | ({KEYS["disk1"]: LayerSeen(size)} if size is not None else {})
    folders = frozenset({"disk1"} if size is not None else ())
    view = ServerView(targets, accounts, (PORTAL,))
    return Observed(view, files if files is not None else seen, {}, folders)


def desired_of(*cases: Case) -> Desired:
    """Images that are to go have no door."""
    doors = (case.door for case in cases if case.want.state != ImageState.DELETING)
    return Desired(PREFIX, PORTAL, tuple(case.want for case in cases), tuple(doors))


def steps(observed: Observed, *cases: Case) -> tuple[object, ...]:
    return plan(desired_of(*cases), observed)


STRANGER = Target(
    77, "iqn.2001-01.com.example:theirs", (Lun(1, "/dev/theirs", 9),), (), ("their-user",), ("ALL",)
)


def test_a_world_that_is_right_is_left_alone() -> None:
    want = wanted()
    assert steps(world(right(want), STRANGER), want) == ()


def test_a_new_image_gets_a_file_and_a_target_that_lets_nobody_in() -> None:
    want = wanted(access=None, state=ImageState.CREATING)
    tid = tid_for(want.iqn, set())
    assert steps(world(STRANGER, size=None), want) == (
        SetReady(ready=False),
        CreateRaw("disk1", "/images/disk1/head-1.raw", GIB),
        CreateTarget("disk1", tid, want.iqn),
        CreateDisk("disk1", tid, want.disk),
        DescribeDisk("disk1", tid, want.disk),
        SetReady(ready=True),
    )


def test_a_fresh_server_is_offline_until_the_account_guards_the_door() -> None:
    want = wanted()
    tid = tid_for(want.iqn, set())
    empty = Observed(ServerView(portals=("0.0.0.0:3260", "[::]:3260")), world().files)
    assert steps(empty, want) == (
        SetReady(ready=False),
        DeletePortal("0.0.0.0:3260"),
        DeletePortal("[::]:3260"),
        AddPortal(PORTAL),
        CreateTarget("disk1", tid, want.iqn),
        CreateDisk("disk1", tid, want.disk),
        DescribeDisk("disk1", tid, want.disk),
        CreateAccount("disk1", "disk1.abcdef", "s" * 16),
        BindAccount("disk1", tid, "disk1.abcdef"),
        Allow("disk1", tid, ACCESS.initiator_name),
        SetReady(ready=True),
    )


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ({"acl": ()}, (Allow,)),
        ({"accounts": ()}, (CreateAccount, BindAccount)),
        ({"accounts": (), "acl": ()}, (CreateAccount, BindAccount, Allow)),
        ({"luns": ()}, (CreateDisk, DescribeDisk)),
    ],
)
def test_what_is_missing_is_added_to_the_target_that_is_there(
    missing: dict[str, object], expected: tuple[type, ...]
) -> None:
    want = wanted()
    done = steps(world(right(want, **missing)), want)
    assert tuple(type(step) for step in done) == expected
    assert {getattr(step, "tid", 5) for step in done} == {5}


def lun(**changes: object) -> Lun:
    return replace(right(wanted()).luns[0], **changes)  # type: ignore[arg-type]


WRONG = [
    {"luns": (lun(path="/images/disk10/head-1.raw"),)},
    {"luns": (lun(number=2),)},
    {"luns": (lun(size_mb=5),)},
    {"luns": (lun(), lun(number=2))},
    {"luns": (lun(backing="aio"),)},
    {"luns": (lun(online=False),)},
    {"luns": (lun(readonly=True),)},
    {"acl": (ACCESS.initiator_name, "ALL")},
    {"acl": (ACCESS.initiator_name, "10.66.0.7")},
    {"acl": (OTHER.initiator_name,)},
    {"accounts": ("disk1.fedcba",)},
    {"accounts": ("disk1.abcdef", "disk1.fedcba")},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_target_is_made_anew(wrong: dict[str, object]) -> None:
    want = wanted()
    done = steps(world(right(want, **wrong), right(wanted("disk10", None), 6)), want, wanted("disk10", None))
    assert done[0] == DeleteTarget("disk1", 5)
    assert CreateTarget("disk1", 5, want.iqn) in done
    assert done[-1] == Allow("disk1", 5, ACCESS.initiator_name)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_target_in_use_waits(wrong: dict[str, object]) -> None:
    want = wanted()
    target = right(want, logins=(Login("1", ACCESS.initiator_name),), **wrong)
    assert steps(world(target), want) == ()


def test_two_accounts_are_never_bound_at_once_and_the_old_one_goes_first() -> None:
    want = wanted(access=OTHER)
    done = steps(world(right(wanted())), want)
    assert [step for step in done if not isinstance(step, CreateDisk | DescribeDisk)] == [
        DeleteTarget("disk1", 5),
        DeleteAccount("disk1", "disk1.abcdef"),
        CreateTarget("disk1", 5, want.iqn),
        CreateAccount("disk1", "disk1.fedcba", "t" * 16),
        BindAccount("disk1", 5, "disk1.fedcba"),
        Allow("disk1", 5, OTHER.initiator_name),
    ]


@pytest.mark.parametrize("access", [None, OTHER])
def test_a_disk_that_somebody_else_is_on_gets_no_second_writer(access: Access | None) -> None:
    login = Login("1", ACCESS.initiator_name)
    bare = Target(5, f"{PREFIX}:disk1", right(wanted()).luns, (login,))
    assert steps(world(bare), wanted(access=access)) == ()
    assert steps(world(right(wanted(), logins=(login,))), wanted(access=access)) == ()


def test_an_unassigned_disk_lets_nobody_in_any_more() -> None:
    done = steps(world(right(wanted())), wanted(access=None))
    assert [type(step) for step in done] == [
        DeleteTarget,
        DeleteAccount,
        CreateTarget,
        CreateDisk,
        DescribeDisk,
    ]


def test_a_deleted_image_goes_target_first_and_not_while_it_is_in_use() -> None:
    want = wanted(access=None, state=ImageState.DELETING)
    assert steps(world(right(want)), want) == (DeleteTarget("disk1", 5), RemoveFolder("disk1", "disk1"))
    assert steps(world(right(want, logins=(Login("1", "x"),))), want) == ()
    assert steps(world(size=None), want) == ()


@pytest.mark.parametrize("state", [ImageState.READY, ImageState.FAILED, ImageState.IMPORTING])
def test_a_lost_file_is_never_replaced_by_an_empty_disk(state: ImageState) -> None:
    want = wanted(state=state)
    assert steps(world(right(want), size=None), want) == (DeleteTarget("disk1", 5),)
    assert steps(world(right(want, logins=(Login("1", ACCESS.initiator_name),)), size=None), want) == ()


@pytest.mark.parametrize("size", [0, GIB - 512, 2 * GIB])
def test_a_file_that_shrank_or_is_another_one_is_not_touched(size: int) -> None:
    done = steps(world(size=size), wanted())
    assert done == ()


def test_a_disk_that_is_to_be_larger_grows_and_is_exported_anew() -> None:
    want = wanted(size_bytes=2 * GIB)
    done = steps(world(right(wanted())), want)
    assert done[:2] == (DeleteTarget("disk1", 5), GrowRaw("disk1", "/images/disk1/head-1.raw", 2 * GIB))
    busy = right(wanted(), logins=(Login("1", ACCESS.initiator_name),))
    assert steps(world(busy), want) == (GrowRaw("disk1", "/images/disk1/head-1.raw", 2 * GIB),)


def test_an_older_content_goes_when_nothing_serves_it_any_more() -> None:
    old = replace(wanted().door.top, pk=2, state=LayerState.DELETING)
    case = wanted(generation=2, older=(old,))
    seen = {1: LayerSeen(GIB), 2: LayerSeen(GIB)}
    served = right(wanted(), logins=(Login("1", ACCESS.initiator_name),))
    assert steps(world(served, files=seen), case) == ()
    assert steps(world(right(case), files=seen), case) == (RemoveFile("disk1", old.path),)


def test_a_frozen_layer_that_is_no_head_any_more_is_never_removed() -> None:
    old = replace(wanted().door.top, pk=2, frozen=True)
    case = wanted(generation=2, older=(old,))
    seen = {1: LayerSeen(GIB), 2: LayerSeen(GIB, sealed=True)}
    assert steps(world(right(case), files=seen), case) == ()


def test_targets_of_ours_without_an_image_go_and_those_in_use_stay() -> None:
    stray = right(wanted("ghost"), 9)
    assert [type(step) for step in steps(world(stray, STRANGER))] == [DeleteTarget, DeleteAccount]
    assert steps(world(right(wanted("ghost"), logins=(Login("1", "x"),)), STRANGER)) == ()


def test_a_name_that_begins_like_ours_is_not_ours() -> None:
    near = Target(9, f"{PREFIX}2:disk1", (), (), (), ("ALL",))
    assert steps(world(near)) == ()


def test_leftover_accounts_go_and_those_of_others_stay() -> None:
    server = ServerView((), frozenset({"disk1.abcdef", "backup", "Somebody.Else"}), (PORTAL,))
    assert [step.name for step in steps(Observed(server, {})) if isinstance(step, DeleteAccount)] == [
        "disk1.abcdef"
    ]


def test_without_a_server_files_are_still_made() -> None:
    want = wanted(state=ImageState.CREATING)
    assert steps(Observed(None, {}), want) == (CreateRaw("disk1", "/images/disk1/head-1.raw", GIB),)


def test_a_server_left_offline_by_a_killed_worker_becomes_ready() -> None:
    want = wanted()
    observed = world(right(want))
    assert observed.server is not None
    offline = Observed(replace(observed.server, ready=False), observed.files)
    assert steps(offline, want) == (SetReady(ready=True),)


def test_target_numbers_are_stable_and_give_way() -> None:
    number = tid_for("iqn.a:b", set())
    assert number == tid_for("iqn.a:b", set())
    assert tid_for("iqn.a:b", {number}) == number + 1
    assert 0 < number < 2**31


def test_a_serial_names_its_image_however_long_that_name_is() -> None:
    serials = {wanted("a" * 62 + end).disk.serial for end in "bc"} | {wanted().disk.serial}
    assert "disk1" in serials
    assert len(serials) == 3
    assert all(len(serial) <= 36 for serial in serials)
    assert Path(wanted().disk.path).is_absolute()
