"""What the storage worker notes of its host for the doctor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from images.convergence import host
from images.convergence.host import fuse_trouble, host_facts, tell_host
from images.models import StorageNode
from netboot_site.models import HostFacts
from tests.images.fakes import BrokenTargetServer, FakeTargetServer


def test_it_tells_portals_file_system_layers_and_clock(
    images_path: Path, server: FakeTargetServer, converge: Callable[[], None]
) -> None:
    converge()
    facts = host_facts(server, Path("/dev/null"))
    assert facts["portals"] == list(server.observe().portals)
    assert facts["fuse"] == ""
    assert facts["file_system"]["keeps_holes"] is True
    assert facts["file_system"]["free_bytes"] > 0
    assert abs(facts["clock_offset_seconds"]) < 1
    assert str(images_path) not in json.dumps(facts), "the page shows no path of the server"


def test_a_target_server_that_is_away_tells_no_portals(images_path: Path, db: None) -> None:
    images_path.mkdir(parents=True, exist_ok=True)
    assert host_facts(BrokenTargetServer(), Path("/dev/null"))["portals"] is None


@pytest.mark.parametrize(("name", "trouble"), [("none", "missing"), ("folder", "refused"), ("file", "")])
def test_fuse_is_there_missing_or_refused(tmp_path: Path, name: str, trouble: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert fuse_trouble(tmp_path / name) == trouble


def test_it_is_told_under_the_workers_name_and_only_once_in_a_while(
    images_path: Path, node: StorageNode, server: FakeTargetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    images_path.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(host, "is_due", lambda _: False)
    tell_host(node, server)
    assert not HostFacts.objects.exists()
    monkeypatch.setattr(host, "is_due", lambda _: True)
    tell_host(node, server)
    assert HostFacts.objects.get().name == f"storage.{node.name}"
