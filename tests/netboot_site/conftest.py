"""An instance of its own in a folder, with nothing running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netboot_site.runtime.layout import Accounts, find_accounts, folders, make_folders


def point_settings_at(settings: Any, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Every path of the settings as an instance with that DATA_PATH has them."""
    settings.DATA_PATH = path
    settings.RUN_PATH = path / "run"
    for name in ("LOGS", "STATIC", "BOOT_FILES", "IMAGES", "TFTP", "DNSMASQ"):
        setting = "STATIC_ROOT" if name == "STATIC" else f"{name}_PATH"
        setattr(settings, setting, path / name.lower())
    settings.NETWORK_CHOICE_PATH = path / "network" / "choice.json"
    settings.REDIS_SOCKET_PATH = path / "run" / "redis" / "redis.sock"
    settings.POSTGRES_SOCKET_PATH = path / "run" / "postgres"
    settings.TGT_SOCKET_PATH = path / "run" / "tgt" / "control"
    settings.REDIS_URL = f"unix://{settings.REDIS_SOCKET_PATH}?db=0"
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", str(settings.POSTGRES_SOCKET_PATH))


@pytest.fixture
def instance(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """Paths of an instance of its own, with its folders made."""
    point_settings_at(settings, monkeypatch, tmp_path)
    accounts = find_accounts()
    make_folders(folders(accounts))
    return accounts
