"""A host with three interfaces, of which eth0 is served, and nothing is set in the environment."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from bootflow.network_services import choose_network
from bootflow.views import network as views
from images.models import Session
from netboot_site.formats import mac_hex
from netboot_site.network_file import KeptChoice
from tests.bootflow.fakes import FakeHost

POOL = "10.66.0.100,10.66.0.150"
HOST = FakeHost()


@pytest.fixture
def here(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, db: None) -> Any:
    settings.BOOT_INTERFACE, settings.BOOT_ADDRESS = "eth0", "10.66.0.1"
    settings.DHCP_MODE, settings.DHCP_RANGE, settings.NETWORK_FIXED = "proxy", "", []
    settings.NETWORK_CHOICE_PATH = tmp_path / "network" / "choice.json"
    monkeypatch.setattr(views, "local_host", lambda: HOST)
    monkeypatch.setattr("bootflow.api.network.local_host", lambda: HOST)
    return settings


def choose(interface: str = "eth0", mode: str = "server", pool: str = POOL, **more: Any) -> Any:
    return choose_network(wanted=KeptChoice(interface, mode, pool), interfaces=HOST.interfaces(), **more)


def log_in(mac: str) -> None:
    """The machine uses its disk."""
    Session.objects.create(
        iqn=f"iqn.x:{mac}", handle="1", started_at=timezone.now(),
        initiator_name=f"iqn.2026-02.local.netboot:device.{mac_hex(mac)}",
    )  # fmt: skip
