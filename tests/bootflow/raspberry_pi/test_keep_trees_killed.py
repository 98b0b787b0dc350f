"""The process that keeps the trees is killed at any change that it makes, its folder is tampered with, its
disk is full: what is served is whole at any time, and the next round mends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from bootflow.models import PiTree
from bootflow.raspberry_pi import folder as folder_module
from bootflow.raspberry_pi.keeping import GRACE_SECONDS, LOOK_PERIOD_SECONDS, TreeKeeper
from devices.models import Device
from images.models import BlobPart, Export, Image
from tests.bootflow.raspberry_pi.conftest import (
    MAC,
    PLACE,
    SERIAL,
    STOCK_FILES,
    Time,
    give,
    head_of,
    no_waiting_system,
    read_partition,
    tree_of,
)
from tests.images.rows import publish

FEW = {"bootcode.bin": b"b", "kernel8.img": b"k" * 3_000_000, "overlays/README": b"r"}
NAMES = (SERIAL, MAC.replace(":", "-"))
CHANGES = {"os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "open"}


def killed_at(root: Path, number: int) -> bool:
    """A process that makes a round and is killed at one of its changes; whether it was."""
    connection.close()
    child = os.fork()
    if child == 0:
        seen = [0]

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            if event in CHANGES and str(root) in str(arguments[0]):
                seen[0] += 1
                if seen[0] > number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        TreeKeeper(root, PLACE, no_waiting_system).round()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def assert_whole(root: Path, *kernels: bytes) -> None:
    """Whatever name is there leads to a whole tree."""
    for name in NAMES:
        if (root / name).is_symlink():
            assert (root / name / "kernel8.img").read_bytes() in kernels
            assert "iscsi_password=" in (root / name / "cmdline.txt").read_text()
            assert (root / name / "overlays/README").read_bytes() == b"r"


def assert_mended(root: Path, kernel: bytes) -> None:
    clock = Time()
    keeper = TreeKeeper(root, PLACE, no_waiting_system, clock)
    keeper.round()
    assert all((root / name).is_symlink() for name in NAMES)
    assert_whole(root, kernel)
    assert PiTree.objects.get().state != "waiting", PiTree.objects.get().last_error
    clock.now += GRACE_SECONDS + 1
    keeper.round()
    left = sorted(
        path.name for name in (".", ".store", ".sets", ".trees") for path in (root / name).iterdir()
    )
    assert [name for name in left if name.startswith((".new-", ".old-"))] == []
    counts = [len(list((root / name).iterdir())) for name in (".store", ".sets", ".trees")]
    assert counts == [3, 1, 1]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_at_any_change_while_it_makes_everything(
    tmp_path: Path, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    give(make_image(files=FEW), make_pi(MAC, SERIAL))
    root, number = tmp_path / "tftp", 0
    while killed_at(root, number):
        assert_whole(root, FEW["kernel8.img"])
        assert_mended(root, FEW["kernel8.img"])
        shutil.rmtree(root)
        number += 1
    assert number > 20, "it makes more changes than that"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_at_any_change_while_a_kernel_and_a_secret_change(
    tmp_path: Path, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    image = make_image(files=FEW)
    export = give(image, make_pi(MAC, SERIAL))
    root, number, kernels = tmp_path / "tftp", 0, [FEW["kernel8.img"], b"newer"]
    assert_mended(root, kernels[0])
    more = True
    while more:
        kernels.reverse()
        read_partition(head_of(image), {**FEW, "kernel8.img": kernels[0]})
        Export.objects.filter(pk=export.pk).update(chap_secret=f"{number:016d}")
        more = killed_at(root, number)
        assert all((root / name).is_symlink() for name in NAMES), "there is always a tree"
        assert_whole(root, *kernels)
        assert_mended(root, kernels[0])
        assert f"iscsi_password={number:016d} " in (root / SERIAL / "cmdline.txt").read_text()
        number += 1
    assert number > 10, "it makes more changes than that"


def tamperings() -> dict[str, Callable[[Path, Path], None]]:
    def replaced(path: Path, other: Path) -> None:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        path.symlink_to(other)

    return {
        "the whole root is gone": lambda root, _: shutil.rmtree(root),
        "the store is gone": lambda root, _: shutil.rmtree(root / ".store"),
        "the sets are gone": lambda root, _: shutil.rmtree(root / ".sets"),
        "the trees are gone": lambda root, _: shutil.rmtree(root / ".trees"),
        "a name is gone": lambda root, _: (root / SERIAL).unlink(),
        "a name leads out": lambda root, other: replaced(root / SERIAL, other),
        "the store leads out": lambda root, other: replaced(root / ".store", other),
        "the sets lead out": lambda root, other: replaced(root / ".sets", other),
        "the trees lead out": lambda root, other: replaced(root / ".trees", other),
        "a set leads out": lambda root, other: replaced(next((root / ".sets").iterdir()), other),
        "a tree leads out": lambda root, other: replaced(next((root / ".trees").iterdir()), other),
        "a file of the tree leads out": lambda root, other: replaced(
            (root / SERIAL).resolve() / "kernel8.img", other / "precious"
        ),
        "the line is another": lambda root, _: (root / SERIAL / "cmdline.txt").write_text("evil\n").__str__(),
        "the line is open to all": lambda root, _: (root / SERIAL / "cmdline.txt").chmod(0o644),
        "a content is another": lambda root, _: (root / SERIAL / "kernel8.img").write_bytes(b"x").__str__(),
        "a file more": lambda root, _: (root / SERIAL / "recovery.bin").write_bytes(b"x").__str__(),
        "a file in a set more": lambda root, _: (root / SERIAL / "overlays/x").write_bytes(b"x").__str__(),
        "a name is a folder": lambda root, _: ((root / SERIAL).unlink(), (root / SERIAL).mkdir()).__str__(),
        "the store is a file": lambda root, _: (
            shutil.rmtree(root / ".store"), (root / ".store").write_text("x")
        ).__str__(),  # type: ignore[func-returns-value]
    }  # fmt: skip


@pytest.mark.parametrize("what", list(tamperings()))
def test_everything_comes_back_and_nothing_of_others_is_touched(
    keeper: TreeKeeper, clock: Time, tmp_path: Path, make_pi: Callable[..., Device],
    make_image: Callable[..., Image], what: str,
) -> None:  # fmt: skip
    give(make_image(files=FEW), make_pi(MAC, SERIAL))
    keeper.round()
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").write_text("precious")
    (other / ("a" * 64)).write_text("precious")
    root = keeper.folder.root
    tamperings()[what](root, other)
    clock.now += LOOK_PERIOD_SECONDS
    keeper.round()
    assert_whole(root, FEW["kernel8.img"])
    assert all((root / name).is_symlink() for name in NAMES)
    assert sorted(path.name for path in (root / SERIAL).iterdir()) == [
        "bootcode.bin", "cmdline.txt", "config.txt", "kernel8.img", "overlays"]  # fmt: skip
    assert [oct((root / SERIAL / name).stat().st_mode & 0o777) for name in ("cmdline.txt",)] == ["0o640"]
    clock.now += GRACE_SECONDS
    keeper.round()
    assert sorted(path.name for path in (root / SERIAL / "overlays").iterdir()) == ["README", "readme"]
    assert sorted(path.read_text() for path in other.iterdir()) == ["precious", "precious"]
    assert sorted(path.name for path in root.iterdir() if not path.name.startswith(".")) == sorted(
        [*NAMES, "bootcode.bin"]
    )


def test_a_root_that_is_gone_comes_back_in_the_next_round(
    keeper: TreeKeeper, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    give(make_image(files=FEW), make_pi(MAC, SERIAL))
    keeper.round()
    shutil.rmtree(keeper.folder.root)
    keeper.round()
    assert all((keeper.folder.root / name).is_symlink() for name in NAMES)


def test_what_other_people_put_into_the_root_stays(
    keeper: TreeKeeper, clock: Time, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    root = keeper.folder.root
    (root / "mine").mkdir(parents=True)
    (root / "mine/file").write_text("mine")
    (root / "deadbeef").symlink_to("mine")
    (root / "undionly.kpxe").write_text("loader")
    (root / SERIAL).mkdir()
    (root / SERIAL / "start4.elf").write_text("by hand")
    give(make_image(files=FEW), make_pi(MAC, SERIAL))
    keeper.round()
    clock.now += GRACE_SECONDS + 1
    keeper.round()
    assert (root / "deadbeef/file").read_text() == "mine"
    assert (root / "undionly.kpxe").read_text() == "loader"
    assert (root / ".aside" / f"{SERIAL}.1" / "start4.elf").read_text() == "by hand"
    assert_whole(root, FEW["kernel8.img"])


@pytest.fixture
def little_room(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "little"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("to mount a small file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_without_room_the_old_tree_is_served_and_the_rest_follows_when_there_is(
    little_room: Path, clock: Time, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    keeper = TreeKeeper(little_room / "tftp", PLACE, no_waiting_system, clock)
    image, pi = make_image(files={**FEW, "kernel8.img": b"small"}), make_pi(MAC, SERIAL)
    give(image, pi)
    keeper.round()
    read_partition(head_of(image), FEW)  # 3 MB
    assert "no room left" in keeper.round()
    assert_whole(keeper.folder.root, b"small")
    row = tree_of(pi)
    assert (row.state, "no room left" in row.last_error) == ("waiting", True)
    clock.now += GRACE_SECONDS + 1
    keeper.round()
    assert_whole(keeper.folder.root, b"small")
    subprocess.run(["mount", "-o", "remount,size=20m", str(little_room)], check=True)
    clock.now += LOOK_PERIOD_SECONDS
    assert keeper.round() == "There are no packages."
    assert_whole(keeper.folder.root, FEW["kernel8.img"])
    assert tree_of(pi).last_error == ""


def test_a_content_that_is_damaged_in_the_database_hurts_its_own_set_alone(
    keeper: TreeKeeper, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    good, bad = make_pi(MAC, SERIAL), make_pi("dc:a6:32:11:22:33", "1c2d3e4f")
    give(make_image("good", FEW), good)
    give(make_image("bad", {**FEW, "kernel8.img": b"damaged"}), bad)
    BlobPart.objects.filter(data=b"damaged").update(data=b"DAMAGED")
    assert "damaged" in keeper.round()
    assert_whole(keeper.folder.root, FEW["kernel8.img"])
    assert (tree_of(good).state, tree_of(bad).state) == ("incomplete", "waiting")
    assert "is damaged; read or upload it anew" in tree_of(bad).last_error
    assert not (keeper.folder.root / "1c2d3e4f").exists()


def test_a_round_that_takes_long_lets_others_have_their_turn_and_goes_on(
    keeper: TreeKeeper, clock: Time, make_pi: Callable[..., Device], make_image: Callable[..., Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pi = make_pi(MAC, SERIAL)
    give(make_image(files=STOCK_FILES), pi)
    write = folder_module._write_blob

    def slowly(path: Path, sha256: str) -> str:
        clock.now += 4
        return write(path, sha256)

    monkeypatch.setattr(folder_module, "_write_blob", slowly)
    rounds = 0
    while not PiTree.objects.filter(state="ready").exists():
        keeper.round()
        rounds += 1
        assert rounds < 10, tree_of(pi).last_error
    assert rounds > 3
    assert len(list((keeper.folder.root / ".store").iterdir())) == len(STOCK_FILES) - 3


def test_a_hundred_pis_with_one_image_share_its_files(
    keeper: TreeKeeper, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    """Each costs its folder, its links, its names and two small files: no content is there twice."""
    image = make_image(files=FEW)
    read_partition(publish(image).layer, FEW)
    for number in range(100):
        give(image, make_pi("", f"{number + 1:08x}"), mode="overlay")
    keeper.round()
    root = keeper.folder.root
    assert PiTree.objects.filter(state="incomplete").count() == 100
    assert len(list((root / ".sets").iterdir())) == 1
    found = [path.stat() for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    sizes = {status.st_ino: status.st_size for status in found}
    assert len(sizes) == len(FEW) + 2 * 100
    assert sum(sizes.values()) < sum(map(len, FEW.values())) + 100 * 1500
    names = [path for path in root.iterdir() if path.is_symlink()]
    assert len(names) == 2 * 100 + 1
