"""Whether the address that asks is the one that a MAC address has on the boot network.

A MAC address proves nothing by itself; but whoever reads the answer that is sent to its address has at least
that address. CHAP secrets go nowhere else.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

NEIGHBOURS_PATH = Path("/proc/net/arp")
_COMPLETE = 0x2  # ATF_COM of arp(7): the hardware address is known


def owns_address(*, mac: str, address: str) -> bool:
    """Whether `address` belongs to `mac`: the kernel's neighbour table knows best, else a DHCP lease."""
    if not address:
        return False
    neighbour = _neighbour(address)
    return neighbour == mac if neighbour else _leased(mac, address)


def _neighbour(address: str) -> str:
    for line in _lines(NEIGHBOURS_PATH):
        fields = line.split()  # proc_net(5): IP address, HW type, flags, HW address, mask, device
        if len(fields) >= 4 and fields[0] == address and int(fields[2], 16) & _COMPLETE:
            return fields[3].lower()
    return ""


def leased_address(mac: str) -> str:
    """The address that our dnsmasq has leased to a machine, or keeps for it; empty: none."""
    leases = (line.split() for line in _lines(settings.DNSMASQ_PATH / "leases"))
    found = next((words[2] for words in leases if words[1:2] == [mac] and len(words) > 2), "")
    kept = _lines(settings.DNSMASQ_PATH / "hosts" / mac.replace(":", ""))
    return kept[0].partition(",")[2].strip() if kept else found


def _leased(mac: str, address: str) -> bool:
    wanted = [mac, address]  # dnsmasq's lease file: expiry, MAC, address, host name, client id
    return any(line.split()[1:3] == wanted for line in _lines(settings.DNSMASQ_PATH / "leases"))


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if not line.startswith("IP address")]
