"""A room full of Raspberry Pis that are switched on together, before our dnsmasq."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from bootflow.reservations import MAC_PREFIX, host_records, reservations
from tests.bootflow.running import Running
from tests.system.boots.pi.boards import MODELS, PI_3B, Board
from tests.system.boots.pi.lab import make_tree, served
from tests.system.boots.pi.place import PlayedPi, plugged, power_on_together
from tests.system.boots.pi.rom import Fetched
from tests.system.instance import Wire

pytestmark = [pytest.mark.real_dnsmasq, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
COUNT = 30
POOL = (IPv4Address("10.66.0.100"), IPv4Address("10.66.0.150"))


@pytest.fixture
def server(wire: Wire) -> Iterator[Running]:
    with served(wire, "server") as running:
        yield running


def share_trees(root: Path, boards: list[Board]) -> None:
    """One set of files for each model, and each board's folder a link to it."""
    for board in boards:
        kept = root / f".{board.model.key}"
        if not kept.exists():
            make_tree(kept, board)
        (root / board.short_serial).symlink_to(kept.name)


@pytest.mark.parametrize(
    "models", [MODELS, (PI_3B,)], ids=["of every model", "of the model with the old ROM"]
)
def test_thirty_are_served_at_once_and_none_has_to_ask_twice(
    models: tuple[object, ...], wire: Wire, server: Running
) -> None:
    boards = [Board.numbered(models[n % len(models)], 100 * len(models) + n) for n in range(COUNT)]  # type: ignore[arg-type]
    share_trees(server.folder / "tftp", boards)
    old = [board.mac for board in boards if board.mac.startswith(MAC_PREFIX)]
    server.server.reserve(host_records(reservations(old, POOL)))
    with plugged(PlayedPi(board, wire) for board in boards) as pis:
        became = power_on_together(pis)
    assert [one for one in became if not isinstance(one, Fetched)] == []
    whole = [one for one in became if isinstance(one, Fetched)]
    assert {one.prefix for one in whole} == {f"{board.short_serial}/" for board in boards}
    assert len({one.leases[-1].address for one in whole}) == COUNT
    assert sum(file.resent for one in whole for file in one.transfers) == 0
    assert {len(one.kernel) for one in whole} == {90_000}
