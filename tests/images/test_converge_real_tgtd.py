"""Convergence against a real tgtd and real initiators."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices.models import Device
from images import services
from images.convergence.facts import Desired
from images.convergence.load import load_desired, observe
from images.convergence.plan import plan
from images.convergence.round import converge_node
from images.models import Export, Image, Session, StorageNode
from netboot_site.errors import ConflictError
from tests.images.fake_layers import FakeLayerStore
from tests.images.tgtd import PORTAL, Initiator, Tgtd

pytestmark = [pytest.mark.real_tgtd, pytest.mark.django_db(transaction=True)]
MIB = 1024 * 1024


@pytest.fixture
def export(make_image: Callable[..., Image], make_device: Callable[..., Device]) -> Export:
    return services.assign_image(image=make_image("disk1", 64 * MIB), device=make_device(7))


def nothing_left(node: StorageNode, tgtd: Tgtd, store: FakeLayerStore) -> Desired:
    desired = load_desired(node)
    observed, _ = observe(desired, tgtd.server, store)
    assert plan(desired, observed) == ()
    return desired


def test_an_assigned_disk_can_be_written_read_and_trimmed_by_its_device(
    node: StorageNode,
    tgtd: Tgtd,
    export: Export,
    initiator: Callable[[Export], Initiator],
    store: FakeLayerStore,
) -> None:
    converge_node(node, tgtd.server, store)
    nothing_left(node, tgtd, store)
    export.refresh_from_db()
    assert (export.observed_state, export.last_error) == ("ready", "")
    device = initiator(export)
    done = device.io("write -P 7 0 1M", "read -P 7 0 1M", "discard 0 1M", "read -P 0 0 1M")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verification failed" not in done.stdout
    unit = device.inquire("-e", "1", "-c", "128")
    assert "disk1" in unit.stdout, unit


def test_a_wrong_secret_or_another_initiator_is_refused(
    node: StorageNode,
    tgtd: Tgtd,
    export: Export,
    initiator: Callable[[Export], Initiator],
    store: FakeLayerStore,
) -> None:
    converge_node(node, tgtd.server, store)
    device = initiator(export)
    assert device.inquire().returncode == 0
    device.url = device.url.replace(export.chap_secret, "x" * 16)
    assert device.inquire().returncode != 0
    other = initiator(export)
    other.name = other.name.replace("0007", "0008")
    assert other.inquire().returncode != 0


def test_sessions_are_seen_and_a_disk_in_use_stays(
    node: StorageNode,
    tgtd: Tgtd,
    export: Export,
    initiator: Callable[[Export], Initiator],
    store: FakeLayerStore,
) -> None:
    converge_node(node, tgtd.server, store)
    with initiator(export).logged_in():
        converge_node(node, tgtd.server, store)
        session = Session.objects.get()
        assert (session.image_id, session.address) == ("disk1", "10.77.0.1")
        assert session.initiator_name == export.initiator_name
        with pytest.raises(ConflictError, match="in use by lab1-07"):
            services.unassign_image(image=export.image)
    converge_node(node, tgtd.server, store)
    session.refresh_from_db()
    assert session.ended_at is not None
    services.unassign_image(image=export.image)
    converge_node(node, tgtd.server, store)
    nothing_left(node, tgtd, store)
    assert tgtd.server.observe().accounts == frozenset()
    assert initiator(export).inquire().returncode != 0


def test_a_deleted_image_leaves_nothing(
    node: StorageNode, tgtd: Tgtd, make_image: Callable[..., Image], store: FakeLayerStore
) -> None:
    image = make_image("disk1", 64 * MIB)
    make_image("disk10", 64 * MIB)
    converge_node(node, tgtd.server, store)
    services.delete_image(image=image)
    converge_node(node, tgtd.server, store)
    assert list(Image.objects.values_list("id", flat=True)) == ["disk10"]
    assert [target.iqn for target in tgtd.server.observe().targets] == ["iqn.2026-02.local.netboot:disk10"]
    assert tgtd.server.observe().portals == (PORTAL,)
