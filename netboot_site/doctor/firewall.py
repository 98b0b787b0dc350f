"""Whether the host's own firewall drops what machines send: nftables' rules, as far as they are clear."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netboot_site import system
from netboot_site.doctor.findings import NETWORK, Finding, Subject
from netboot_site.doctor.ports import WantedPort
from netboot_site.errors import UnavailableError

SUBJECT = Subject(
    "firewall", NETWORK, "Firewall of this host",
    "What it drops never reaches our programs, and a machine only says that it got no answer.",
)  # fmt: skip
_FAMILIES = ("ip", "inet")
_DEPTH = 8  # chains that jump to chains
ACCEPT, DROP, REJECT = "accept", "drop", "reject"
Expression = Mapping[str, Any]
Chains = Mapping[tuple[str, str, str], Sequence[Sequence[Expression]]]


@dataclass(frozen=True, slots=True)
class Packet:
    """A machine's first packet to one of our ports."""

    interface: str
    protocol: str
    port: int


def read_rules() -> Any:
    """nftables' rules as JSON, which root alone may read; iptables' own are among them. None without nft."""
    if shutil.which("nft", path=system.PLAIN["PATH"]) is None:
        return None
    done = system.run(["nft", "-j", "list", "ruleset"], timeout_seconds=2, env=system.PLAIN)
    if done.exit_code != 0:
        raise UnavailableError("Only root may read the firewall's rules.")
    return json.loads(done.stdout or "{}")


def judge_firewall(interface: str, ports: Iterable[WantedPort], rules: Any) -> list[Finding]:
    """One finding; only what is dropped for certain is told. Pure."""
    if rules is None:
        what = "The program nft is not installed, so that the rules cannot be read."
        return [SUBJECT.unknown(what, "sudo iptables -S INPUT")]
    packets = [Packet(interface, "udp" if port.is_udp else "tcp", port.number) for port in ports]
    dropped = [packet for packet in packets if is_dropped(rules, packet)]
    if not dropped:
        return [SUBJECT.good(f"No rule is seen to drop what machines send on {interface}.")]
    names = ", ".join(f"{one.protocol.upper()} port {one.port}" for one in dropped)
    first = dropped[0]
    rule = f"iifname {interface} {first.protocol} dport {first.port} accept"
    family, table, chain = next(key for key, _ in _base_chains(rules))
    what = f"It drops what machines send to {names}."
    return [SUBJECT.bad(what, f"sudo nft insert rule {family} {table} {chain} {rule}")]


def is_dropped(rules: Any, packet: Packet) -> bool:
    """Whether one of the chains at the door drops it for certain. Pure."""
    chains: dict[tuple[str, str, str], list[Sequence[Expression]]] = {}
    for entry in rules.get("nftables", []):
        if rule := entry.get("rule"):
            chains.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
    ends = [_verdict(chains, key, packet, 0) or policy for key, policy in _base_chains(rules)]
    return DROP in ends


def _base_chains(rules: Any) -> list[tuple[tuple[str, str, str], str]]:
    """Those that a packet for this host passes, with what becomes of one that no rule decides."""
    chains = [entry["chain"] for entry in rules.get("nftables", []) if "chain" in entry]
    return [
        ((one["family"], one["table"], one["name"]), one.get("policy", ACCEPT))
        for one in chains
        if one.get("hook") == "input" and one["family"] in _FAMILIES
    ]


def _verdict(chains: Chains, key: tuple[str, str, str], packet: Packet, depth: int) -> str:
    """`accept`, `drop`, or empty: none of its rules decides."""
    for rule in chains.get(key, ()) if depth < _DEPTH else ():
        fits = [_fits(part["match"], packet) if "match" in part else _is_plain(part) for part in rule]
        if False in fits:
            continue
        told = _end(chains, key, rule, packet, depth)
        if told == DROP and None in fits:
            continue  # perhaps it fits
        if told:
            return told
    return ""


def _end(
    chains: Chains, key: tuple[str, str, str], rule: Sequence[Expression], packet: Packet, depth: int
) -> str:
    for part in rule:
        if ACCEPT in part:
            return ACCEPT
        if DROP in part or REJECT in part:
            return DROP
        for jump in ("jump", "goto"):
            if jump in part:
                return _verdict(chains, (*key[:2], part[jump]["target"]), packet, depth + 1)
    return ""


def _is_plain(part: Expression) -> bool | None:
    """What decides nothing (a counter, a log line) or is an end; None: nobody knows what else it asks."""
    known = {"counter", "log", ACCEPT, DROP, REJECT, "jump", "goto", "return", "comment"}
    return True if known & set(part) else None


def _fits(match: Expression, packet: Packet) -> bool | None:
    """Whether the packet is what a rule asks for; None: it cannot be told."""
    left, right = match.get("left", {}), match.get("right")
    is_equal = match.get("op") in ("==", "in")
    found: bool | None = None
    if "meta" in left:
        value = {"iifname": packet.interface, "l4proto": packet.protocol}.get(left["meta"].get("key"))
        found = None if value is None else _holds(right, value)
    elif "payload" in left and left["payload"].get("protocol") in ("tcp", "udp", "th"):
        found = _fits_port(left["payload"], right, packet)
    elif left.get("ct", {}).get("key") == "state":
        found = _holds(right, "new")
    return found if found is None or is_equal else not found


def _fits_port(payload: Expression, right: Any, packet: Packet) -> bool | None:
    if payload["protocol"] not in (packet.protocol, "th"):
        return False
    return _holds(right, packet.port) if payload.get("field") == "dport" else None


def _holds(right: Any, value: str | int) -> bool | None:
    """A value, a list, a range or a set of these; a named set is not looked up."""
    if isinstance(right, dict):
        if "range" in right:
            low, high = right["range"]
            return isinstance(value, int) and low <= value <= high
        return _holds(right["set"], value) if "set" in right else None
    if isinstance(right, list):
        told = [_holds(one, value) for one in right]
        return True if True in told else (None if None in told else False)
    if isinstance(right, str) and right.startswith("@"):
        return None
    if isinstance(right, str) and right.endswith("*"):
        return str(value).startswith(right[:-1])
    return bool(right == value)
