"""What only the real qemu tools can show: bytes, kills at each step, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from images import qemu_files, qemu_serving, qmp
from images.ports import LayerFile, Served
from images.qemu import QemuLayerStore
from images.qemu_notes import mounts_below, read_note
from netboot_site import processes, system
from netboot_site.errors import ConflictError, UnavailableError

pytestmark = pytest.mark.real_qemu_storage
SIZE = 16 * 1024 * 1024
BLOCK = 4096


@pytest.fixture
def store(tmp_path: Path) -> Iterator[QemuLayerStore]:
    yield QemuLayerStore(tmp_path / "run")
    qemu_serving.clear_all(tmp_path / "run")
    assert mounts_below(tmp_path) == [], "the test left mounts"


@pytest.fixture
def base(tmp_path: Path) -> LayerFile:
    path = tmp_path / "images" / "disk1" / "head-1.raw"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(b"B" * BLOCK)
        file.truncate(SIZE)
    path.chmod(0o444)
    return LayerFile(str(path), "raw")


def make_layer(store: QemuLayerStore, parent: LayerFile, number: int) -> LayerFile:
    path = Path(parent.path).with_name(f"layer-{number}.qcow2")
    store.create(str(path), SIZE, parent)
    return LayerFile(str(path), "qcow2")


@pytest.fixture
def layer(store: QemuLayerStore, base: LayerFile) -> LayerFile:
    return make_layer(store, base, 2)


@pytest.fixture
def served(store: QemuLayerStore, layer: LayerFile, base: LayerFile) -> Served:
    return store.serve("e1", [layer, base])


def put(path: str, block: int, letter: bytes) -> None:
    """Write a block and flush it."""
    with Path(path).open("r+b", buffering=0) as file:
        file.seek(block * BLOCK)
        assert file.write(letter * BLOCK) == BLOCK
        os.fsync(file.fileno())


def get(path: str, blocks: int = 4) -> bytes:
    """The first letter of each block; `-` for a zero."""
    with Path(path).open("rb", buffering=0) as file:
        return b"".join(file.read(BLOCK)[:1] for _ in range(blocks)).replace(b"\0", b"-")


def folder_of(served: Served) -> Path:
    return Path(served.path).parent


def pid_of(served: Served) -> int:
    process = qemu_serving.find(folder_of(served))
    assert process is not None, "nobody serves it"
    return process.pid


def kill(served: Served) -> None:
    pid = pid_of(served)
    process = processes.look(pid)
    os.kill(pid, signal.SIGKILL)
    assert process is None or processes.wait_for_end(process, 10)


def test_writes_stay_in_the_layer(served: Served, base: LayerFile, store: QemuLayerStore) -> None:
    put(served.path, 1, b"L")
    assert get(served.path) == b"BL--"
    assert get(base.path) == b"B---"
    store.stop("e1")
    again = store.serve("e1", [LayerFile(served.top, "qcow2"), base])
    assert get(again.path) == b"BL--"


def test_a_snapshot_under_an_open_file_freezes_one_layer_and_fills_the_next(
    store: QemuLayerStore, served: Served, layer: LayerFile, base: LayerFile
) -> None:
    upper = make_layer(store, layer, 3)
    with Path(served.path).open("r+b", buffering=0) as writer:
        writer.seek(BLOCK)
        writer.write(b"1" * BLOCK)
        store.snapshot("e1", upper)
        store.freeze(layer.path)
        frozen = Path(layer.path).read_bytes()
        writer.write(b"2" * BLOCK)
        os.fsync(writer.fileno())
        assert get(served.path) == b"B12-"
    assert Path(layer.path).read_bytes() == frozen
    version = store.serve("e2", [layer, base], writable=False)
    assert get(version.path) == b"B1--"


def test_a_layer_below_a_snapshot_is_held_open_for_reading_alone(
    store: QemuLayerStore, served: Served, layer: LayerFile
) -> None:
    store.snapshot("e1", make_layer(store, layer, 3))
    descriptors = Path(f"/proc/{pid_of(served)}/fd")
    held = [fd for fd in descriptors.iterdir() if str(fd.readlink()) == layer.path]
    assert len(held) == 1
    assert stat.S_IMODE(held[0].lstat().st_mode) & stat.S_IWUSR == 0, "it is open for writing"


def test_trim_and_zeroes_give_room_back(served: Served, layer: LayerFile) -> None:
    big = 4 * 1024 * 1024
    with Path(served.path).open("r+b", buffering=0) as file:
        file.write(b"x" * big)
        os.fsync(file.fileno())
        full = Path(layer.path).stat().st_blocks * 512
        file.seek(0)
        file.write(b"\0" * big)  # not bytes(big): the kernel cuts a write at pages never touched
        os.fsync(file.fileno())
    emptied = Path(layer.path).stat().st_blocks * 512
    assert full > big > 4 * emptied, f"{full} bytes full, {emptied} emptied"


def test_moved_as_a_whole_a_chain_is_still_one(
    store: QemuLayerStore, layer: LayerFile, tmp_path: Path
) -> None:
    (tmp_path / "images").rename(tmp_path / "moved")
    done = system.run(["qemu-img", "info", "--output=json", "--backing-chain",
                       str(tmp_path / "moved" / "disk1" / "layer-2.qcow2")])  # fmt: skip
    top, bottom = json.loads(done.stdout)
    assert (top["backing-filename"], top["backing-filename-format"]) == ("head-1.raw", "raw")
    assert bottom["format"] == "raw"


def test_names_of_files_in_a_header_are_not_followed(
    store: QemuLayerStore, base: LayerFile, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"S" * SIZE)
    evil = Path(base.path).with_name("layer-9.qcow2")
    system.run(["qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", str(secret), str(evil)])
    served = store.serve("e1", [LayerFile(str(evil), "qcow2"), base])
    assert get(served.path) == b"B---"
    store.stop("e1")
    store.grow(str(evil), 2 * SIZE)


def test_a_raw_layer_that_looks_like_qcow2_is_raw(store: QemuLayerStore, tmp_path: Path) -> None:
    path = tmp_path / "head-1.raw"
    path.write_bytes(b"QFI\xfb" + bytes(SIZE - 4))
    path.chmod(0o444)
    assert get(store.serve("e1", [LayerFile(str(path), "raw")], writable=False).path)[:1] == b"Q"


def test_the_socket_and_the_file_are_their_users_alone(served: Served) -> None:
    folder = folder_of(served)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("qmp", Path(served.path).name):
        assert stat.S_IMODE((folder / name).stat().st_mode) & 0o077 == 0, name


def test_a_killed_process_is_shown_dead_and_served_again_with_all_that_was_flushed(
    store: QemuLayerStore, served: Served, layer: LayerFile, base: LayerFile
) -> None:
    put(served.path, 2, b"F")
    kill(served)
    assert not store.observe()["e1"].alive
    again = store.serve("e1", [layer, base])
    assert get(again.path) == b"B-F-"
    assert mounts_below(folder_of(served)) == [again.path]


def test_a_killed_process_can_be_stopped(store: QemuLayerStore, served: Served) -> None:
    kill(served)
    store.stop("e1")
    assert store.observe() == {}
    assert not folder_of(served).exists()


def test_an_unmounted_file_is_shown_dead(store: QemuLayerStore, served: Served) -> None:
    system.run(["fusermount3", "-u", "-z", served.path])
    assert not store.observe()["e1"].alive


def test_a_number_that_another_process_has_now_is_not_taken_for_ours(
    store: QemuLayerStore, served: Served
) -> None:
    kill(served)
    path = folder_of(served) / "served.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": os.getpid()}))
    (folder_of(served) / "pid").write_text(str(os.getpid()))
    assert not store.observe()["e1"].alive
    for verb in (store.pause, store.resume):
        with pytest.raises(ConflictError):
            verb("e1")
    store.stop("e1")


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"pid": 1}'])
def test_without_its_note_the_process_itself_is_asked(
    store: QemuLayerStore, served: Served, content: str | None
) -> None:
    note = folder_of(served) / "served.json"
    note.unlink() if content is None else note.write_text(content)
    assert store.observe() == {"e1": served}
    assert read_note(folder_of(served)) is not None, "it is noted again"


def test_without_its_note_one_that_only_reads_is_told_from_one_that_writes(
    store: QemuLayerStore, layer: LayerFile, base: LayerFile
) -> None:
    served = store.serve("e1", [layer, base], writable=False)
    (folder_of(served) / "served.json").unlink()
    assert store.observe() == {"e1": served}


def test_a_process_that_does_not_answer_is_not_taken_for_a_dead_one(
    store: QemuLayerStore, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qmp, "TIMEOUT_SECONDS", 0.2)
    (folder_of(served) / "qmp").unlink()
    (folder_of(served) / "served.json").unlink()
    shown = store.observe()["e1"]
    assert (shown.alive, shown.path, shown.top) == (True, served.path, "")


def test_it_does_not_end_with_whoever_started_it(
    store: QemuLayerStore, layer: LayerFile, base: LayerFile, tmp_path: Path
) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; import django; django.setup()\n"
        "from images.qemu import QemuLayerStore; from images.ports import LayerFile\n"
        "run, top, base = sys.argv[1:]\n"
        "QemuLayerStore(Path(run)).serve('e1', [LayerFile(top, 'qcow2'), LayerFile(base, 'raw')])\n"
        "os.killpg(0, signal.SIGKILL)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "run"), layer.path, base.path]
    died = subprocess.run(argv, start_new_session=True, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    served = store.observe()["e1"]
    assert served.alive
    put(served.path, 1, b"x")


class Killed(BaseException):
    """Where a test lets the caller die."""


def die(*_: object, **__: object) -> Any:
    raise Killed


STEPS_OF_SERVE = ["netboot_site.system.run", "images.qemu_serving.find", "images.qemu_serving.write_note"]


@pytest.mark.parametrize("step", STEPS_OF_SERVE)
def test_serving_goes_well_after_a_kill_at_each_step(
    store: QemuLayerStore, layer: LayerFile, base: LayerFile, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(step, die)
        with pytest.raises(Killed):
            store.serve("e1", [layer, base])
    shown = store.observe().get("e1")
    assert shown is None or shown.alive == (step != "netboot_site.system.run"), step
    served = store.serve("e1", [layer, base])
    put(served.path, 1, b"x")
    assert len(list(processes.with_option("--pidfile", str(folder_of(served))))) == 1


def test_two_half_started_processes_are_both_ended(
    store: QemuLayerStore, layer: LayerFile, base: LayerFile
) -> None:
    served = store.serve("e1", [layer, base], writable=False)
    argv = ["qemu-storage-daemon", "--daemonize", "--pidfile", str(folder_of(served) / "pid.2")]
    assert system.run(argv).exit_code == 0
    store.stop("e1")
    assert list(processes.with_option("--pidfile", str(folder_of(served)))) == []


STEPS_OF_SNAPSHOT = {
    "before it is told": ("images.qmp.put_on_top", False),
    "after the layer was added": ("images.qmp._exported", False),
    "after it was told": ("images.qemu_serving.recover", True),
    "before its note": ("images.qemu_serving.write_note", True),
}


@pytest.mark.parametrize("step", STEPS_OF_SNAPSHOT)
def test_a_kill_in_a_snapshot_leaves_the_old_top_or_the_new_one(
    store: QemuLayerStore, served: Served, layer: LayerFile, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(served.path, 1, b"1")
    upper = make_layer(store, layer, 3)
    name, done = STEPS_OF_SNAPSHOT[step]
    with monkeypatch.context() as dying:
        dying.setattr(name, die)
        with pytest.raises(Killed):
            store.snapshot("e1", upper)
    (folder_of(served) / "served.json").unlink(missing_ok=True)
    assert store.observe()["e1"].top == (upper.path if done else layer.path)
    store.snapshot("e1", upper)
    put(served.path, 2, b"2")
    assert store.observe()["e1"].top == upper.path
    assert get(served.path) == b"B12-"


def test_a_layer_that_was_added_and_not_used_yet_is_taken_at_the_next_try(
    store: QemuLayerStore, served: Served, layer: LayerFile
) -> None:
    upper = make_layer(store, layer, 3)
    with contextlib.suppress(ConflictError):
        qmp.put_on_top(qemu_serving.socket(folder_of(served)), f"{upper.path}.gone")
    _add_only(served, upper)
    store.snapshot("e1", upper)
    assert store.observe()["e1"].top == upper.path


def _add_only(served: Served, upper: LayerFile) -> None:
    from images import qemu_nodes

    async def add(client: Any) -> None:
        await client.execute("blockdev-add", qemu_nodes.detached(upper.path))

    qmp._talk(qemu_serving.socket(folder_of(served)), add)


@pytest.mark.parametrize("step", ["sync", "qemu_img"])
def test_a_kill_while_a_layer_is_made_leaves_none(
    store: QemuLayerStore, base: LayerFile, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(qemu_files, step, die)
        with pytest.raises(Killed):
            make_layer(store, base, 2)
    assert not Path(base.path).with_name("layer-2.qcow2").exists()
    Path(base.path).with_name(".layer-2.qcow2.new").write_text("what a kill -9 leaves")
    made = make_layer(store, base, 2)
    assert qemu_files.virtual_size(made.path) == SIZE


def test_a_file_that_is_no_layer_is_not_served(store: QemuLayerStore, base: LayerFile) -> None:
    path = Path(base.path).with_name("layer-2.qcow2")
    path.write_bytes(b"no layer" * 1000)
    with pytest.raises(ConflictError) as told:
        store.serve("e1", [LayerFile(str(path), "qcow2"), base])
    assert str(path) not in str(told.value)
    assert store.observe() == {}
    with pytest.raises(ConflictError):
        store.grow(str(path), SIZE)


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        ('--blockdev {}: Failed to get "write" lock', ConflictError, "still writes"),
        ("--blockdev {}: Could not open '/x': No such file or directory", ConflictError, "not there"),
        ("--export {}: Failed to mount FUSE session to export", UnavailableError, "/dev/fuse"),
        ("/x: Could not write: No space left on device", UnavailableError, "full"),
        ("--blockdev {}: Image is corrupt", ConflictError, "damaged"),
    ],
)
def test_what_qemu_says_is_told_without_a_path(told: str, kind: type[Exception], words: str) -> None:
    error = qemu_files.refusal(told)
    assert type(error) is kind
    assert words in str(error)
    assert "/x" not in str(error)


def test_all_are_ended_at_once_and_nothing_stays(
    store: QemuLayerStore, base: LayerFile, tmp_path: Path
) -> None:
    for number in range(2, 8):
        store.serve(f"e{number}", [make_layer(store, base, number), base])
    store.pause("e2")
    kill(store.observe()["e3"])
    run_path = tmp_path / "run"
    assert qemu_serving.clear_all(run_path) == 5
    assert list(processes.with_option("--pidfile", f"{run_path}/")) == []
    assert mounts_below(run_path) == []
    assert store.observe() == {}
    assert qemu_serving.clear_all(run_path) == 0


def test_what_is_paused_can_be_let_go_on_all_at_once(
    store: QemuLayerStore, served: Served, tmp_path: Path
) -> None:
    store.pause("e1")
    qemu_serving.let_go_on(tmp_path / "run")
    put(served.path, 1, b"x")
    assert not store.observe()["e1"].paused


def test_a_paused_disk_keeps_a_writer_waiting_and_loses_nothing(
    store: QemuLayerStore, served: Served
) -> None:
    store.pause("e1")
    code = f"import os; f = os.open({served.path!r}, os.O_RDWR); os.pwrite(f, b'w' * 4096, 4096); os.fsync(f)"
    with subprocess.Popen([sys.executable, "-c", code]) as writer:
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(0.5)
        store.resume("e1")
        assert writer.wait(20) == 0
    assert get(served.path) == b"Bw--"
