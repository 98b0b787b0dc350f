"""What every store of layers must do: one suite for the fake and for the real qemu tools."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.ports import LayerFile, LayerStore
from images.qemu import QemuLayerStore
from images.qemu_files import virtual_size
from netboot_site.errors import ConflictError, UnavailableError, ValidationError
from netboot_site.system import has_io_uring
from tests.images.fake_layers import BrokenLayerStore, FakeLayerStore

SIZE = 8 * 1024 * 1024
PATTERN = b"golden" * 1000


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real_qemu_storage)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LayerStore]:
    run_path = tmp_path / "run"
    store = FakeLayerStore(run_path) if request.param == "fake" else QemuLayerStore(run_path)
    yield store
    for name in store.observe():
        store.stop(name)


@pytest.fixture
def base(tmp_path: Path) -> LayerFile:
    """A frozen raw layer that begins with a pattern."""
    path = tmp_path / "images" / "disk1" / "head-1.raw"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(PATTERN)
        file.truncate(SIZE)
    path.chmod(0o444)
    return LayerFile(str(path), "raw")


@pytest.fixture
def layer(store: LayerStore, base: LayerFile) -> LayerFile:
    """An empty layer over it."""
    return make_layer(store, base, 2)


def make_layer(store: LayerStore, parent: LayerFile, number: int, size: int = SIZE) -> LayerFile:
    path = Path(parent.path).with_name(f"layer-{number}.qcow2")
    store.create(str(path), size, parent)
    return LayerFile(str(path), "qcow2")


def mode_of(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_a_new_store_serves_nothing(store: LayerStore) -> None:
    assert store.observe() == {}


def test_a_layer_is_made_whole_private_and_of_its_size(store: LayerStore, layer: LayerFile) -> None:
    assert virtual_size(layer.path) == SIZE
    assert mode_of(layer.path) == 0o600
    assert {entry.name for entry in Path(layer.path).parent.iterdir()} == {"head-1.raw", "layer-2.qcow2"}


def test_a_layer_may_lie_in_another_images_folder(store: LayerStore, base: LayerFile, tmp_path: Path) -> None:
    path = tmp_path / "images" / "disk2" / "layer-1.qcow2"
    store.create(str(path), SIZE, base)
    chain = [LayerFile(str(path), "qcow2"), base]
    assert Path(store.serve("e1", chain).path).stat().st_size == SIZE


def test_a_layer_that_is_there_stays_as_it_is(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    before = Path(layer.path).stat()
    store.create(layer.path, 2 * SIZE, base)
    assert Path(layer.path).stat() == before


def test_a_layer_stands_on_something(store: LayerStore, base: LayerFile) -> None:
    gone = LayerFile(f"{base.path}.gone", "raw")
    with pytest.raises(ConflictError):
        make_layer(store, gone, 2)
    assert not Path(base.path).with_name("layer-2.qcow2").exists()


def test_a_layer_grows_and_never_shrinks(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    store.grow(layer.path, 2 * SIZE)
    assert virtual_size(layer.path) == 2 * SIZE
    store.grow(layer.path, SIZE)
    assert virtual_size(layer.path) == 2 * SIZE
    assert Path(store.serve("e1", [layer, base]).path).stat().st_size == 2 * SIZE


def test_a_layer_that_is_served_does_not_grow(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    store.serve("e1", [layer, base])
    with pytest.raises(ConflictError):
        store.grow(layer.path, 2 * SIZE)
    assert virtual_size(layer.path) == SIZE


def test_a_frozen_layer_can_be_read_by_all_that_may_reach_it(store: LayerStore, layer: LayerFile) -> None:
    store.freeze(layer.path)
    store.freeze(layer.path)
    assert mode_of(layer.path) == 0o444


@pytest.mark.parametrize("verb", ["freeze", "grow"])
def test_a_layer_that_is_gone_is_a_conflict(store: LayerStore, tmp_path: Path, verb: str) -> None:
    arguments = (SIZE,) if verb == "grow" else ()
    with pytest.raises(ConflictError):
        getattr(store, verb)(str(tmp_path / "gone.qcow2"), *arguments)


def test_what_is_served_is_shown(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    served = store.serve("e1", [layer, base])
    assert (served.name, served.top) == ("e1", layer.path)
    assert (served.alive, served.writable, served.paused) == (True, True, False)
    assert Path(served.path).stat().st_size == SIZE
    assert store.observe() == {"e1": served}


def test_each_start_has_a_path_of_its_own(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    first = store.serve("e1", [layer, base])
    second = store.serve("e1", [layer, base])
    assert first.path != second.path
    assert not Path(first.path).exists()
    assert store.observe() == {"e1": second}


def test_one_version_is_served_to_many(store: LayerStore, base: LayerFile) -> None:
    for number in range(2, 7):
        store.serve(f"e{number}", [make_layer(store, base, number), base])
    assert [(name, one.alive) for name, one in store.observe().items()] == [
        (f"e{number}", True) for number in range(2, 7)
    ]


def test_one_layer_has_one_writer(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    first = store.serve("e1", [layer, base])
    with pytest.raises(ConflictError):
        store.serve("e2", [layer, base])
    assert store.observe() == {"e1": first}


def test_a_chain_can_be_served_for_reading_alone(
    store: LayerStore, base: LayerFile, layer: LayerFile
) -> None:
    store.freeze(layer.path)
    for name in ("e1", "e2"):
        assert not store.serve(name, [layer, base], writable=False).writable
    assert [one.writable for one in store.observe().values()] == [False, False]


def test_a_chain_with_a_missing_layer_is_not_served(store: LayerStore, base: LayerFile) -> None:
    gone = LayerFile(f"{base.path}.gone", "raw")
    layer = make_layer(store, base, 2)
    with pytest.raises(ConflictError):
        store.serve("e1", [layer, gone])
    assert store.observe() == {}


@pytest.mark.parametrize("name", ["", "../e1", "E1", "a" * 17, "-e", ".lock"])
def test_a_name_that_is_no_folder_of_ours_is_refused(store: LayerStore, base: LayerFile, name: str) -> None:
    with pytest.raises(ValidationError):
        store.serve(name, [base], writable=False)


def test_a_snapshot_takes_the_writes_from_then_on(
    store: LayerStore, base: LayerFile, layer: LayerFile
) -> None:
    served = store.serve("e1", [layer, base])
    upper = make_layer(store, layer, 3)
    store.snapshot("e1", upper)
    store.snapshot("e1", upper)
    shown = store.observe()["e1"]
    assert (shown.path, shown.top, shown.alive) == (served.path, upper.path, True)
    store.freeze(layer.path)


def test_what_is_below_a_snapshot_can_carry_others(
    store: LayerStore, base: LayerFile, layer: LayerFile
) -> None:
    store.serve("e1", [layer, base])
    store.snapshot("e1", make_layer(store, layer, 3))
    store.freeze(layer.path)
    other = make_layer(store, layer, 4)
    assert store.serve("e2", [other, layer, base]).alive


def test_a_snapshot_needs_its_layer_and_somebody_served(
    store: LayerStore, base: LayerFile, layer: LayerFile
) -> None:
    with pytest.raises(ConflictError):
        store.snapshot("e1", layer)
    served = store.serve("e1", [layer, base])
    with pytest.raises(ConflictError):
        store.snapshot("e1", LayerFile(f"{layer.path}.gone", "qcow2"))
    assert store.observe() == {"e1": served}


def test_what_is_stopped_is_gone(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    served = store.serve("e1", [layer, base])
    store.stop("e1")
    store.stop("e1")
    assert store.observe() == {}
    assert not Path(served.path).exists()
    assert store.serve("e2", [layer, base]).alive, "its layer is free again"


def test_a_paused_disk_is_shown_and_goes_on(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    served = store.serve("e1", [layer, base])
    store.pause("e1")
    store.pause("e1")
    assert store.observe()["e1"].paused
    with pytest.raises(ConflictError):
        store.snapshot("e1", make_layer(store, layer, 3))
    store.resume("e1")
    store.resume("e1")
    assert store.observe() == {"e1": served}


def test_many_disks_are_paused_at_once_or_none(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    other = make_layer(store, base, 3)
    store.serve("e1", [layer, base])
    store.serve("e2", [other, base])
    with pytest.raises(ConflictError):
        store.pause("e1", "e2", "e3")
    assert not any(served.paused for served in store.observe().values())
    store.pause("e1", "e2")
    assert [served.paused for served in store.observe().values()] == [True, True]


def test_a_paused_disk_can_be_stopped(store: LayerStore, base: LayerFile, layer: LayerFile) -> None:
    store.serve("e1", [layer, base])
    store.pause("e1")
    store.stop("e1")
    assert store.observe() == {}


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_what_is_not_served_cannot_be_paused(store: LayerStore, verb: str) -> None:
    with pytest.raises(ConflictError):
        getattr(store, verb)("e1")


def test_a_broken_store_says_so(tmp_path: Path) -> None:
    broken = BrokenLayerStore(tmp_path)
    with pytest.raises(UnavailableError):
        broken.observe()
    with pytest.raises(UnavailableError):
        broken.serve("e1", [])


@pytest.mark.real_qemu_storage
@pytest.mark.parametrize("allowed", [True, False])
def test_it_serves_with_and_without_io_uring(
    tmp_path: Path, base: LayerFile, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    monkeypatch.setattr("images.qemu_nodes.has_io_uring", lambda: allowed and has_io_uring())
    store = QemuLayerStore(tmp_path / "run")
    served = store.serve("e1", [make_layer(store, base, 2), base])
    try:
        assert Path(served.path).read_bytes()[: len(PATTERN)] == PATTERN
    finally:
        store.stop("e1")


def test_a_reader_that_shares_keeps_nobody_from_writing(store: LayerStore, base: LayerFile) -> None:
    top = make_layer(store, base, 3)
    reader = store.serve("j1", [top, base], writable=False, shared=True)
    writer = store.serve("e1", [top, base])
    with Path(writer.path).open("r+b") as file:
        file.write(b"written")
    assert {one.name for one in store.observe().values() if one.alive} == {"j1", "e1"}
    assert not reader.writable
    store.stop("j1")
    assert store.observe()["e1"].alive
