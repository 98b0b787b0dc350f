"""What nftables' rules drop for certain; ufw's and firewalld's are among them."""

from __future__ import annotations

from typing import Any

import pytest

from netboot_site.doctor.firewall import Packet, is_dropped, judge_firewall
from netboot_site.doctor.ports import WantedPort
from tests.netboot_site.doctor.places import only

TFTP = Packet("eth0", "udp", 69)
PORTS = [
    WantedPort(69, True, "dnsmasq", "10.66.0.1", "TFTP", "Firmware asks there."),
    WantedPort(8080, False, "nginx", "10.66.0.1", "boot files", "Machines fetch there."),
]
ACCEPT, DROP = {"accept": None}, {"drop": None}


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def port(number: Any, protocol: str = "udp") -> dict[str, Any]:
    return match({"payload": {"protocol": protocol, "field": "dport"}}, number)


def meta(key: str, value: Any, op: str = "==") -> dict[str, Any]:
    return match({"meta": {"key": key}}, value, op)


def rules(
    *exprs: list[dict[str, Any]], policy: str = "drop", **others: list[list[dict[str, Any]]]
) -> dict[str, Any]:
    base = {
        "family": "inet",
        "table": "filter",
        "name": "input",
        "type": "filter",
        "hook": "input",
        "policy": policy,
    }
    entries: list[dict[str, Any]] = [{"metainfo": {"version": "1.0.6"}}, {"chain": base}]
    for name, bodies in {"input": list(exprs), **others}.items():
        entries += [
            {"rule": {"family": "inet", "table": "filter", "chain": name, "expr": body}} for body in bodies
        ]
    return {"nftables": entries}


@pytest.mark.parametrize(
    ("told", "is_lost"),
    [
        (rules(policy="accept"), False),
        (rules(), True),
        (rules([port(69), ACCEPT]), False),
        (rules([port(70), ACCEPT]), True),
        (rules([port(69, "tcp"), ACCEPT]), True),
        (rules([port(69, "th"), ACCEPT]), False),
        (rules([port({"set": [67, 69]}), ACCEPT]), False),
        (rules([port({"range": [60, 70]}), ACCEPT]), False),
        (rules([port({"set": [1, {"range": [60, 70]}]}), ACCEPT]), False),
        (rules([port("@allowed"), ACCEPT]), False),
        (rules([meta("l4proto", "udp"), {"counter": {"packets": 0, "bytes": 0}}, ACCEPT]), False),
        (rules([meta("iifname", "eth0"), ACCEPT]), False),
        (rules([meta("iifname", "eth*"), ACCEPT]), False),
        (rules([meta("iifname", "lo"), ACCEPT]), True),
        (rules([meta("iifname", "lo", "!="), ACCEPT]), False),
        (rules([match({"ct": {"key": "state"}}, ["established", "related"], "in"), ACCEPT]), True),
        (rules([match({"ct": {"key": "state"}}, ["established", "new"], "in"), ACCEPT]), False),
        (rules([match({"payload": {"protocol": "ip", "field": "saddr"}}, "10.0.0.0/8"), ACCEPT]), False),
        (rules([match({"payload": {"protocol": "ip", "field": "ttl"}}, 1), DROP], policy="accept"), False),
        (rules([port(69), DROP], policy="accept"), True),
        (rules([port(69), {"reject": {"type": "icmp"}}], policy="accept"), True),
        (rules([{"xt": {"type": "match", "name": "x"}}, DROP], policy="accept"), False),
        (rules([{"jump": {"target": "lab"}}], lab=[[port(69), ACCEPT]]), False),
        (rules([{"jump": {"target": "lab"}}], lab=[[port(70), ACCEPT]]), True),
        (rules([{"jump": {"target": "input"}}]), True),
        ({}, False),
    ],
)  # fmt: skip
def test_only_what_is_dropped_for_certain_counts(told: Any, is_lost: bool) -> None:
    assert is_dropped(told, TFTP) is is_lost


def test_a_chain_that_packets_for_this_host_do_not_pass_does_not_count() -> None:
    told = rules()
    told["nftables"][1]["chain"]["hook"] = "forward"
    assert not is_dropped(told, TFTP)


def test_the_ports_that_are_lost_are_named_with_the_rule_that_opens_the_first() -> None:
    finding = only(judge_firewall("eth0", PORTS, rules([port(22, "tcp"), ACCEPT])))
    assert (finding.state, finding.what, finding.command) == (
        "bad", "It drops what machines send to UDP port 69, TCP port 8080.",
        "sudo nft insert rule inet filter input iifname eth0 udp dport 69 accept",
    )  # fmt: skip


def test_a_firewall_that_lets_machines_in_is_good_and_none_that_can_be_read_is_not_known() -> None:
    assert only(judge_firewall("eth0", PORTS, rules(policy="accept"))).state == "good"
    assert only(judge_firewall("eth0", PORTS, None)).state == "unknown"
