"""dnsmasq's log lines as a machine's boot makes them, for the tests of the recorder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

START = 1790000000.0
PC = "52:54:00:00:00:01"
PI = "dc:a6:32:00:00:07"
PXE = "PXEClient:Arch:00000:UNDI:002001"


def stamp(at: float, text: str) -> str:
    return f"{at:.3f} {text}"


def exchange(at: float, xid: int, *texts: str) -> list[str]:
    opening = f"dnsmasq-dhcp[7]: {xid} available DHCP range: 10.66.0.100 -- 10.66.0.150"
    return [stamp(at, opening), *(stamp(at, f"dnsmasq-dhcp[7]: {xid} {text}") for text in texts)]


def discover(
    at: float, xid: int = 11, *, mac: str = PC, tags: str = "pcbios, bios, eth0", vendor: str = PXE,
    user_class: str = "", address: str = "10.66.0.100", file: str = "undionly.kpxe",
) -> list[str]:  # fmt: skip
    return exchange(
        at, xid, *([f"vendor class: {vendor}"] if vendor else []),
        *([f"user class: {user_class}"] if user_class else []),
        f"DHCPDISCOVER(eth0) {mac} ", f"tags: {tags}", f"DHCPOFFER(eth0) {address} {mac} ",
        "requested options: 1:netmask, 3:router", *([f"bootfile name: {file}"] if file else []),
        "next server: 10.66.0.1", "sent size:  1 option: 53 message-type  2",
    )  # fmt: skip


def request(
    at: float, xid: int = 11, *, mac: str = PC, tags: str = "pcbios, bios, eth0", vendor: str = PXE,
    user_class: str = "", address: str = "10.66.0.100",
) -> list[str]:  # fmt: skip
    return exchange(
        at, xid, *([f"vendor class: {vendor}"] if vendor else []),
        *([f"user class: {user_class}"] if user_class else []),
        f"DHCPREQUEST(eth0) {address} {mac} ", f"tags: {tags}", f"DHCPACK(eth0) {address} {mac} ",
        "bootfile name: undionly.kpxe",
    )  # fmt: skip


def sent(
    at: float, file: str = "undionly.kpxe", address: str = "10.66.0.100", root: str = "/srv/tftp"
) -> list[str]:
    return [stamp(at, f"dnsmasq-tftp[7]: sent {root}/{file} to {address}")]


def pc_boot(at: float = START, mac: str = PC, address: str = "10.66.0.100") -> list[str]:
    """A BIOS PC up to iPXE's own DHCP: 0 s, 0.1 s, 0.5 s, 1.5 s, 1.6 s."""
    ipxe = {"tags": "ipxe, bios, eth0", "user_class": "iPXE", "mac": mac, "address": address}
    return [
        *discover(at, 11, mac=mac, address=address),
        *request(at + 0.1, 11, mac=mac, address=address),
        *sent(at + 0.5, address=address),
        *discover(at + 1.5, 12, file="http://10.66.0.1:8080/boot/boot.ipxe", **ipxe),
        *request(at + 1.6, 12, **ipxe),
    ]


def write(path: Path, lines: Iterable[str]) -> None:
    with path.open("a") as log:
        log.writelines(f"{line}\n" for line in lines)
