"""Which MAC address has an IPv4 address, as dnsmasq, the kernel and earlier events say."""

from __future__ import annotations

from pathlib import Path

from bootflow.models import BootEvent
from bootflow.recorder.sighting import Sighting

_ADDRESSES_MAX = 20000
_WANTED_ONLY = ("refused", "no-offer", "ignored")  # the address is what the machine wished for: another's
_NO_MAC = "00:00:00:00:00:00"


def _note(macs: dict[str, str], address: str, mac: str) -> None:
    """The newest last, and no more than the bound."""
    macs.pop(address, None)
    macs[address] = mac
    if len(macs) > _ADDRESSES_MAX:
        macs.pop(next(iter(macs)))


class AddressBook:
    """Remembers the addresses that sightings told, the newest last."""

    def __init__(self, arp_path: Path = Path("/proc/net/arp")) -> None:
        self.arp_path = arp_path
        self._macs: dict[str, str] = {}
        self._seen: dict[str, str] = {}  # by the kernel: a Pi 3's ROM does not answer ARP, and is forgotten

    def learn(self, sighting: Sighting) -> None:
        """Note who has an address, where a sighting tells both."""
        if sighting.mac and sighting.address and sighting.kind not in _WANTED_ONLY:
            _note(self._macs, sighting.address, sighting.mac)

    def mac_of(self, address: str) -> str:
        """The MAC address behind an address; empty if nobody knows."""
        told = self._macs.get(address)
        if told:
            return told
        if seen := self._from_kernel(address):
            _note(self._seen, address, seen)
        return seen or self._seen.get(address) or self._from_boots(address)

    def _from_kernel(self, address: str) -> str:
        """proc(5), /proc/net/arp: IP address, HW type, flags, HW address, mask, device."""
        try:
            table = self.arp_path.read_text()
        except OSError:
            return ""
        for line in table.splitlines()[1:]:
            words = line.split()
            if len(words) >= 4 and words[0] == address and words[3] != _NO_MAC:
                return words[3].lower()
        return ""

    def _from_boots(self, address: str) -> str:
        """After a restart of ours: the machine that last had this address in a boot that goes on."""
        event = (
            BootEvent.objects.filter(boot__finished_at=None, facts__address=address)
            .select_related("boot")
            .order_by("-at")
            .first()
        )
        return event.boot.mac if event else ""
