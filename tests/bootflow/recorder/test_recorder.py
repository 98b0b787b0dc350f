"""The recorder over whole logs: what becomes of them in the database, and that nothing is lost or doubled."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from bootflow.models import Boot, BootEvent, LogPosition
from bootflow.recorder.neighbours import AddressBook
from bootflow.recorder.rounds import Recorder
from tests.bootflow.recorder.lines import (
    PC,
    PI,
    START,
    discover,
    exchange,
    pc_boot,
    request,
    sent,
    stamp,
    write,
)

pytestmark = pytest.mark.django_db


def recorder(tmp_path: Path, arp: str = "", at: float = 0.0) -> Recorder:
    table = tmp_path / "arp"
    table.write_text("IP address HW type Flags HW address Mask Device\n" + arp)
    return Recorder(tmp_path, Path("/srv/tftp"), AddressBook(table), clock=lambda: at)


def read_so_far(one: Recorder) -> None:
    while one.follow_dnsmasq():
        pass


def read_all(one: Recorder) -> None:
    """Read, and once more when nothing has been written for a while."""
    read_so_far(one)
    now = one.clock()
    one.clock = lambda: now + 10
    read_so_far(one)
    one.clock = lambda: now + 20


def kinds(boot: Boot) -> list[tuple[str, str]]:
    return list(boot.events.values_list("stage", "kind"))


def story() -> list[tuple[object, ...]]:
    events = BootEvent.objects.order_by("boot__mac", "at", "id")
    return list(events.values_list("boot__mac", "at", "kind", "detail"))


def asked_for_script(boot: Boot, at: float) -> None:
    moment = datetime.fromtimestamp(at, UTC)
    BootEvent.objects.create(boot=boot, at=moment, stage="script", kind="script")
    Boot.objects.filter(pk=boot.pk).update(stage="script", last_event_at=moment)


def by_exchange(lines: list[str]) -> list[list[str]]:
    cuts = [n for n, line in enumerate(lines) if "available DHCP" in line or "sent /" in line] + [len(lines)]
    return [lines[a:b] for a, b in pairwise(cuts)]


def rotate(log: Path) -> None:
    for number in (3, 2, 1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))


def mixed(boots: list[list[str]]) -> list[str]:
    """Boots at the same time: their exchanges by turns."""
    return [line for turn in zip(*map(by_exchange, boots), strict=True) for part in turn for line in part]


def test_a_pc_by_tftp_and_ipxe_is_one_boot_with_its_stages(tmp_path: Path) -> None:
    write(tmp_path / "dnsmasq.log", pc_boot())
    read_all(recorder(tmp_path))
    boot = Boot.objects.get()
    assert (boot.mac, boot.stage) == (PC, "tftp")
    assert boot.started_at == datetime.fromtimestamp(START, UTC)
    assert kinds(boot) == [
        ("dhcp", "discover"), ("dhcp", "address"), ("tftp", "file"),
        ("dhcp", "discover"), ("dhcp", "address"),
    ]  # fmt: skip
    file = boot.events.get(kind="file")
    assert file.detail == "Fetched undionly.kpxe by TFTP."
    assert file.facts["file"] == "undionly.kpxe"


def test_no_server_path_is_in_what_is_recorded(tmp_path: Path) -> None:
    write(tmp_path / "dnsmasq.log", pc_boot())
    read_all(recorder(tmp_path))
    assert "/srv" not in "".join(event.detail + str(event.facts) for event in BootEvent.objects.all())


def test_a_loaders_size_is_noted(tmp_path: Path) -> None:
    (tmp_path / "undionly.kpxe").write_bytes(b"x" * 777)
    write(tmp_path / "dnsmasq.log", [*discover(START), *sent(START + 1, root=str(tmp_path))])
    read_all(Recorder(tmp_path, tmp_path, AddressBook(tmp_path / "arp"), clock=lambda: 0.0))
    assert BootEvent.objects.get(kind="file").facts["bytes"] == 777


def test_a_retransmission_is_counted_and_adds_no_event(tmp_path: Path) -> None:
    write(tmp_path / "dnsmasq.log", [line for i in range(50) for line in discover(START + i, 11 + i)])
    read_all(recorder(tmp_path))
    assert BootEvent.objects.get().facts["count"] == 50


def test_an_operating_systems_own_dhcp_starts_no_boot(tmp_path: Path) -> None:
    write(tmp_path / "dnsmasq.log", discover(START, vendor="systemd", tags="eth0", file=""))
    read_all(recorder(tmp_path))
    assert not Boot.objects.exists()


def test_a_machine_in_proxy_mode_is_told_by_its_pxe_lines_and_the_neighbour_table(tmp_path: Path) -> None:
    proxied = exchange(
        START, 5, "vendor class: PXEClient:Arch:00007:UNDI:002001", f"PXE(eth0) {PC} proxy",
        "tags: pcefi64, efi64, eth0", "next server: 10.66.0.1",
    )  # fmt: skip
    write(tmp_path / "dnsmasq.log", [*proxied, *sent(START + 1, "snponly.efi", "10.66.0.77")])
    read_all(recorder(tmp_path, f"10.66.0.77 0x1 0x2 {PC} * eth0\n"))
    assert kinds(Boot.objects.get(mac=PC)) == [("dhcp", "proxy"), ("tftp", "file")]


def test_a_file_for_an_address_that_nobody_knows_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "dnsmasq.log", sent(START))
    read_all(recorder(tmp_path))
    assert not Boot.objects.exists()
    assert LogPosition.objects.get(source="dnsmasq").offset > 0


def test_after_a_restart_of_ours_an_address_is_known_from_the_open_boot(tmp_path: Path) -> None:
    write(tmp_path / "dnsmasq.log", discover(START))
    read_all(recorder(tmp_path))
    write(tmp_path / "dnsmasq.log", sent(START + 1))
    read_all(recorder(tmp_path))
    assert Boot.objects.get().stage == "tftp"


def test_a_power_cycle_after_the_script_starts_a_new_boot_and_closes_the_old_one(tmp_path: Path) -> None:
    one = recorder(tmp_path)
    write(tmp_path / "dnsmasq.log", pc_boot())
    read_all(one)
    asked_for_script(Boot.objects.get(), START + 2)
    write(tmp_path / "dnsmasq.log", pc_boot(START + 40))
    read_all(one)
    new, old = Boot.objects.order_by("-started_at")
    assert (old.outcome, old.reason) == ("failed", "Powered on again before its operating system was seen.")
    assert old.finished_at == new.started_at == datetime.fromtimestamp(START + 40, UTC)
    assert new.finished_at is None
    assert (old.events.count(), new.events.count()) == (6, 5)


def test_a_script_asked_for_before_we_read_the_log_belongs_to_the_new_boot(tmp_path: Path) -> None:
    one = recorder(tmp_path)
    write(tmp_path / "dnsmasq.log", pc_boot())
    read_all(one)
    old = Boot.objects.get()
    asked_for_script(old, START + 2)
    asked_for_script(old, START + 42)  # the boot process was faster than the log
    write(tmp_path / "dnsmasq.log", pc_boot(START + 40))
    read_all(one)
    new = Boot.objects.get(finished_at=None)
    assert kinds(new)[-1] == ("script", "script")
    assert new.stage == "script"
    assert old.events.filter(kind="script").count() == 1


def test_dhcp_that_is_read_after_the_script_belongs_to_the_boot_that_the_script_began(tmp_path: Path) -> None:
    at = datetime.fromtimestamp(START + 2, UTC)
    asked_for_script(Boot.objects.create(mac=PC, started_at=at, last_event_at=at, stage="script"), START + 2)
    write(tmp_path / "dnsmasq.log", pc_boot())
    read_all(recorder(tmp_path))
    boot = Boot.objects.get()
    assert boot.started_at == datetime.fromtimestamp(START, UTC)
    assert boot.events.count() == 6
    assert boot.stage == "script"


def test_many_machines_at_once_are_kept_apart(tmp_path: Path) -> None:
    macs = [f"52:54:00:00:01:{i:02x}" for i in range(30)]
    boots = [pc_boot(START + i / 100, mac, f"10.66.0.{i + 100}") for i, mac in enumerate(macs)]
    write(tmp_path / "dnsmasq.log", mixed(boots))
    read_all(recorder(tmp_path))
    assert Boot.objects.count() == 30
    assert {boot.events.count() for boot in Boot.objects.all()} == {5}


@pytest.mark.parametrize("seed", range(12))
def test_a_restart_at_any_line_and_rotations_lose_nothing_and_double_nothing(
    tmp_path: Path, seed: int
) -> None:
    """The log grows by pieces, is rotated now and then, and each piece is read by a new recorder."""
    chance = random.Random(seed)
    macs = [f"52:54:00:00:02:{i:02x}" for i in range(4)]
    boots = [pc_boot(START + i, mac, f"10.66.0.{i + 100}") for i, mac in enumerate(macs)]
    log = tmp_path / "dnsmasq.log"
    for line in mixed(boots):
        cut = chance.randrange(len(line) + 1)
        for piece in (line[:cut], line[cut:] + "\n"):
            with log.open("a") as grown:
                grown.write(piece)
            if chance.random() < 0.3:
                read_so_far(recorder(tmp_path))
        if chance.random() < 0.05:
            read_so_far(recorder(tmp_path))
            rotate(log)
    read_all(recorder(tmp_path))
    assert {boot.events.count() for boot in Boot.objects.all()} == {5}, story()
    assert Boot.objects.count() == 4
    assert not [event.detail for event in BootEvent.objects.all() if "count" in event.facts]


def test_a_failure_while_writing_moves_neither_events_nor_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "dnsmasq.log", pc_boot())
    one = recorder(tmp_path)

    def fail(*_: object) -> None:
        raise RuntimeError("away")

    with monkeypatch.context() as patched:
        patched.setattr("bootflow.recorder.rounds._save", fail)
        with pytest.raises(RuntimeError):
            one.follow_dnsmasq()
    assert not BootEvent.objects.exists()
    read_all(one)
    assert BootEvent.objects.count() == 5


def test_a_pi_that_only_speaks_dhcp_and_tftp_is_recorded(tmp_path: Path) -> None:
    asked = discover(START, mac=PI, tags="rpiboot, bios, rpi, eth0", file="")
    missing = "dnsmasq-tftp[7]: file /srv/tftp/9ffefdef/start4.elf not found for 10.66.0.100"
    write(tmp_path / "dnsmasq.log", [*asked, stamp(START + 1, missing)])
    read_all(recorder(tmp_path))
    boot = Boot.objects.get(mac=PI)
    assert kinds(boot) == [("dhcp", "discover"), ("firmware", "file-missing")]
    assert boot.events.get(kind="file-missing").facts["file"] == "9ffefdef/start4.elf"


def test_an_exchange_that_is_still_being_written_waits_for_its_end(tmp_path: Path) -> None:
    lines = discover(START)
    write(tmp_path / "dnsmasq.log", lines[:3])
    one = recorder(tmp_path)
    read_so_far(one)
    assert not Boot.objects.exists()
    write(tmp_path / "dnsmasq.log", [*lines[3:], *request(START + 1)])
    read_so_far(one)
    assert BootEvent.objects.get(kind="discover").facts["client"] == "pxe"
