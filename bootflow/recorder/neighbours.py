"""Which MAC address has an IPv4 address, as dnsmasq, the kernel and earlier events say."""

from __future__ import annotations

from pathlib import Path

from bootflow.models import BootEvent
from bootflow.recorder.sighting import Sighting

_ADDRESSES_MAX = 20000
_NO_MAC = "00:00:00:00:00:00"


class AddressBook:
    """Remembers the addresses that sightings told, the newest last."""

    def __init__(self, arp_path: Path = Path("/proc/net/arp")) -> None:
        self.arp_path = arp_path
        self._macs: dict[str, str] = {}

    def learn(self, sighting: Sighting) -> None:
        """Note who has an address, where a sighting tells both."""
        if sighting.mac and sighting.address:
            self._macs.pop(sighting.address, None)
            self._macs[sighting.address] = sighting.mac
            if len(self._macs) > _ADDRESSES_MAX:
                self._macs.pop(next(iter(self._macs)))

    def mac_of(self, address: str) -> str:
        """The MAC address behind an address; empty if nobody knows."""
        return self._macs.get(address) or self._from_kernel(address) or self._from_boots(address)

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
