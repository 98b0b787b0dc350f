"""Sightings in the database: two machines at once, two power-ons of one, and what is counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bootflow.models import Boot, BootEvent
from bootflow.recorder import ledger
from bootflow.recorder.neighbours import AddressBook
from bootflow.recorder.rounds import Recorder
from bootflow.recorder.sighting import Sighting, Sign, moment
from tests.bootflow.recorder.lines import PC, PI, START, discover, pc_boot, request, sent, write
from tests.bootflow.recorder.test_recorder import kinds, mixed, read_all, recorder

pytestmark = pytest.mark.django_db
OTHER = "52:54:00:00:00:02"
EVENTS = [
    ("dhcp", "discover"), ("dhcp", "address"), ("tftp", "file"), ("dhcp", "discover"), ("dhcp", "address"),
]  # fmt: skip


def sighting(kind: str, after: float = 0, sign: Sign = Sign.PART, **fields: Any) -> Sighting:
    given = {"stage": "dhcp", "detail": kind, "mac": PC, "facts": {}, **fields}
    return Sighting(at=moment(START + after), kind=kind, sign=sign, **given)


def power_on(after: float = 0, mac: str = PC) -> Boot:
    boot = ledger.write_one(sighting("discover", after, Sign.FIRMWARE, mac=mac))
    assert boot is not None
    return boot


def test_two_machines_by_turns_with_the_same_xids_are_two_boots(tmp_path: Any) -> None:
    boots = [pc_boot(START, PC, "10.66.0.100"), pc_boot(START, OTHER, "10.66.0.101")]
    write(tmp_path / "dnsmasq.log", mixed(boots))
    read_all(recorder(tmp_path))
    assert {boot.mac: kinds(boot) for boot in Boot.objects.all()} == {PC: EVENTS, OTHER: EVENTS}


def test_two_power_ons_of_one_machine_that_never_got_a_script_are_two_boots(tmp_path: Any) -> None:
    write(tmp_path / "dnsmasq.log", [*pc_boot(START), *pc_boot(START + 100)])
    read_all(recorder(tmp_path))
    new, old = Boot.objects.all()
    assert [kinds(boot) for boot in (old, new)] == [EVENTS, EVENTS]
    assert (old.outcome, old.finished_at) == ("failed", new.started_at)
    assert old.reason == "Powered on again before its operating system was seen."


def test_a_failed_boots_own_reason_is_kept_when_the_machine_is_powered_on_again() -> None:
    old = power_on()
    Boot.objects.filter(pk=old.pk).update(outcome="failed", reason="another DHCP server was faster")
    power_on(61)
    old.refresh_from_db()
    assert (old.outcome, old.reason) == ("failed", "another DHCP server was faster")
    assert old.finished_at == moment(START + 61)


def test_an_address_that_moves_to_another_machine_takes_its_files_along(tmp_path: Any) -> None:
    lines = [*discover(START, 1), *request(START + 1, 1), *sent(START + 2, "first")]
    moved = [*discover(START + 3, 2, mac=OTHER), *request(START + 4, 2, mac=OTHER), *sent(START + 5, "then")]
    write(tmp_path / "dnsmasq.log", [*lines, *moved])
    read_all(recorder(tmp_path))
    files = dict(BootEvent.objects.filter(kind="file").values_list("boot__mac", "facts__file"))
    assert files == {PC: "first", OTHER: "then"}


def test_the_kernels_neighbour_table_is_asked_where_no_dhcp_was_seen(tmp_path: Any) -> None:
    rows = f"10.66.0.9 0x1 0x2 {PI} * eth0\n10.66.0.8 0x1 0x0 00:00:00:00:00:00 * eth0\n"
    (tmp_path / "arp").write_text(f"IP address HW type Flags HW address Mask Device\n{rows}")
    write(tmp_path / "dnsmasq.log", [*sent(START, "a", "10.66.0.9"), *sent(START, "b", "10.66.0.8")])
    read_all(Recorder(tmp_path, tmp_path, AddressBook(tmp_path / "arp"), clock=lambda: 0.0))
    assert list(BootEvent.objects.values_list("boot__mac", flat=True)) == [PI]


def test_ipxe_after_its_firmware_joins_and_a_system_that_runs_starts_nothing() -> None:
    one = power_on()
    assert ledger.write_one(sighting("discover", 9, Sign.LOADER, detail="iPXE")) == one
    assert ledger.write_one(sighting("address", 60, Sign.SYSTEM)) is None
    Boot.objects.update(stage="iscsi")
    assert ledger.write_one(sighting("address", 61, Sign.SYSTEM)) == one
    Boot.objects.update(stage="os", finished_at=moment(START + 70))
    assert ledger.write_one(sighting("address", 3600, Sign.SYSTEM)) is None
    assert Boot.objects.get() == one


def test_a_boot_file_that_a_running_system_fetches_starts_no_boot() -> None:
    assert ledger.write_one(sighting("file", stage="installer")) is None
    one = power_on()
    assert ledger.write_one(sighting("file", 5, stage="installer")) == one


@pytest.mark.parametrize(
    ("second", "rows"),
    [({}, 1), ({"facts": {"xid": 9}}, 1), ({"detail": "other words"}, 2), ({"stage": "tftp"}, 2)],
)
def test_only_an_event_of_the_same_words_is_counted_again(second: dict[str, Any], rows: int) -> None:
    ledger.write([sighting("address", facts={"xid": 1}), sighting("address", 3, **second)])
    boot = Boot.objects.get()
    assert boot.events.count() == rows
    assert boot.last_event_at == moment(START + 3)
    first = boot.events.first()
    assert first is not None
    assert first.at == moment(START), "an event that repeats keeps its first time"
    if rows == 1:
        assert first.facts["count"] == 2
        assert first.facts["last_at"] == moment(START + 3).isoformat()


def test_a_machine_that_asks_for_ever_fills_a_boot_only_so_far() -> None:
    ledger.write(sighting("file", n / 10, detail=f"file {n}") for n in range(ledger.EVENTS_PER_BOOT_MAX + 20))
    boot = Boot.objects.get()
    assert boot.events.count() == ledger.EVENTS_PER_BOOT_MAX
    assert boot.last_event_at == moment(START + 31.9), "it is heard all the same"


def test_a_long_sentence_is_cut_and_still_counted_as_the_same() -> None:
    ledger.write([sighting("file", n, detail="x" * 900) for n in range(2)])
    assert BootEvent.objects.get().facts["count"] == 2


def test_a_stage_never_falls_back_and_the_beginning_never_moves_on() -> None:
    one = power_on()
    Boot.objects.update(stage="script")
    ledger.write([sighting("file", -2, stage="tftp"), sighting("address", 8)])
    one.refresh_from_db()
    assert one.stage == "script"
    assert (one.started_at, one.last_event_at) == (moment(START - 2), moment(START + 8))


def test_what_came_after_a_power_on_that_was_read_late_moves_to_the_new_boot() -> None:
    old = power_on()
    for after, kind in ((2, "script"), (100, "login")):
        BootEvent.objects.create(boot=old, at=moment(START + after), stage="script", kind=kind)
    Boot.objects.update(stage="script", last_event_at=moment(START + 100))
    new = power_on(99)
    assert [list(boot.events.values_list("kind", flat=True)) for boot in (old, new)] == [
        ["discover", "script"], ["discover", "login"],
    ]  # fmt: skip
    new.refresh_from_db()
    assert (new.stage, new.last_event_at) == ("script", moment(START + 100))


def test_a_boot_never_ends_before_it_began() -> None:
    one = power_on()
    ledger.close(one, moment(START - 50), "failed", "x")
    one.refresh_from_db()
    assert one.finished_at == one.started_at
    assert one.finished_at - one.started_at == timedelta(0)
