"""A round of convergence against the fake server: what the rows say afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device
from images import services
from images.convergence.round import converge_node
from images.models import Export, Image, ImageState, Session, StorageNode
from images.tasks import converge as converge_task
from netboot_site.models import Heartbeat
from tests.images.fake_layers import FakeLayerStore
from tests.images.fakes import BrokenTargetServer, FakeTargetServer

PREFIX = "iqn.2026-02.local.netboot"
IQN = f"{PREFIX}:disk1"
MIB = 1024 * 1024


@pytest.fixture
def export(make_image: Callable[..., Image], make_device: Callable[..., Device]) -> Export:
    return services.assign_image(image=make_image("disk1", 64 * MIB), device=make_device(7))


def state_of(image_id: str = "disk1") -> tuple[str, str]:
    return Image.objects.values_list("state", "last_error").get(pk=image_id)


def export_state() -> tuple[str, str]:
    return Export.objects.values_list("observed_state", "last_error").get()


def test_one_round_makes_file_and_target(
    export: Export, converge: Callable[[], None], images_path: Path, server: FakeTargetServer
) -> None:
    converge()
    head = images_path / "disk1/head-1.raw"
    assert (head.stat().st_size, head.stat().st_blocks, head.stat().st_mode & 0o777) == (64 * MIB, 0, 0o600)
    assert head.parent.stat().st_mode & 0o077 == 0
    assert state_of() == ("ready", "")
    assert export_state() == ("ready", "")
    assert server.named(IQN).acl == (f"{PREFIX}:device.525400000007",)
    assert server.secrets == {export.chap_username: export.chap_secret}
    image = Image.objects.get()
    assert (image.observed_generation, image.observed_size_bytes, image.observed_used_bytes) == (
        1,
        64 * MIB,
        0,
    )


def test_an_unassigned_image_has_its_target_at_once(
    make_image: Callable[..., Image], converge: Callable[[], None], server: FakeTargetServer
) -> None:
    make_image()
    converge()
    assert (server.named(IQN).acl, server.named(IQN).accounts) == ((), ())
    assert len(server.named(IQN).luns) == 1


def test_a_second_round_does_nothing(
    export: Export, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    converge()
    server.calls.clear()
    converge()
    assert server.calls == []


def test_a_new_assignment_in_one_round_changes_account_and_name(
    export: Export, converge: Callable[[], None], server: FakeTargetServer, make_device: Callable[..., Device]
) -> None:
    converge()
    services.unassign_image(image=export.image)
    second = services.assign_image(image=export.image, device=make_device(8))
    server.calls.clear()
    converge()
    assert server.named(IQN).accounts == (second.chap_username,)
    assert server.secrets == {second.chap_username: second.chap_secret}
    assert server.named(IQN).acl == (second.initiator_name,)
    assert server.calls.index(f"no account {export.chap_username}") < server.calls.index(
        f"bind {second.chap_username}"
    )


def test_a_guest_that_slipped_in_before_its_disk_was_given_away_is_waited_for(
    export: Export, converge: Callable[[], None], server: FakeTargetServer, make_device: Callable[..., Device]
) -> None:
    converge()
    services.unassign_image(image=export.image)
    services.assign_image(image=export.image, device=make_device(8))
    server.log_in(IQN, export.initiator_name)
    converge()
    assert server.named(IQN).acl == (export.initiator_name,)
    assert export_state() == ("waiting", "waiting for lab1-07 to log out")
    server.log_out(IQN)
    converge()
    assert export_state() == ("ready", "")


def test_sessions_open_and_close_with_the_logins(
    export: Export, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    converge()
    server.log_in(IQN, export.initiator_name, "10.66.0.7", "3")
    converge()
    converge()
    session = Session.objects.get()
    assert (session.image_id, session.initiator_name, session.address) == (
        "disk1",
        export.initiator_name,
        "10.66.0.7",
    )
    assert timezone.now() >= session.started_at
    server.log_out(IQN)
    server.log_in(IQN, export.initiator_name, "10.66.0.7", "4")
    converge()
    session.refresh_from_db()
    assert session.ended_at is not None
    assert services.open_sessions(image=export.image).count() == 1


def test_a_restart_of_the_server_ends_its_sessions_even_if_numbers_come_again(
    export: Export, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    converge()
    server.log_in(IQN, export.initiator_name, handle="1")
    converge()
    first = Session.objects.get()
    server.restart()
    converge()
    server.log_in(IQN, export.initiator_name, handle="1")
    converge()
    first.refresh_from_db()
    assert first.ended_at is not None
    assert Session.objects.filter(ended_at=None).count() == 1


def test_a_lost_file_is_told_and_found_again(
    export: Export, converge: Callable[[], None], images_path: Path, server: FakeTargetServer
) -> None:
    converge()
    head = images_path / "disk1/head-1.raw"
    head.rename(images_path / "elsewhere")
    converge()
    state, error = state_of()
    assert state == "failed"
    assert "missing" in error
    assert str(images_path) not in error
    assert export_state() == ("pending", error)
    assert not head.exists()
    (images_path / "elsewhere").rename(head)
    converge()
    converge()
    assert state_of() == ("ready", "")
    assert export_state() == ("ready", "")


def test_a_truncated_file_is_a_damaged_disk_and_is_not_filled_up(
    export: Export, converge: Callable[[], None], images_path: Path
) -> None:
    converge()
    with (images_path / "disk1/head-1.raw").open("r+b") as head:
        head.truncate(MIB)
    converge()
    state, error = state_of()
    assert state == "failed"
    assert f"shrunk to {MIB} bytes" in error
    assert (images_path / "disk1/head-1.raw").stat().st_size == MIB


def test_a_foreign_file_in_a_new_disks_place_is_not_given_away(
    make_image: Callable[..., Image],
    converge: Callable[[], None],
    images_path: Path,
    server: FakeTargetServer,
) -> None:
    make_image("disk1", MIB)
    (images_path / "disk1").mkdir(parents=True)
    (images_path / "disk1/head-1.raw").write_bytes(b"x" * (2 * MIB))
    converge()
    assert state_of()[0] == "failed"
    assert server.observe().targets == ()


def test_one_images_trouble_does_not_stop_the_others(
    make_image: Callable[..., Image],
    converge: Callable[[], None],
    images_path: Path,
    server: FakeTargetServer,
) -> None:
    for number in range(5):
        make_image(f"disk{number}", MIB)
    images_path.mkdir()
    (images_path / "disk2").write_text("a file where a folder should be")
    converge()
    states = dict(Image.objects.values_list("id", "state"))
    assert states == {
        "disk0": "ready",
        "disk1": "ready",
        "disk2": "failed",
        "disk3": "ready",
        "disk4": "ready",
    }
    assert "could not write" in Image.objects.get(pk="disk2").last_error
    (images_path / "disk2").unlink()


def test_without_its_server_a_node_says_so_and_still_makes_files(
    export: Export, node: StorageNode, images_path: Path, store: FakeLayerStore
) -> None:
    converge_node(node, BrokenTargetServer(), store)
    assert (images_path / "disk1/head-1.raw").exists()
    assert export_state() == ("pending", "The iSCSI target server does not answer.")
    node.refresh_from_db()
    assert (node.observed_target_server, node.last_error) == (
        "down",
        "The iSCSI target server does not answer.",
    )
    assert Heartbeat.objects.get(name="storage.local").last_error == node.last_error


def test_a_server_that_went_away_keeps_sessions_open_until_it_is_back(
    export: Export,
    node: StorageNode,
    converge: Callable[[], None],
    server: FakeTargetServer,
    store: FakeLayerStore,
) -> None:
    converge()
    server.log_in(IQN, export.initiator_name)
    converge()
    converge_node(node, BrokenTargetServer(), store)
    assert services.in_use(image=export.image), (
        "its guest may be writing into the page cache of a hung server"
    )


def test_a_portal_that_cannot_be_had_is_the_nodes_error(
    export: Export, node: StorageNode, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    server.unreachable_portals.add("10.77.0.1:3260")
    converge()
    node.refresh_from_db()
    assert node.last_error == "The portal was refused."
    assert export_state()[0] == "pending"
    server.unreachable_portals.clear()
    converge()
    assert export_state() == ("ready", "")
    node.refresh_from_db()
    assert (node.last_error, node.observed_target_server) == ("", "ready")


def test_a_moved_node_gets_its_new_portal_and_loses_the_old_one(
    export: Export, converge: Callable[[], None], server: FakeTargetServer, store: FakeLayerStore
) -> None:
    converge()
    services.register_node(name="local", portal_address="10.77.0.2", portal_port=3261)
    converge_node(StorageNode.objects.get(), server, store)
    assert server.observe().portals == ("10.77.0.2:3261",)


def test_a_deleted_image_in_use_waits_and_says_for_whom(
    export: Export, converge: Callable[[], None], server: FakeTargetServer, images_path: Path
) -> None:
    converge()
    services.unassign_image(image=export.image)
    services.delete_image(image=export.image)
    server.log_in(IQN, export.initiator_name)
    converge()
    assert state_of() == ("deleting", "waiting for lab1-07 to log out")
    assert (images_path / "disk1/head-1.raw").exists()
    server.log_out(IQN)
    converge()
    assert not Image.objects.exists()
    assert list(images_path.iterdir()) == []
    assert server.observe().targets == ()


def test_a_change_made_while_a_round_runs_is_not_overwritten(
    make_image: Callable[..., Image], node: StorageNode, server: FakeTargetServer, store: FakeLayerStore
) -> None:
    image = make_image()

    class Meanwhile(FakeTargetServer):
        def set_ready(self, *, ready: bool) -> None:
            Image.objects.update(state=ImageState.DELETING)

    converge_node(node, Meanwhile(), store)
    image.refresh_from_db()
    assert image.state == ImageState.DELETING


@pytest.mark.parametrize("count", [1, 30])
def test_a_quiet_round_costs_the_same_for_one_disk_and_for_thirty(
    make_image: Callable[..., Image],
    make_device: Callable[..., Device],
    converge: Callable[[], None],
    server: FakeTargetServer,
    count: int,
) -> None:
    for number in range(1, count + 1):
        image = make_image(f"disk{number}", MIB)
        export = services.assign_image(image=image, device=make_device(number))
    converge()
    server.log_in(image.iqn, export.initiator_name)
    converge()
    server.calls.clear()
    with CaptureQueriesContext(connection) as queries:
        converge()
    # images, layers, exports, sessions, node, boot files; heartbeat: savepoint, look, update, savepoint
    assert len(queries) == 10, [query["sql"] for query in queries]
    assert server.calls == []


def test_the_identity_in_the_guest_stays_when_the_server_starts_anew(
    export: Export, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    converge()
    before = server.named(IQN)
    server.restart()
    converge()
    assert server.named(IQN) == before


def test_wrong_identity_is_corrected(
    export: Export, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    converge()
    target = server.named(IQN)
    server.put(replace(target, luns=(replace(target.luns[0], serial="beaf11", thin=False),)))
    converge()
    assert server.named(IQN) == target


def test_the_task_holds_its_lock_and_needs_a_node(db: None) -> None:
    converge_task()
    assert not Heartbeat.objects.exists()


def test_the_task_converges_this_hosts_node(node: StorageNode) -> None:
    converge_task()
    assert Heartbeat.objects.get().last_error == "The iSCSI target server is not running."
