"""Machines of three kinds on one wire, and which loader each is given."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from tests.bootflow.dhcp_lab import Client, fetch, ip
from tests.bootflow.dhcp_lab import Wire as Cable
from tests.system.boots.pc import Pc, wait_until
from tests.system.boots.pi.boards import MODELS, Board
from tests.system.boots.pi.place import PlayedPi, plugged, power_on_together
from tests.system.boots.pi.rom import Fetched
from tests.system.boots.pi.room import enrol, make_set, small_files, wait_for_trees
from tests.system.instance import Instance

LOADERS = Path("/usr/lib/ipxe")
_PLAIN_PC = Board(MODELS[0], "52:54:00:0b:77:01", "00000000")  # of a Pi, it has the cable alone


def pis_get_their_own(instance: Instance) -> None:
    """Four models switched on together: each has its own folder's files and nothing of a PC's."""
    boards = [Board.numbered(model, 40) for model in MODELS]
    make_set(instance, "mixed", small_files())
    for board in boards:
        enrol(instance, board, kernel_set="mixed")
    wait_for_trees(instance, boards)
    with plugged(PlayedPi(board, instance.wire) for board in boards) as pis:
        became = power_on_together(pis)
    for board, one in zip(boards, became, strict=True):
        assert isinstance(one, Fetched), f"{board.model.name}: {one}"
        assert (one.prefix, one.kernel) == (f"{board.short_serial}/", small_files()["kernel8.img"])
        assert {lease.server for lease in one.leases} == {IPv4Address(instance.address)}


def plain_bios_pc_gets_undionly(instance: Instance, address: str) -> None:
    """A PXE card that is no iPXE: told the loader's name, it reads it whole."""
    with PlayedPi(_PLAIN_PC, instance.wire) as card:
        cable = Cable(card.namespace, "eth0")
        asked = Client(_PLAIN_PC.mac, "PXEClient:Arch:00000:UNDI:002001", 0, machine_id=b"\0" + b"\x11" * 16)
        offers = cable.offers(asked)
        cable.close()
        offer = next((one for one in offers if one.siaddr == instance.address), None)
        assert offer is not None, f"nobody tells a plain PXE card what to load: {offers}"
        assert offer.boot_name == "undionly.kpxe"
        ip("-n", card.namespace, "address", "add", f"{address}/24", "dev", "eth0")
        assert fetch(card.namespace, offer.boot_name) == (LOADERS / "undionly.kpxe").read_bytes()


def uefi_pc_loaded_snponly(boots: list[dict[str, object]]) -> None:
    """By its own firmware's TFTP."""
    files = str([boot["events"] for boot in boots])
    assert "snponly.efi" in files, files
    assert "undionly.kpxe" not in files, files


def wait_for_script(pc: Pc, seconds: float = 90) -> None:
    """Until its iPXE has asked for its script."""

    def asked() -> bool:
        found = pc.instance.api("GET", "/api/v1/boots?limit=50").json
        found = [boot for boot in found if boot["mac"] == pc.mac]
        return any(event["stage"] == "script" for boot in found for event in boot["events"])

    wait_until(f"{pc.mac} asks for its script", asked, seconds)
