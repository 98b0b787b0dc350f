"""What is done about trees, planned: nothing is used before it is there, and the end is what was wanted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.trees import (
    SETS,
    STORE,
    TREES,
    Action,
    Desired,
    FileSet,
    Link,
    MakeSet,
    MakeTree,
    Observed,
    Remove,
    Store,
    Tree,
    Unlink,
    is_bootloader_file,
    needless,
    plan,
    serial_name,
)

PATHS = st.sampled_from(
    ["start4.elf", "kernel8.img", "overlays/a.dtbo", "pieeprom.upd", "Kernel8.IMG", "a", "a/b"]
)
FILES = st.dictionaries(PATHS, st.sampled_from("12345678").map(lambda digit: digit * 64), max_size=5)
MACS = ("b8:27:eb:00:00:01", "b8:27:eb:00:00:02", "dc:a6:32:00:00:03")
TREE = st.builds(
    lambda mac, files, text, update: Tree.of(
        mac, FileSet.of(files), {"config.txt": text}, FileSet.of(files).update if update else None
    ),
    st.sampled_from(MACS), FILES, st.sampled_from(["x", "y"]), st.booleans(),
)  # fmt: skip


@st.composite
def desires(draw: st.DrawFn) -> Desired:
    trees = {tree.mac: tree for tree in draw(st.lists(TREE, max_size=3))}.values()
    names = {tree.mac.replace(":", "-"): f"{TREES}/{tree.name}" for tree in trees}
    further = draw(st.lists(FILES.map(FileSet.of), max_size=1))
    root = {f"root-{one.digest[:4]}": f"{SETS}/{one.digest}/bootcode.bin" for one in further}
    return Desired.of(trees, {**names, **root}, further)


def carry_out(action: Action, seen: Observed) -> None:
    """On the observation alone; it refuses what could not be done on a disk."""
    match action:
        case Unlink(name):
            del seen.names[name]
        case Store(sha256):
            seen.store.add(sha256)
        case MakeSet(file_set):
            assert seen.store.issuperset(file_set.linked.values())
            seen.sets.add(file_set.digest)
        case MakeTree(tree):
            assert tree.file_set.digest in seen.sets
            assert seen.store.issuperset(tree.extra.values())
            seen.trees.add(tree.name)
        case Link(name, target):
            folder, inner = target.split("/")[:2]
            assert inner in (seen.trees if folder == TREES else seen.sets)
            seen.names[name] = target
        case Remove(path):
            folder, _, name = path.partition("/")
            assert path not in seen.names.values(), "it is still served"
            seen.strays.discard(path)
            {TREES: seen.trees, SETS: seen.sets, STORE: seen.store}[folder].discard(name)


@given(st.lists(desires(), min_size=1, max_size=4), st.data())
def test_every_history_ends_at_what_is_wanted_and_rests_there(
    wishes: list[Desired], data: st.DataObject
) -> None:
    """Each wish is cut off anywhere, but the last."""
    seen = Observed()
    for desired in wishes:
        actions = plan(desired, seen, needless(desired, seen))
        for action in actions[: data.draw(st.integers(0, len(actions)))]:
            carry_out(action, seen)
    for _ in range(2):
        for action in plan(wishes[-1], seen, needless(wishes[-1], seen)):
            carry_out(action, seen)
    assert plan(wishes[-1], seen, needless(wishes[-1], seen)) == []
    assert seen.names == dict(wishes[-1].names)
    assert (seen.trees, seen.sets) == (set(wishes[-1].trees), set(wishes[-1].sets))


@given(desires(), desires())
def test_what_is_not_wanted_any_more_is_unlinked_before_anything_else(old: Desired, new: Desired) -> None:
    seen = Observed()
    for action in plan(old, seen):
        carry_out(action, seen)
    actions = plan(new, seen)
    gone = old.names.keys() - new.names.keys()
    assert {action.name for action in actions[: len(gone)] if isinstance(action, Unlink)} == gone
    owners = {tree.mac.replace(":", "") for tree in new.trees.values()}
    removed = [action.path for action in actions if isinstance(action, Remove)]
    left = [f"{TREES}/{name}" for name in old.trees if name.partition("-")[0] not in owners]
    assert sorted(removed) == sorted(left), "a secret of a device that is gone does not wait"


@given(FILES)
def test_a_set_never_gives_a_bootloader_away_and_can_lie_in_a_folder(files: dict[str, str]) -> None:
    made = FileSet.of(files)
    assert not [path for path in made.linked if is_bootloader_file(path)]
    assert all(is_bootloader_file(path) for path in made.update)
    folders = {
        "/".join(path.split("/")[:count]) for path in made.linked for count in range(1, path.count("/") + 1)
    }
    assert not folders & made.linked.keys()
    assert FileSet.of(dict(reversed(files.items()))) == made


def test_two_sets_that_differ_only_in_bootloader_files_are_one_on_the_disk() -> None:
    one, other = (FileSet.of({"kernel8.img": "1" * 64, **more}) for more in ({}, {"recovery.bin": "2" * 64}))
    assert one.digest == other.digest


def test_bootloader_files_are_known_by_name() -> None:
    names = ["recovery.bin", "recovery.elf", "recovery7.img", "pieeprom.upd", "pieeprom.sig", "PIEEPROM.BIN",
             "vl805.bin", "vl805.sig", "bootloader.img", "recover4.elf"]  # fmt: skip
    assert [name for name in names if not is_bootloader_file(name)] == []
    assert [name for name in ("start4.elf", "kernel8.img", "bootcode.bin") if is_bootloader_file(name)] == []


def test_a_serial_s_name_is_its_last_eight_digits() -> None:
    assert serial_name("100000001C2D3E4F") == serial_name("1c2d3e4f") == "1c2d3e4f"
    assert [serial_name(bad) for bad in ("", "1c2d3e4", "../../..", "VMware-56 4d", "1c2d3e4f0")] == [""] * 5
