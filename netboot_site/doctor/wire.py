"""Who answers machines on the boot network: others beside us, and what we tell them ourselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootflow.wire.frames import BIOS, PI, UEFI
from netboot_site.doctor.findings import AS_ROOT, NETWORK, START, Finding, Subject, log_of
from netboot_site.doctor.place import Look, Place

OTHERS = Subject(
    "other-servers", NETWORK, "Other DHCP and PXE servers",
    "A machine takes the first offer that it likes: with two servers it boots by chance.",
)  # fmt: skip
ANSWERS = Subject(
    "answers", NETWORK, "Our answer to a machine",
    "This is what a machine hears when it is switched on.",
)  # fmt: skip
_KINDS = (BIOS.name, UEFI.name, PI.name)
Server = Mapping[str, Any]


def judge_wire(place: Place, look: Look | None) -> list[Finding]:
    """Others, then ourselves. Pure."""
    if look is None:
        return [OTHERS.unknown(f"Nobody has looked at the wire of {place.interface} yet.")]
    if look.error:
        return [OTHERS.unknown(look.error, f"sudo {START}")]
    others = [server for server in look.servers if not server["ours"]]
    ours = [server for server in look.servers if server["ours"]]
    found = [_judge_others(place, others, _when(look))]
    if place.serves_boot and place.dhcp_mode != "off":
        found.append(_judge_ours(ours))
    return found


def _judge_others(place: Place, others: list[Server], when: str) -> Finding:
    booting = [server for server in others if server["answers_pxe"]]
    leasing = [server for server in others if server["hands_out_addresses"]]
    if booting and place.dhcp_mode != "off":
        return OTHERS.bad(
            f"{_name(booting[0])} answers machines that boot from the network too{_file(booting[0])}.",
            f"sudo arping -c 3 -I {place.interface} {booting[0]['address']}  # then switch its PXE off",
        )
    if place.dhcp_mode == "server" and leasing:
        return OTHERS.bad(
            f"{_name(leasing[0])} hands out addresses too, and DHCP_MODE is server.",
            f"DHCP_MODE=proxy {START}",
        )
    if place.dhcp_mode == "proxy":
        return _judge_beside(leasing, when)
    names = ", ".join(_name(server) for server in others)
    return OTHERS.good(f"On {place.interface} answers {names or 'nobody else'} ({when}).")


def _judge_beside(leasing: list[Server], when: str) -> Finding:
    """A proxy needs exactly one other server."""
    if not leasing:
        return OTHERS.warning(
            "Nobody on the wire hands out addresses, and DHCP_MODE=proxy leaves that to another server.",
            f"DHCP_MODE=server DHCP_RANGE=FIRST,LAST {START}",
            "A machine without an address boots nothing.",
        )
    if len(leasing) > 1:
        names = " and ".join(_name(server) for server in leasing)
        return OTHERS.warning(f"Several servers hand out addresses: {names}.", AS_ROOT)
    return OTHERS.good(f"{_name(leasing[0])} hands out addresses, and nobody else answers ({when}).")


def _judge_ours(ours: list[Server]) -> Finding:
    told = {answer["client"]: answer["boot_file"] for server in ours for answer in server["answers"]}
    missing = [kind for kind in _KINDS if kind not in told]
    if missing == list(_KINDS):
        return ANSWERS.bad(
            "Our own server gave no answer to a machine's question.", log_of("dnsmasq"),
            "No machine boots from the network while it is silent.",
        )  # fmt: skip
    if missing:
        return ANSWERS.bad(
            f"Our own server does not tell what to boot to: {', '.join(missing)}.", log_of("dnsmasq")
        )
    files = ", ".join(f"{kind}: {file or 'asks for its files next'}" for kind, file in sorted(told.items()))
    return ANSWERS.good(f"Every kind of machine is answered. {files}.")


def _name(server: Server) -> str:
    return f"{server['address']} (MAC address {server['mac']})"


def _file(server: Server) -> str:
    files = sorted({answer["boot_file"] for answer in server["answers"]} - {""})
    return f", and sends them {files[0]}" if files else ""


def _when(look: Look) -> str:
    minutes = int(look.seconds_ago // 60)
    if minutes < 1:
        return "looked just now"
    return f"looked {minutes} min ago" if minutes < 120 else f"looked {minutes // 60} h ago"
