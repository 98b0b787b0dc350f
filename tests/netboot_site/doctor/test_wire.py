"""What is said of who answered on the boot network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from netboot_site.doctor.findings import State
from netboot_site.doctor.place import Look
from netboot_site.doctor.wire import judge_wire
from tests.netboot_site.doctor.places import OURS, ROUTER, checked, look, only, place

SECOND = {**ROUTER, "address": "10.66.0.253"}
PXE = {
    **ROUTER, "address": "10.66.0.9", "hands_out_addresses": False, "answers_pxe": True,
    "answers": [{"client": "BIOS PC", "boot_file": "pxelinux.0", "next_server": "10.66.0.9"}],
}  # fmt: skip
SILENT = {**OURS, "answers": []}
NO_PIS = {**OURS, "answers": OURS["answers"][:2]}  # type: ignore[index]
PXE_NAME = "10.66.0.9 (MAC address 52:54:00:00:00:fe)"
ROUTER_NAME = "10.66.0.254 (MAC address 52:54:00:00:00:fe)"


@pytest.mark.parametrize(
    ("mode", "servers", "state", "what"),
    [
        ("proxy", [OURS, ROUTER], "good", f"{ROUTER_NAME} hands out addresses, and nobody else answers ("),
        ("proxy", [OURS], "warning", "Nobody on the wire hands out addresses, and DHCP_MODE=proxy leaves"),
        ("proxy", [OURS, ROUTER, SECOND], "warning", "Several servers hand out addresses: "),
        ("proxy", [OURS, ROUTER, PXE], "bad", f"{PXE_NAME} answers machines that boot from the network"),
        ("server", [OURS], "good", "On eth0 answers nobody else (looked just now)."),
        ("server", [OURS, ROUTER], "bad", f"{ROUTER_NAME} hands out addresses too, and DHCP_MODE is server."),
        ("server", [OURS, PXE], "bad", "10.66.0.9 "),
        ("off", [ROUTER, PXE], "good", f"On eth0 answers {ROUTER_NAME}, 10.66.0.9 "),
    ],
)  # fmt: skip
def test_others_are_fine_where_they_are_needed_and_nowhere_else(
    mode: str, servers: list[Mapping[str, Any]], state: str, what: str
) -> None:
    finding = checked(judge_wire(place(dhcp_mode=mode), look(*servers))[0])
    assert finding.key == "other-servers"
    assert (finding.state, finding.what.startswith(what)) == (state, True), finding.what


@pytest.mark.parametrize(
    ("servers", "state", "what"),
    [
        ([OURS], "good", "Every kind of machine is answered. BIOS PC: undionly.kpxe, "),
        ([ROUTER], "bad", "Our own server gave no answer to a machine's question."),
        ([SILENT], "bad", "Our own server gave no answer to a machine's question."),
        ([NO_PIS], "bad", "Our own server does not tell what to boot to: Raspberry Pi."),
    ],
)
def test_our_own_answer_is_heard_by_every_kind_of_machine(
    servers: list[Mapping[str, Any]], state: str, what: str
) -> None:
    finding = checked(judge_wire(place(), look(*servers))[1])
    assert finding.key == "answers"
    assert (finding.state, finding.what.startswith(what)) == (state, True), finding.what


@pytest.mark.parametrize("changes", [{"dhcp_mode": "off"}, {"expected": frozenset({"tgtd"})}])
def test_nobody_listens_for_our_answer_where_we_give_none(changes: dict[str, Any]) -> None:
    assert [finding.key for finding in judge_wire(place(**changes), look())] == ["other-servers"]


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (None, "Nobody has looked at the wire of eth0 yet."),
        (look(error="The wire can be reached by root alone."), "The wire can be reached by root alone."),
    ],
)  # fmt: skip
def test_a_wire_that_was_not_looked_at_is_not_known(seen: Look | None, what: str) -> None:
    finding = only(judge_wire(place(), seen))
    assert (finding.state, finding.what) == (State.UNKNOWN, what)


@pytest.mark.parametrize(("ago", "words"), [(59, "just now"), (600, "10 min ago"), (7300, "2 h ago")])
def test_it_says_how_old_a_look_is(ago: float, words: str) -> None:
    assert f"(looked {words})" in judge_wire(place(), look(OURS, ROUTER, seconds_ago=ago))[0].what
