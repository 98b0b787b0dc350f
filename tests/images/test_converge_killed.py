"""The worker is killed between any two steps, with real daemons: the next round mends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devices.models import Device
from images import services
from images.convergence.apply import apply
from images.convergence.load import load_desired, observe
from images.convergence.plan import plan
from images.models import Export, Image, Layer, Version
from tests.images.real_layers import MIB, Guest, Node, reads
from tests.images.tgtd import Initiator

pytestmark = [
    pytest.mark.real_tgtd,
    pytest.mark.real_qemu_storage,
    pytest.mark.django_db(transaction=True),
]
MOST_STEPS = 14


def killed_after(lab: Node, length: int) -> bool:
    """The first steps of a pass; whether there were more."""
    desired = load_desired(lab.row)
    actions = plan(desired, observe(desired, lab.tgtd.server, lab.store)[0])
    assert apply(actions[:length], lab.tgtd.server, lab.store) == {}
    return length < len(actions)


def assert_at_rest(lab: Node) -> None:
    desired = load_desired(lab.row)
    assert plan(desired, observe(desired, lab.tgtd.server, lab.store)[0]) == ()
    assert not Export.objects.exclude(observed_state="ready").exists()
    assert not Layer.objects.exclude(state="ready").exists()
    assert not Version.objects.filter(layer__observed_frozen_at=None).exists()


def test_a_publication_that_was_cut_off_after_any_step_is_finished(
    lab: Node, exclusive: Export, initiator: Callable[[Export], Initiator]
) -> None:
    """From a raw head first, then from one layer to the next."""
    for length in range(MOST_STEPS):
        written = length + 1
        assert initiator(exclusive).io(f"write -P {written} {written}M 64k", "flush").returncode == 0
        lab.round()
        services.publish_version(image=exclusive.image)
        killed_after(lab, length % 4)
        lab.round()
        assert_at_rest(lab)
        reads(initiator(exclusive), (1, "0"), (written, f"{written}M"))


def test_a_live_publication_that_was_cut_off_after_any_step_keeps_its_session(
    lab: Node, published_for_real: Image, exclusive: Export, guests: Callable[[Export], Guest],
    initiator: Callable[[Export], Initiator],
) -> None:  # fmt: skip
    guest, length, more = guests(exclusive), 0, True
    while more:
        guest.write(20 + length, f"{length + 1}M")
        services.publish_version(image=published_for_real)
        more = killed_after(lab, length)
        guest.write(40 + length, f"{length + 20}M")
        lab.round()
        assert_at_rest(lab)
        length += 1
    assert length > 2, "a live publication has steps"
    guest.leave()
    lab.round()
    reads(initiator(exclusive), *((20 + n, f"{n + 1}M") for n in range(length)))
    reads(initiator(exclusive), *((40 + n, f"{n + 20}M") for n in range(length)))


def test_an_overlay_whose_making_was_cut_off_after_any_step_is_made(
    lab: Node,
    published_for_real: Image,
    make_device: Callable[..., Device],
    initiator: Callable[[Export], Initiator],
) -> None:
    device = make_device(1)
    for length in range(MOST_STEPS):
        export = services.assign_image(image=published_for_real, device=device, mode="overlay")
        killed_after(lab, length % 4)
        killed_after(lab, length)
        lab.round()
        assert_at_rest(lab)
        reads(initiator(export), (1, "0"))
        services.unassign_image(image=published_for_real, device=device)
        killed_after(lab, length % 5)
        lab.round()
        lab.round()
        assert_at_rest(lab)
        assert [layer.number for layer in Layer.objects.filter(device=device)] == []


def test_a_reset_and_a_merge_that_were_cut_off_end_whole(
    lab: Node, overlays: list[Export], initiator: Callable[[Export], Initiator]
) -> None:
    keep, reset = overlays
    for length in range(6):
        assert initiator(reset).io("write -P 9 3M 64k", "flush").returncode == 0
        assert initiator(keep).io(f"write -P {length + 50} {length + 5}M 64k", "flush").returncode == 0
        lab.round()
        services.reset_disk(device=reset.device)
        services.merge_disk(device=keep.device)
        killed_after(lab, length)
        lab.round()
        lab.round()
        assert_at_rest(lab)
        reads(initiator(reset), (1, "0"), (0, "3M"), (length + 50, f"{length + 5}M"))
        reads(initiator(keep), (1, "0"), (length + 50, f"{length + 5}M"))
    assert Image.objects.get().size_bytes == 64 * MIB
