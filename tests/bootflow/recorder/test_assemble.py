"""Exchange by exchange: who asked, what it was told, and where one exchange ends and the next begins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.recorder.assemble import assemble
from bootflow.recorder.parse import parse_line
from bootflow.recorder.sighting import Sighting, Sign
from tests.bootflow.recorder.lines import PC, PI, START, discover, exchange, request, sent, stamp

OTHER = "52:54:00:00:00:02"
EFI = "PXEClient:Arch:00007:UNDI:003001"
HTTP = "HTTPClient:Arch:00016:UNDI:003001"


def seen(lines: list[str], size: int | None = None) -> list[Sighting]:
    records = [record for record in map(parse_line, lines) if record is not None]
    return list(assemble(records, tftp_root="/srv/tftp", size_of=lambda _: size))


def proxied(note: str, *more: str, vendor: str = EFI) -> list[str]:
    return exchange(START, 5, f"vendor class: {vendor}", f"PXE(eth0) 10.66.0.9 {PC} {note}", *more)


ACK = "sent size:  1 option: 53 message-type  5"
OFFER = "sent size:  1 option: 53 message-type  2"
TELLS: dict[str, tuple[list[str], str, Sign, str]] = {
    "BIOS": (
        discover(START), "discover", Sign.FIRMWARE,
        "BIOS firmware asked for an address and was offered 10.66.0.100, to load undionly.kpxe.",
    ),
    "UEFI": (
        discover(START, vendor=EFI, file="snponly.efi"), "discover", Sign.FIRMWARE,
        "UEFI firmware asked for an address and was offered 10.66.0.100, to load snponly.efi.",
    ),
    "an architecture without a name": (
        discover(START, vendor="PXEClient:Arch:00042", file=""), "discover", Sign.FIRMWARE,
        "Its firmware asked for an address and was offered 10.66.0.100.",
    ),
    "HTTP boot": (
        discover(START, vendor=HTTP, file="http://10.66.0.1:8080/boot/files/loaders/snponly.efi"),
        "discover", Sign.FIRMWARE,
        "UEFI firmware (HTTP boot) asked for an address and was offered 10.66.0.100, to load snponly.efi.",
    ),
    "Pi": (
        discover(START, mac=PI, tags="rpiboot, bios, eth0", file=""), "discover", Sign.FIRMWARE,
        "The Raspberry Pi asked for an address and was offered 10.66.0.100.",
    ),
    "iPXE by its tag": (
        discover(START, tags="ipxe, bios, eth0", file="http://10.66.0.1:8080/boot/boot.ipxe"),
        "discover", Sign.LOADER,
        "iPXE asked for an address and was offered 10.66.0.100, and was told the address of its script.",
    ),
    "iPXE by its user class": (
        discover(START, user_class="iPXE", tags="eth0"), "discover", Sign.LOADER,
        "iPXE asked for an address and was offered 10.66.0.100, and was told the address of its script.",
    ),
    "a system": (
        discover(START, vendor="systemd", tags="eth0", file=""), "discover", Sign.SYSTEM,
        "The operating system asked for an address and was offered 10.66.0.100.",
    ),
    "a system that says nothing of itself": (
        discover(START, vendor="", tags="eth0", file=""), "discover", Sign.SYSTEM,
        "The operating system asked for an address and was offered 10.66.0.100.",
    ),
    "address": (
        request(START), "address", Sign.PART, "BIOS firmware took the address 10.66.0.100.",
    ),
    "a system's address": (
        request(START, vendor="systemd"), "address", Sign.SYSTEM,
        "The operating system took the address 10.66.0.100.",
    ),
    "iPXE's address": (
        request(START, tags="ipxe"), "address", Sign.PART, "iPXE took the address 10.66.0.100.",
    ),
    "pool used up": (
        exchange(START, 5, f"vendor class: {EFI}", f"DHCPDISCOVER(eth0) {PC} no address available"),
        "no-offer", Sign.FIRMWARE, "UEFI firmware asked for an address: no address available.",
    ),
    "no offer, no reason": (
        exchange(START, 5, f"vendor class: {EFI}", f"DHCPDISCOVER(eth0) {PC} "),
        "no-offer", Sign.FIRMWARE, "UEFI firmware asked for an address: no offer was made.",
    ),
    "refused": (
        exchange(START, 5, f"DHCPREQUEST(eth0) 10.9.0.9 {PC} ", f"DHCPNAK(eth0) 10.9.0.9 {PC} wrong network"),
        "refused", Sign.PART, "The operating system was refused the address that it wanted.",
    ),
    "proxy": (
        proxied("proxy", OFFER), "proxy", Sign.FIRMWARE, "UEFI firmware asked what to boot.",
    ),
    "proxy, not answered": (
        proxied("proxy-ignored"), "ignored", Sign.PART, "UEFI firmware was not answered.",
    ),
    "port 4011": (
        proxied("snponly.efi", "bootfile name: snponly.efi", ACK), "boot-server", Sign.PART,
        "UEFI firmware asked on port 4011 and was told to load snponly.efi.",
    ),
    "port 4011, nothing to load": (
        proxied("proxy", ACK), "boot-server", Sign.PART,
        "UEFI firmware asked on port 4011 and was told to load nothing.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TELLS)
def test_an_exchange_is_one_sighting_with_its_sentence(name: str) -> None:
    lines, kind, sign, detail = TELLS[name]
    [one] = seen(lines)
    assert (one.stage, one.kind, one.sign, one.detail) == ("dhcp", kind, sign, detail)
    assert one.at.timestamp() == START


@pytest.mark.parametrize(
    ("text", "kind", "detail"),
    [
        ("sent /srv/tftp/a/b.efi to 10.66.0.9", "file", "Fetched a/b.efi by TFTP."),
        ("failed sending /srv/tftp/b to 10.66.0.9", "file-failed",
         "b did not arrive whole: the machine stopped answering."),
        ("file /srv/tftp/b not found for 10.66.0.9", "file-missing",
         "Asked for b by TFTP, which is not there."),
        ("cannot access /srv/tftp/b: Permission denied", "file-refused",
         "Asked for b by TFTP, which cannot be read: Permission denied."),
        ("error 8 User aborted received from 10.66.0.9", "file-aborted",
         "Broke a TFTP transfer off: User aborted."),
    ],
)  # fmt: skip
def test_a_transfer_is_told_in_words_and_only_a_sent_file_has_a_size(
    text: str, kind: str, detail: str
) -> None:
    [one] = seen([stamp(START, f"dnsmasq-tftp[7]: {text}")], size=99)
    assert (one.stage, one.kind, one.sign, one.detail, one.mac) == ("tftp", kind, Sign.PART, detail, "")
    assert ("bytes" in one.facts) == (kind == "file")


def test_an_xid_that_another_machine_uses_after_a_transfer_is_another_exchange() -> None:
    told = seen([*discover(START, 11), *sent(START + 1), *discover(START + 2, 11, mac=OTHER)])
    assert [(one.kind, one.mac) for one in told] == [("discover", PC), ("file", ""), ("discover", OTHER)]


def test_a_client_that_keeps_its_xid_for_several_packets_makes_several_exchanges() -> None:
    told = seen([*discover(START, 11), *discover(START + 4, 11), *request(START + 5, 11)])
    assert [(one.kind, one.at.timestamp() - START) for one in told] == [
        ("discover", 0), ("discover", 4), ("address", 5),
    ]  # fmt: skip


def test_two_machines_by_turns_keep_their_own_words() -> None:
    mine, other = (
        discover(START, 1, file="undionly.kpxe"),
        discover(START, 2, mac=OTHER, vendor=EFI, file="x"),
    )
    told = seen([*mine, *other, *request(START + 1, 1), *request(START + 1, 2, mac=OTHER, vendor=EFI)])
    assert [(one.mac, one.facts["architecture"]) for one in told] == [(PC, 0), (OTHER, 7)] * 2


def test_what_an_exchange_took_is_the_machines_wait_and_never_negative() -> None:
    lines = discover(START, 3)
    slow = [*lines[:-1], lines[-1].replace(f"{START:.3f}", f"{START + 0.25:.3f}")]
    back = [*lines[:-1], lines[-1].replace(f"{START:.3f}", f"{START - 9:.3f}")]
    assert [seen(one)[0].facts["seconds"] for one in (lines, slow, back)] == [0, 0.25, 0]


def test_facts_hold_what_is_known_and_leave_out_the_rest() -> None:
    [one] = seen(discover(START, 44, file=""))
    assert one.facts == {
        "client": "pxe", "architecture": 0, "address": "10.66.0.100", "xid": 44, "seconds": 0,
    }  # fmt: skip
    [system] = seen(request(START, 45, vendor=""))
    assert "architecture" not in system.facts


turns = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["discover", "request", "file"])), max_size=20)


@given(turns)
def test_however_exchanges_follow_each_other_each_is_seen_once_and_in_order(
    them: list[tuple[int, str]],
) -> None:
    made: dict[str, Any] = {"discover": discover, "request": request}
    lines: list[str] = []
    for n, (xid, what) in enumerate(them):
        lines += sent(START + n, f"file-{xid}") if what == "file" else made[what](START + n, xid)
    kinds = {"discover": "discover", "request": "address", "file": "file"}
    assert [(one.kind, one.at.timestamp() - START) for one in seen(lines)] == [
        (kinds[what], n) for n, (_, what) in enumerate(them)
    ]
