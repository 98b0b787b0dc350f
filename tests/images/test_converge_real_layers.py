"""Convergence of layers against a real tgtd, real layer processes and real initiators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from devices.models import Device
from images import services
from images.models import Export, Image, Layer, Session, Version
from tests.images.real_layers import MIB, PREFIX, Guest, Node, fresh, reads
from tests.images.tgtd import Initiator

pytestmark = [
    pytest.mark.real_tgtd,
    pytest.mark.real_qemu_storage,
    pytest.mark.django_db(transaction=True),
]


def state_of(export: Export) -> tuple[str, str]:
    return Export.objects.values_list("observed_state", "last_error").get(pk=export.pk)


def test_overlays_read_their_version_and_write_for_themselves_alone(
    lab: Node, overlays: list[Export], initiator: Callable[[Export], Initiator], images_path: Path
) -> None:
    before = (images_path / "disk1/head-1.raw").read_bytes()
    first, second = (initiator(export) for export in overlays)
    assert first.io("write -P 2 0 64k", "write -P 2 1M 64k", "flush").returncode == 0
    reads(first, (2, "0"), (2, "1M"))
    reads(second, (1, "0"), (0, "1M"))
    assert (images_path / "disk1/head-1.raw").read_bytes() == before
    assert "disk1.525400000001" in first.inquire("-e", "1", "-c", "128").stdout


def test_a_raw_head_in_use_is_frozen_when_its_device_has_logged_out(
    lab: Node, exclusive: Export, guests: Callable[[Export], Guest],
    initiator: Callable[[Export], Initiator], images_path: Path,
) -> None:  # fmt: skip
    guest, head = guests(exclusive), images_path / "disk1/head-1.raw"
    version = services.publish_version(image=exclusive.image)
    lab.round()
    guest.write(3, "2M")
    assert state_of(exclusive) == ("waiting", "waiting for lab1-07 to log out")
    version.refresh_from_db()
    assert (version.is_ready, version.last_error) == (False, "waiting for lab1-07 to log out")
    assert head.stat().st_mode & 0o222
    guest.leave()
    lab.round()
    assert state_of(exclusive) == ("ready", "")
    version = Version.objects.get()
    assert (version.is_ready, version.last_error) == (True, "")
    assert head.stat().st_mode & 0o777 == 0o444
    reads(initiator(exclusive), (1, "0"), (3, "2M"))


def test_a_running_layer_is_published_without_cutting_its_session(
    lab: Node, published_for_real: Image, exclusive: Export, guests: Callable[[Export], Guest],
    initiator: Callable[[Export], Initiator],
) -> None:  # fmt: skip
    guest = guests(exclusive)
    guest.write(4, "4M")
    lab.round()
    session, served = Session.objects.get(ended_at=None), lab.store.observe()
    version = services.publish_version(image=published_for_real)
    lab.round()
    assert Version.objects.get(pk=version.pk).is_ready
    assert state_of(exclusive) == ("ready", "")
    guest.write(5, "4M")
    guest.write(5, "6M")
    assert Session.objects.get(ended_at=None).pk == session.pk
    (now,) = lab.store.observe().values()
    assert now.path == served[now.name].path
    assert now.top.endswith("layer-3.qcow2")
    guest.leave()
    lab.round()
    reads(initiator(exclusive), (1, "0"), (5, "4M"), (5, "6M"))
    services.roll_back(image=published_for_real, number=2)
    lab.round()
    reads(initiator(exclusive), (1, "0"), (4, "4M"), (0, "6M"))


def test_a_boot_that_asks_gets_an_empty_overlay_in_one_round(
    lab: Node, overlays: list[Export], initiator: Callable[[Export], Initiator]
) -> None:
    keep, reset = overlays
    for export in overlays:
        assert initiator(export).io("write -P 2 0 64k", "flush").returncode == 0
        Export.objects.filter(pk=export.pk).update(
            refresh_requested_at=timezone.now(), handed_out_at=timezone.now()
        )
    lab.round()
    assert [state_of(export) for export in overlays] == [("ready", "")] * 2
    assert not Export.objects.exclude(refresh_requested_at=None).exists()
    reads(initiator(keep), (2, "0"))
    reads(initiator(reset), (1, "0"))


def test_no_overlay_is_reset_under_a_session(
    lab: Node, overlays: list[Export], guests: Callable[[Export], Guest]
) -> None:
    reset = overlays[1]
    guest = guests(reset)
    guest.write(2, "0")
    now = timezone.now()
    Export.objects.filter(pk=reset.pk).update(refresh_requested_at=now, handed_out_at=now)
    lab.round()
    assert "verification" not in guest.do("read -P 2 0 64k")
    assert fresh(reset).layer_id == reset.layer_id
    Export.objects.filter(pk=reset.pk).update(refresh_requested_at=now - timedelta(seconds=121))
    lab.round()
    assert fresh(reset).refresh_requested_at is None, "who asked has been switched off long ago"


def test_a_disk_whose_process_was_killed_under_a_session_is_served_anew(
    lab: Node, overlays: list[Export], guests: Callable[[Export], Guest],
    initiator: Callable[[Export], Initiator],
) -> None:  # fmt: skip
    keep = overlays[0]
    guest = guests(keep)
    guest.write(2, "0")
    guest.do("flush")
    lab.round()
    lab.kill_server_of(keep)
    lab.round()
    assert state_of(keep) == ("ready", "")
    guest.process.kill()
    reads(initiator(keep), (2, "0"))


def test_everything_is_served_again_after_the_whole_node_was_cut_off(
    lab: Node, overlays: list[Export], exclusive: Export, initiator: Callable[[Export], Initiator]
) -> None:
    assert initiator(overlays[0]).io("write -P 2 0 64k", "flush").returncode == 0
    lab.tgtd.kill()
    for export in (*overlays, exclusive):
        lab.kill_server_of(export)
    lab.tgtd.start()
    lab.round()
    assert [state_of(export) for export in (*overlays, exclusive)] == [("ready", "")] * 3
    reads(initiator(overlays[0]), (2, "0"))
    reads(initiator(exclusive), (1, "0"))


def test_merged_changes_become_the_version_that_others_move_to(
    lab: Node, overlays: list[Export], initiator: Callable[[Export], Initiator]
) -> None:
    keep, reset = overlays
    assert initiator(keep).io("write -P 2 1M 64k", "flush").returncode == 0
    lab.round()
    services.merge_disk(device=keep.device)
    lab.round()
    lab.round()
    reads(initiator(keep), (1, "0"), (2, "1M"))
    reads(initiator(reset), (1, "0"), (2, "1M"))
    assert not Layer.objects.filter(state="creating").exists()


def test_a_head_that_is_a_layer_grows_when_nobody_is_logged_in(
    lab: Node, published_for_real: Image, exclusive: Export, guests: Callable[[Export], Guest],
    initiator: Callable[[Export], Initiator],
) -> None:  # fmt: skip
    guest = guests(exclusive)
    services.resize_image(image=published_for_real, size_bytes=128 * MIB)
    lab.round()
    assert state_of(exclusive) == ("waiting", "waiting for lab1-07 to log out")
    guest.leave()
    lab.round()
    assert state_of(exclusive) == ("ready", "")
    assert "128 MiB" in initiator(exclusive).io("length").stdout
    assert Version.objects.get().layer.size_bytes == 64 * MIB


def test_a_clone_lives_on_its_own_and_its_base_goes_after_it(
    lab: Node, published_for_real: Image, exclusive: Export, make_device: Callable[..., Device],
    initiator: Callable[[Export], Initiator], images_path: Path,
) -> None:  # fmt: skip
    clone = services.clone_image(image=published_for_real, new_id="disk2", name="Second", number=1)
    export = services.assign_image(image=clone, device=make_device(3))
    lab.round()
    lab.round()
    assert initiator(export).io("write -P 6 0 64k", "flush").returncode == 0
    reads(initiator(exclusive), (1, "0"))
    lab.round()
    services.unassign_image(image=clone)
    services.delete_image(image=clone)
    services.unassign_image(image=published_for_real)
    for _ in range(3):
        lab.round()
    assert list(Image.objects.values_list("id", flat=True)) == ["disk1"]
    services.delete_image(image=published_for_real)
    lab.round()
    assert not Image.objects.exists()
    assert list(images_path.iterdir()) == []
    assert lab.store.observe() == {}
    ours = [t.iqn for t in lab.tgtd.server.observe().targets if t.iqn.startswith(PREFIX)]
    assert ours == []
