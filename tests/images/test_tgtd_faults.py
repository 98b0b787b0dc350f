"""What goes wrong with a real tgtd, and how it mends itself."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devices.models import Device
from images import services
from images.convergence.actions import DeleteTarget
from images.convergence.apply import apply
from images.convergence.load import load_desired, observe
from images.convergence.plan import plan
from images.convergence.round import converge_node
from images.models import Export, Image, Layer, Session, StorageNode
from images.ports import Target
from tests.images.fake_layers import FakeLayerStore
from tests.images.tgtd import PORTAL, Initiator, Tgtd, wait_until

pytestmark = [pytest.mark.real_tgtd, pytest.mark.django_db(transaction=True)]
MIB = 1024 * 1024
PREFIX = "iqn.2026-02.local.netboot"


@pytest.fixture
def export(make_image: Callable[..., Image], make_device: Callable[..., Device]) -> Export:
    return services.assign_image(image=make_image("disk1", 64 * MIB), device=make_device(7))


@pytest.fixture
def rounds(node: StorageNode, tgtd: Tgtd, export: Export, store: FakeLayerStore) -> Callable[[], None]:
    """The converger, after it has made all of `export` once."""
    converge_node(node, tgtd.server, store)
    return lambda: converge_node(node, tgtd.server, store)


def target(tgtd: Tgtd, name: str = "disk1") -> Target:
    return next(each for each in tgtd.server.observe().targets if each.iqn == f"{PREFIX}:{name}")


def is_ready(export: Export) -> bool:
    export.refresh_from_db()
    return export.observed_state == "ready"


def test_twenty_disks_are_back_within_ten_seconds_of_a_killed_tgtd(
    node: StorageNode,
    tgtd: Tgtd,
    make_image: Callable[..., Image],
    make_device: Callable[..., Device],
    store: FakeLayerStore,
) -> None:
    for number in range(20):
        image = make_image(f"disk{number}", MIB)
        services.assign_image(image=image, device=make_device(number))
    converge_node(node, tgtd.server, store)
    before = tgtd.server.observe().targets
    tgtd.kill()
    converge_node(node, tgtd.server, store)
    assert not Export.objects.filter(observed_state="ready").exists()
    start = time.monotonic()
    tgtd.start()
    converge_node(node, tgtd.server, store)
    assert Export.objects.filter(observed_state="ready").count() == 20
    assert time.monotonic() - start < 10
    assert sorted(tgtd.server.observe().targets, key=lambda t: t.iqn) == sorted(before, key=lambda t: t.iqn)


@pytest.mark.parametrize(
    "damage",
    [
        ["--op", "delete", "--mode", "target", "--tid", "{tid}"],
        ["--op", "delete", "--mode", "logicalunit", "--tid", "{tid}", "--lun", "1"],
        ["--op", "unbind", "--mode", "target", "--tid", "{tid}", "--initiator-name", "{name}"],
        ["--op", "bind", "--mode", "target", "--tid", "{tid}", "--initiator-address", "ALL"],
        ["--op", "unbind", "--mode", "account", "--tid", "{tid}", "--user", "{user}"],
        ["--op", "new", "--mode", "logicalunit", "--tid", "{tid}", "--lun", "2", "-b", "{head}"],
        [
            "--op",
            "update",
            "--mode",
            "logicalunit",
            "--tid",
            "{tid}",
            "--lun",
            "1",
            "--params",
            "scsi_sn=beaf11",
        ],
        ["--op", "update", "--mode", "logicalunit", "--tid", "{tid}", "--lun", "1", "--params", "readonly=1"],
        ["--op", "update", "--mode", "logicalunit", "--tid", "{tid}", "--lun", "1", "--params", "online=0"],
        ["--op", "delete", "--mode", "portal", "--param", "portal=10.77.0.1:3260"],
        ["--op", "update", "--mode", "sys", "--name", "State", "-v", "offline"],
    ],
    ids=lambda words: " ".join(words[1:4:2] + words[-2:]),
)
def test_what_a_person_breaks_by_hand_is_mended_in_one_round(
    tgtd: Tgtd, export: Export, rounds: Callable[[], None], damage: list[str], images_path: Path
) -> None:
    before = tgtd.server.observe()
    values = {
        "tid": str(target(tgtd).tid), "name": export.initiator_name, "user": export.chap_username,
        "head": str(images_path / "disk1/head-1.raw"),
    }  # fmt: skip
    done = tgtd.adm(*(word.format(**values) for word in damage))
    assert done.returncode == 0, done.stderr
    assert tgtd.server.observe() != before
    rounds()
    assert tgtd.server.observe() == before
    assert is_ready(export)


def test_disks_of_others_are_left_as_they_are(
    tgtd: Tgtd, rounds: Callable[[], None], images_path: Path
) -> None:
    tgtd.adm("--op", "new", "--mode", "target", "--tid", "3", "-T", "iqn.2001-01.com.example:disk1")
    tgtd.adm("--op", "bind", "--mode", "target", "--tid", "3", "--initiator-address", "ALL")
    tgtd.adm("--op", "new", "--mode", "account", "--user", "backup", "--password", "their-secret-16x")
    rounds()
    theirs = next(each for each in tgtd.server.observe().targets if each.tid == 3)
    assert (theirs.iqn, theirs.acl) == ("iqn.2001-01.com.example:disk1", ("ALL",))
    assert "backup" in tgtd.server.observe().accounts


def test_a_number_that_now_belongs_to_another_disk_harms_neither(
    node: StorageNode,
    tgtd: Tgtd,
    export: Export,
    rounds: Callable[[], None],
    make_image: Callable[..., Image],
) -> None:
    """The original kept target numbers: deleting disk A by a stale one destroyed disk B."""
    other = make_image("disk10", 64 * MIB)
    rounds()
    stale = target(tgtd, "disk10").tid
    tgtd.adm("--op", "delete", "--mode", "target", "--tid", str(target(tgtd).tid))
    tgtd.adm("--op", "delete", "--mode", "target", "--tid", str(stale))
    tgtd.adm("--op", "new", "--mode", "target", "--tid", str(stale), "-T", f"{PREFIX}:disk1")
    services.delete_image(image=other)
    rounds()
    rounds()
    assert [each.iqn for each in tgtd.server.observe().targets] == [f"{PREFIX}:disk1"]
    assert is_ready(export)


def test_a_wildcard_portal_is_closed(
    node: StorageNode, tgtd: Tgtd, export: Export, store: FakeLayerStore
) -> None:
    tgtd.kill()
    tgtd.portal = "192.0.2.1:3260"  # not an address of this host: tgtd listens on all of them instead
    tgtd.start()
    assert set(tgtd.server.observe().portals) == {"0.0.0.0:3260", "[::]:3260"}
    converge_node(node, tgtd.server, store)
    assert tgtd.server.observe().portals == (PORTAL,)
    assert is_ready(export)
    listens = subprocess.run(
        tgtd.namespace.inside("ss", "-Hltn"), capture_output=True, text=True, check=True
    ).stdout
    assert "0.0.0.0:3260" not in listens
    assert "[::]:3260" not in listens


def test_a_guest_goes_on_writing_after_tgtd_was_killed_and_nothing_is_lost(
    node: StorageNode, tgtd: Tgtd, export: Export, rounds: Callable[[], None],
    initiator: Callable[[Export], Initiator],
) -> None:  # fmt: skip
    device = initiator(export)
    guest = subprocess.Popen(
        device.io_argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert guest.stdin is not None
    assert guest.stdout is not None
    guest.stdin.write("write -P 1 0 4M\nflush\n")
    guest.stdin.flush()
    assert "wrote 4194304" in guest.stdout.readline()
    rounds()
    first = Session.objects.get(ended_at=None)
    tgtd.kill()
    rounds()
    tgtd.start()
    rounds()
    guest.stdin.write("write -P 2 4M 4M\nflush\nread -P 1 0 4M\nread -P 2 4M 4M\nquit\n")
    guest.stdin.flush()
    wait_until(lambda: (rounds(), Session.objects.filter(ended_at=None).exists())[1], 30, "the guest is back")
    output, _ = guest.communicate(timeout=60)
    assert "wrote 4194304" in output, output
    assert "verification failed" not in output
    first.refresh_from_db()
    assert first.ended_at is not None
    again = Session.objects.exclude(pk=first.pk).first()
    assert again is not None
    assert (again.initiator_name, again.image_id) == (export.initiator_name, "disk1")


def test_a_disk_in_use_keeps_its_size_until_its_device_logs_out(
    tgtd: Tgtd, export: Export, rounds: Callable[[], None], initiator: Callable[[Export], Initiator]
) -> None:
    with initiator(export).logged_in():
        services.resize_image(image=export.image, size_bytes=128 * MIB)
        rounds()
        export.refresh_from_db()
        assert (export.observed_state, export.last_error) == ("waiting", "waiting for lab1-07 to log out")
        assert target(tgtd).luns[0].size_mb == 67
    rounds()
    assert target(tgtd).luns[0].size_mb == 134
    assert is_ready(export)
    assert "128 MiB" in initiator(export).io("length").stdout


def test_a_login_between_look_and_change_is_safe(
    node: StorageNode, tgtd: Tgtd, export: Export, rounds: Callable[[], None],
    initiator: Callable[[Export], Initiator], store: FakeLayerStore,
) -> None:  # fmt: skip
    """tgtd itself refuses to delete a target in use: the plan that knew of no login does no harm."""
    desired = load_desired(node)
    observed, _ = observe(desired, tgtd.server, store)
    larger = [replace(door, top=replace(door.top, size_bytes=128 * MIB)) for door in desired.doors]
    actions = plan(replace(desired, doors=tuple(larger)), observed)
    assert any(isinstance(step, DeleteTarget) for step in actions)
    with initiator(export).logged_in():
        before = target(tgtd)
        assert apply(actions, tgtd.server, store) == {}
        assert target(tgtd) == before


def test_a_worker_killed_after_any_step_leaves_what_the_next_round_mends(
    node: StorageNode, tgtd: Tgtd, export: Export, initiator: Callable[[Export], Initiator],
    store: FakeLayerStore, images_path: Path,
) -> None:  # fmt: skip
    images_path.mkdir()
    desired = load_desired(node)
    total = len(plan(desired, observe(desired, tgtd.server, store)[0]))
    assert total >= 9
    for length in range(total + 1):
        tgtd.kill()
        tgtd.start()
        for head in (images_path / "disk1").glob("*"):
            head.unlink()
        Image.objects.update(state="creating", observed_size_bytes=None)
        Layer.objects.update(state="creating")
        fresh = load_desired(node)
        apply(plan(fresh, observe(fresh, tgtd.server, store)[0])[:length], tgtd.server, store)
        converge_node(node, tgtd.server, store)
        assert is_ready(export), f"after {length} steps"
        assert initiator(export).inquire().returncode == 0, f"after {length} steps"
