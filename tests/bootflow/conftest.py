"""Devices, disks and installers for the tests of what machines are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from bootflow.models import Installer
from bootflow.services import register_profile
from devices.models import Device
from images.models import Export, ExportState, Image, Layer, StorageNode

MAC = "52:54:00:12:34:56"


@pytest.fixture
def node(db: None) -> StorageNode:
    return StorageNode.objects.create(name="local", portal_address="10.66.0.1", portal_port=3260)


@pytest.fixture
def device(db: None) -> Device:
    return register_profile(mac=MAC, device_type="x64", name="pc-07")


@pytest.fixture
def installer(db: None) -> Installer:
    return Installer.objects.create(
        name="debian-12", path="debian/12", kernel="linux", initrd="initrd.gz",
        kernel_cmdline="auto=true priority=critical", device_type="x64",
    )  # fmt: skip


def make_disk(node: StorageNode, name: str) -> Image:
    """A disk that convergence has made."""
    image = Image.objects.create(
        id=name, name=name.replace("-", " ").capitalize(), size_bytes=2**30, device_type="x64", node=node,
        state="ready",
    )  # fmt: skip
    Layer.objects.create(image=image, number=1, size_bytes=2**30, format="raw", state="ready")
    return image


@pytest.fixture
def give_disk(node: StorageNode) -> Callable[..., Export]:
    def give(device: Device, state: str = ExportState.READY, **fields: str) -> Export:
        return Export.objects.create(
            image=make_disk(node, "disk-1"), device=device, chap_username="disk-1.a1b2c3",
            chap_secret="0123456789abcdef", observed_state=state, **fields,
        )  # fmt: skip

    return give


@pytest.fixture
def fetch(db: None) -> Callable[..., str]:
    """Ask as firmware does, from an address; the script as text."""

    def ask(path: str, address: str = "10.66.0.50") -> str:
        answer: HttpResponse = Client().get(path, headers={"X-Real-IP": address})
        assert answer.status_code == 200, answer.content
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        return answer.content.decode()

    return ask
