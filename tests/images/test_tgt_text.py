"""Reading `tgtadm --op show --mode target`."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.ports import Login, Lun, Target
from images.tgt_text import parse_targets
from netboot_site.errors import UnavailableError

GOLDEN = Path(__file__).parents[1] / "golden" / "tgt_show_target.txt"


def show(target: Target) -> str:
    """The text that tgtd writes of a target."""
    lines = [f"Target {target.tid}: {target.iqn}", "    System information:", "        Driver: iscsi",
             "        State: ready", "    I_T nexus information:"]  # fmt: skip
    for login in target.logins:
        lines += [
            f"        I_T nexus: {login.handle}",
            f"            Initiator: {login.initiator_name} alias: none",
        ]
        for number, address in enumerate(login.addresses):
            lines += [f"            Connection: {number}", f"                IP Address: {address}"]
    lines += ["    LUN information:", "        LUN: 0", "            Type: controller"]
    for lun in target.luns:
        yes = {True: "Yes", False: "No"}
        lines += [
            f"        LUN: {lun.number}", "            Type: disk", f"            SCSI ID: {lun.scsi_id}",
            f"            SCSI SN: {lun.serial}", f"            Size: {lun.size_mb} MB, Block size: 512",
            f"            Online: {yes[lun.online]}", f"            Readonly: {yes[lun.readonly]}",
            f"            Thin-provisioning: {yes[lun.thin]}",
            f"            Backing store type: {lun.backing}",
            f"            Backing store path: {lun.path}",
            "            Backing store flags: ",
        ]  # fmt: skip
    lines += ["    Account information:", *(f"        {name}" for name in target.accounts)]
    lines += ["    ACL information:", *(f"        {name}" for name in target.acl)]
    return "\n".join(lines) + "\n"


# Names that tgtd takes: anything on one line; a colon, a blank and `alias:` inside must not confuse.
words = st.text("abcxyz0189.:-_/ ", min_size=1, max_size=20).map(lambda text: f"a{text.strip()}z")
luns = st.builds(
    Lun, st.integers(1, 5), words, st.integers(0, 10**7), words, words, st.just("rdwr"),
    st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
logins = st.builds(Login, st.integers(1, 10**6).map(str), words, st.lists(words, max_size=2).map(tuple))
targets = st.builds(
    Target, st.integers(1, 2**31 - 1), words, st.lists(luns, max_size=3).map(tuple),
    st.lists(logins, max_size=2).map(tuple), st.lists(words, max_size=2).map(tuple),
    st.lists(words, max_size=3).map(tuple),
)  # fmt: skip


def lists_of_targets(min_size: int, max_size: int) -> st.SearchStrategy[list[Target]]:
    unlike = (lambda target: target.tid, lambda target: target.iqn)
    return st.lists(targets, min_size=min_size, max_size=max_size, unique_by=unlike)


def test_what_a_real_tgtd_wrote_is_read() -> None:
    first, second = parse_targets(GOLDEN.read_text())
    assert first == Target(
        1, "iqn.2026-02.local.netboot:disk1",
        (Lun(1, "/images/disk1/head-1.raw", 67, "disk1", "disk1", "rdwr", thin=True),),
        (Login("2", "iqn.2026-02.local.netboot:device.525400000007", ("10.77.0.1",)),),
        ("disk1.abcdef",), ("iqn.2026-02.local.netboot:device.525400000007",),
    )  # fmt: skip
    assert second == Target(10, "iqn.2026-02.local.netboot:disk10")


@given(lists_of_targets(0, 4))
def test_every_list_is_read_back_as_it_was_meant(found: list[Target]) -> None:
    assert parse_targets("".join(map(show, found))) == tuple(found)


@given(lists_of_targets(1, 3), st.data())
def test_half_an_answer_is_an_error_or_a_shorter_truth(found: list[Target], data: st.DataObject) -> None:
    """A list that was cut off must never show a target without its logins or its limits."""
    lines = "".join(map(show, found)).splitlines(keepends=True)
    cut = "".join(lines[: data.draw(st.integers(0, len(lines)))])
    try:
        seen = parse_targets(cut)
    except UnavailableError:
        return
    for target, whole in zip(seen, found, strict=False):
        assert (target.tid, target.iqn, target.logins, target.luns) == (
            whole.tid, whole.iqn, whole.logins, whole.luns,
        )  # fmt: skip


@given(st.text(max_size=200))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with contextlib.suppress(UnavailableError):
        parse_targets(text)


@pytest.mark.parametrize(
    "text",
    ["Target 1: a\n", "Target x: a\n", "garbage", "    indented\n", "Target 1: a\n   three blanks\n",
     "Target 1: a\n        two levels at once\n", "\n"],
)  # fmt: skip
def test_what_is_no_list_of_targets_is_refused(text: str) -> None:
    with pytest.raises(UnavailableError):
        parse_targets(text)


@pytest.mark.parametrize(
    "alias",
    ["lab1-07", "", "a: b", "none\nTarget 99: iqn.2026-02.local.netboot:evil\n    I_T nexus information:",
     "\n\n\n", "x\n        three levels\n"],
)  # fmt: skip
def test_what_a_guest_calls_itself_changes_nothing(alias: str) -> None:
    login = Login("2", "iqn.2026-02.local.netboot:device.525400000007", ("10.77.0.1",))
    target = Target(1, "iqn.x:y", (Lun(1, "/a", 5, backing="rdwr"),), (login,), ("u",), ("n",))
    assert parse_targets(show(target).replace("alias: none", f"alias: {alias}")) == (target,)


def test_an_alias_that_plays_the_servers_next_block_is_noticed() -> None:
    text = show(Target(1, "iqn.x:y", (), (Login("2", "iqn.x:me", ("10.77.0.1",)),)))
    with pytest.raises(UnavailableError):
        parse_targets(text.replace("alias: none", "alias: none\n    LUN information:\n        LUN: 7"))


def test_a_forged_target_that_stands_in_for_another_is_noticed() -> None:
    forged = "none\n            Connection: 0\n" + "".join(
        line + "\n" for line in show(Target(2, "iqn.x:other")).splitlines()
    )
    login = Login("2", "iqn.x:me", ("10.77.0.1",))
    text = show(Target(1, "iqn.x:mine", (), (login,))).replace("alias: none", f"alias: {forged}")
    with pytest.raises(UnavailableError):
        parse_targets(text + show(Target(2, "iqn.x:other")))


def test_unknown_lines_are_passed_over() -> None:
    target = Target(1, "iqn.x:y", (Lun(1, "/a", 5, backing="rdwr"),))
    text = show(target).replace(
        "    LUN information:", "    Weather information:\n        Sun: Yes\n    LUN information:"
    )
    assert parse_targets(text) == (target,)


def test_outgoing_accounts_are_not_ours() -> None:
    text = show(Target(1, "iqn.x:y", accounts=("us",))).replace(
        "        us", "        us\n        them (outgoing)"
    )
    assert parse_targets(text)[0].accounts == ("us",)
