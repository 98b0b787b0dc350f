"""Whatever people, machines and crashes do: no round harms a disk, and in the end all is as the rows say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.test import override_settings
from django.utils import timezone
from hypothesis import given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from devices.models import Device
from devices.services import register_device
from images import services
from images.convergence.apply import apply
from images.convergence.load import load_desired, observe
from images.convergence.plan import plan
from images.convergence.round import converge_node
from images.models import Export, Image, ImageState, Layer, LayerState, Version
from netboot_site.errors import OrchestratorError
from tests.images.strict_fakes import StrictServer, StrictStore

MIB = 1024 * 1024
DEVICES = 3
ROUNDS_TO_REST = 8  # a chain of layers that goes loses one of them in each
DEEDS = (
    "publish", "roll back", "assign", "overlay", "unassign", "reset", "merge", "restore", "promote", "clone",
    "delete version", "delete image", "resize", "boot", "log in", "log out", "kill server", "restart tgtd",
    "round", "round", "half a round",
)  # fmt: skip
HISTORIES = st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 30)), max_size=30)


class World:
    """A storage node with two disks at most, and three machines."""

    device_type = "x64"

    def __init__(self, folder: Path) -> None:
        self.server = StrictServer()
        self.store = StrictStore(folder / "run", self.server)
        self.node = services.register_node(name="local", portal_address="10.77.0.1", portal_port=3260)
        self.devices = [
            register_device(
                mac=f"52:54:00:00:00:0{number}", device_type=self.device_type, name=f"lab1-0{number}"
            )
            for number in range(DEVICES)
        ]
        services.create_image(
            image_id="disk1", name="Disk 1", size_bytes=64 * MIB, device_type=self.device_type
        )

    def do(self, deed: str, number: int) -> None:
        """One thing that happens; what is refused does not."""
        method = getattr(self, deed.replace(" ", "_"))
        images = list(Image.objects.order_by("id")) or [Image(id="gone")]
        with suppress(OrchestratorError, IndexError):
            method(images[number % len(images)], self.devices[number % DEVICES], number)
        self.store.check()

    def round(self, *_: object) -> None:
        converge_node(self.node, self.server, self.store)

    def half_a_round(self, image: Image, device: Device, number: int) -> None:
        """The worker is killed after some steps."""
        Path(settings.IMAGES_PATH).mkdir(parents=True, exist_ok=True)
        desired = load_desired(self.node)
        actions = plan(desired, observe(desired, self.server, self.store)[0])
        apply(actions[: number % (len(actions) + 1)], self.server, self.store)

    def publish(self, image: Image, device: Device, number: int) -> None:
        services.publish_version(image=image)

    def roll_back(self, image: Image, device: Device, number: int) -> None:
        services.roll_back(image=image, number=1 + number % 3)

    def assign(self, image: Image, device: Device, number: int) -> None:
        services.assign_image(image=image, device=device)

    def overlay(self, image: Image, device: Device, number: int) -> None:
        kind = "reset" if number % 2 else "keep"
        services.assign_image(image=image, device=device, mode="overlay", persistence=kind)

    def unassign(self, image: Image, device: Device, number: int) -> None:
        services.unassign_image(image=image, device=device)

    def reset(self, image: Image, device: Device, number: int) -> None:
        services.reset_disk(device=device)

    def merge(self, image: Image, device: Device, number: int) -> None:
        services.merge_disk(device=device)

    def restore(self, image: Image, device: Device, number: int) -> None:
        kept = Layer.objects.filter(device=device, export=None).exclude(state=LayerState.DELETING)
        services.restore_kept(device=device, layer_number=kept[0].number)

    def promote(self, image: Image, device: Device, number: int) -> None:
        services.promote(image=image, channel="test", number=1 + number % 3)
        services.assign_image(image=image, device=device, mode="overlay", version="test")

    def clone(self, image: Image, device: Device, number: int) -> None:
        version = 1 + number % 2 if number % 3 else None
        services.clone_image(image=image, new_id="disk2", name="Disk 2", number=version)

    def delete_version(self, image: Image, device: Device, number: int) -> None:
        services.delete_version(image=image, number=1 + number % 3)

    def delete_image(self, image: Image, device: Device, number: int) -> None:
        services.delete_image(image=image)

    def resize(self, image: Image, device: Device, number: int) -> None:
        services.resize_image(image=image, size_bytes=(image.size_bytes or 0) + 8 * MIB)

    def boot(self, image: Image, device: Device, number: int) -> None:
        """As the boot script's statement notes it."""
        ready = Export.objects.filter(device=device, mode="overlay", observed_state="ready")
        now = timezone.now()
        if not ready.exclude(handed_out_at=None).update(refresh_requested_at=now):
            ready.update(handed_out_at=now)

    def log_in(self, image: Image, device: Device, number: int) -> None:
        for export in Export.objects.select_related("device", "image").filter(device=device):
            for target in self.server.observe().targets:
                open_to = target.iqn == export.iqn and export.initiator_name in target.acl
                if open_to and target.luns and not target.logins:
                    self.server.log_in(export.iqn, export.initiator_name)

    def log_out(self, image: Image, device: Device, number: int) -> None:
        busy = [target.iqn for target in self.server.observe().targets if target.logins]
        for iqn in busy[number % DEVICES :][:1]:
            self.server.log_out(iqn)

    def kill_server(self, image: Image, device: Device, number: int) -> None:
        for served in self.store.living()[number % DEVICES :][:1]:
            self.store.kill(served.name)

    def restart_tgtd(self, image: Image, device: Device, number: int) -> None:
        self.server.restart()

    def come_to_rest(self) -> None:
        """Everybody goes home."""
        for target in self.server.observe().targets:
            self.server.log_out(target.iqn)
        for _ in range(ROUNDS_TO_REST):
            self.round()
            self.store.check()


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@contextmanager
def a_world() -> Iterator[tuple[World, Path]]:
    """In a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with override_settings(IMAGES_PATH=folder / "images", CELERY_TASK_ALWAYS_EAGER=False):
            yield World(folder), folder / "images"


class Histories(TestCase):
    """Each example has a database and a folder of its own."""

    @given(HISTORIES)
    @hypothesis_settings(max_examples=60, deadline=None)
    def test_every_history_ends_well_and_none_harms_a_disk(self, history: list[tuple[str, int]]) -> None:
        with a_world() as (made, folder):
            note(f"history: {history}")
            for deed, number in history:
                made.do(deed, number)
            made.come_to_rest()
            self.check_rest(made, folder)

    def check_rest(self, made: World, folder: Path) -> None:
        desired = load_desired(made.node)
        assert plan(desired, observe(desired, made.server, made.store)[0]) == ()
        layers = list(Layer.objects.all())
        assert files_of(folder) == {layer.file_name for layer in layers}
        assert {layer.state for layer in layers} <= {LayerState.READY}, layers
        assert not Version.objects.filter(layer__observed_frozen_at=None).exists()
        assert not Image.objects.exclude(state=ImageState.READY).exists()
        not_ready = Export.objects.exclude(observed_state="ready").values_list("device__name", "last_error")
        assert list(not_ready) == []
        exported = {door.iqn for door in desired.doors}
        assert {target.iqn for target in made.server.observe().targets} == exported
        assert set(made.store.observe()) == desired.served_names
