"""What a Raspberry Pi's firmware asks for by TFTP, as events: fetched, looked for, missing, broken off."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootflow.models import Boot, BootEvent
from bootflow.recorder.assemble import assemble
from bootflow.recorder.neighbours import AddressBook
from bootflow.recorder.parse import parse_line
from bootflow.recorder.rounds import Recorder
from bootflow.recorder.sighting import Sighting
from tests.bootflow.recorder.lines import PI, START, discover, exchange, sent, stamp, write
from tests.bootflow.recorder.test_recorder import read_all, read_so_far

ADDRESS = "10.66.0.100"
SERIAL = "9ffefdef"
RPI = "rpiboot, bios, rpi, eth0"
PI4_ID = "00:52:50:69:34:14:31:d0:00:32:01:36:c2:9f..."


def tftp(at: float, text: str) -> list[str]:
    return [stamp(at, f"dnsmasq-tftp[7]: {text}")]


def broken_off(at: float, file: str, root: str, address: str = ADDRESS) -> list[str]:
    """A firmware that only looks whether a file is there, as dnsmasq 2.90 logs it."""
    return [
        *tftp(at, f"error 0 Early terminate received from {address}"),
        *tftp(at, f"failed sending {root}/{file} to {address}"),
    ]


def missing(at: float, file: str, root: str) -> list[str]:
    return tftp(at, f"file {root}/{file} not found for {ADDRESS}")


def asked(at: float = START, machine_id: str = PI4_ID, mac: str = PI, **more: str) -> list[str]:
    lines = discover(at, mac=mac, tags=RPI, file="", **more)  # type: ignore[arg-type]
    return [
        *lines,
        stamp(at, f"dnsmasq-dhcp[7]: 11 sent size: 17 option: 97 client-machine-id  {machine_id}"),
    ]


def tree(tmp_path: Path, *files: str) -> str:
    root = tmp_path / "tftp"
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x" * 1000)
    return str(root)


def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path, tmp_path / "tftp", AddressBook(tmp_path / "arp"), clock=lambda: 0.0)


def sightings(lines: list[str], root: str = "/srv/tftp") -> list[Sighting]:
    records = [record for record in map(parse_line, lines) if record is not None]
    return list(assemble(records, tftp_root=root, size_of=lambda _: None))


@pytest.mark.django_db
def test_each_file_of_the_firmware_is_an_event_with_its_bytes_and_its_time(tmp_path: Path) -> None:
    root = tree(tmp_path, f"{SERIAL}/start4.elf", f"{SERIAL}/kernel8.img", f"{SERIAL}/initramfs8")
    write(tmp_path / "dnsmasq.log", [
        *asked(), *sent(START + 1, f"{SERIAL}/start4.elf", root=root),
        *sent(START + 1.5, f"{SERIAL}/kernel8.img", root=root),
        *sent(START + 4, f"{SERIAL}/initramfs8", root=root),
    ])  # fmt: skip
    read_all(recorder(tmp_path))
    events = BootEvent.objects.exclude(stage="dhcp").order_by("at")
    assert [(e.stage, e.kind, e.facts["file"], e.facts["bytes"], e.facts["seconds"]) for e in events] == [
        ("firmware", "file", "9ffefdef/start4.elf", 1000, 1.0),
        ("tftp", "file", "9ffefdef/kernel8.img", 1000, 0.5),
        ("tftp", "file", "9ffefdef/initramfs8", 1000, 2.5),
    ]
    assert events[0].detail == (
        "Fetched 9ffefdef/start4.elf by TFTP (1,000 bytes, at most 1 s: that long after the step before)."
    )
    assert Boot.objects.get().stage == "tftp"


@pytest.mark.django_db
def test_a_file_that_is_read_again_is_one_event_that_counts(tmp_path: Path) -> None:
    root = tree(tmp_path, f"{SERIAL}/config.txt")
    again = [line for n in range(3) for line in sent(START + 1 + n * 0.3, f"{SERIAL}/config.txt", root=root)]
    write(tmp_path / "dnsmasq.log", [*asked(), *again])
    read_all(recorder(tmp_path))
    event = BootEvent.objects.get(kind="file")
    assert (event.facts["count"], event.facts["seconds"]) == (3, 1.0)


@pytest.mark.parametrize("end", ["sent", "failed sending"])
def test_a_file_whose_first_block_was_asked_for_is_one_event_and_not_a_failure(end: str) -> None:
    file = f"/srv/tftp/{SERIAL}/kernel8.img"
    [one] = sightings([
        *tftp(START, f"error 0 Early terminate received from {ADDRESS}"),
        *tftp(START, f"{end} {file} to {ADDRESS}"),
    ])  # fmt: skip
    assert (one.stage, one.kind, one.detail) == (
        "tftp", "file-probed", "Looked whether 9ffefdef/kernel8.img is there, and it is.",
    )  # fmt: skip


def test_the_end_of_another_machines_transfer_is_not_taken_for_it() -> None:
    told = sightings([
        *tftp(START, f"error 0 Early terminate received from {ADDRESS}"),
        *sent(START, f"{SERIAL}/kernel8.img", "10.66.0.101"),
    ])  # fmt: skip
    assert [one.kind for one in told] == ["file-aborted", "file"]


@pytest.mark.django_db
def test_a_look_that_is_read_in_two_pieces_is_still_one_event(tmp_path: Path) -> None:
    root = tree(tmp_path, f"{SERIAL}/start4.elf")
    first, second = broken_off(START + 1, f"{SERIAL}/start4.elf", root)
    one = recorder(tmp_path)
    write(tmp_path / "dnsmasq.log", [*asked(), first])
    read_so_far(one)
    write(tmp_path / "dnsmasq.log", [second])
    read_all(one)
    assert list(BootEvent.objects.order_by("at", "id").values_list("kind", flat=True)) == [
        "discover", "file-probed",
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_look_whose_end_never_comes_is_told_after_a_moment(tmp_path: Path) -> None:
    root = tree(tmp_path)
    write(tmp_path / "dnsmasq.log", [*asked(), broken_off(START + 1, "x", root)[0]])
    read_all(recorder(tmp_path))
    assert BootEvent.objects.filter(kind="file-aborted").count() == 1


@pytest.mark.django_db
def test_expected_misses_are_looks_and_real_ones_are_missing(tmp_path: Path) -> None:
    root = tree(tmp_path, f"{SERIAL}/start4.elf", f"{SERIAL}/kernel8.img")
    names = ["autoboot.txt", "recovery.elf", "start.elf", "kernel_2712.img", "bcm2711-rpi-4-b.dtb"]
    write(tmp_path / "dnsmasq.log", asked())
    for n, name in enumerate(names):
        write(tmp_path / "dnsmasq.log", missing(START + n, f"{SERIAL}/{name}", root))
    read_all(recorder(tmp_path))
    kinds = dict(BootEvent.objects.exclude(stage="dhcp").values_list("facts__file", "kind"))
    assert kinds == {
        f"{SERIAL}/{name}": "file-missing" if name.endswith(".dtb") else "file-probed" for name in names
    }
    look = BootEvent.objects.get(facts__file=f"{SERIAL}/kernel_2712.img")
    assert look.detail == (
        "Looked for 9ffefdef/kernel_2712.img, which need not be there: kernel8.img is there instead."
    )


def test_a_file_that_arrived_in_part_is_a_failure() -> None:
    [one] = sightings(tftp(START, f"failed sending /srv/tftp/{SERIAL}/initramfs8 to {ADDRESS}"))
    assert (one.kind, one.facts["file"]) == ("file-failed", f"{SERIAL}/initramfs8")


@pytest.mark.parametrize(
    "path", ["x" * 500, "9ffefdef/" + "y" * 490, "../../etc/passwd", "9ffefdef/../x", "a b to 10.66.0.9"]
)
def test_a_hostile_path_is_one_bounded_event(path: str) -> None:
    [one] = sightings(tftp(START, f"file /srv/tftp/{path} not found for {ADDRESS}"))
    assert one.address == ADDRESS
    assert len(one.facts["file"]) <= 200
    assert len(one.detail) < 300


@pytest.mark.django_db
def test_a_machine_that_asks_for_a_thousand_names_leaves_three_hundred_events(tmp_path: Path) -> None:
    root = tree(tmp_path)
    lines = [line for n in range(1000) for line in missing(START + n / 1000, f"{SERIAL}/f{n}", root)]
    write(tmp_path / "dnsmasq.log", [*asked(), *lines])
    read_all(recorder(tmp_path))
    assert BootEvent.objects.count() == 300


def test_a_pi_is_named_by_its_board_revision() -> None:
    [one] = sightings(asked())
    assert one.detail == (
        "The Raspberry Pi 4 Model B Rev 1.4 asked for an address and was offered 10.66.0.100."
    )
    assert one.facts["board_revision"] == "d03114"


def test_a_pcs_machine_id_is_not_taken_for_a_pis() -> None:
    guid = f"dnsmasq-dhcp[7]: 11 sent size: 17 option: 97 client-machine-id  {PI4_ID}"
    [one] = sightings([*discover(START), stamp(START, guid)])
    assert "board_revision" not in one.facts


@pytest.mark.django_db
def test_the_kernels_own_question_for_an_address_belongs_to_its_boot(tmp_path: Path) -> None:
    root = tree(tmp_path, f"{SERIAL}/kernel8.img")
    linux = discover(START + 9, 12, mac=PI, tags="eth0", vendor="Linux ipconfig", file="")
    write(tmp_path / "dnsmasq.log", [*asked(), *sent(START + 2, f"{SERIAL}/kernel8.img", root=root), *linux])
    read_all(recorder(tmp_path))
    assert list(Boot.objects.get().events.values_list("kind", "facts__client")) == [
        ("discover", "rpi"), ("file", None), ("discover", "os"),
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_pi_beside_a_foreign_dhcp_server_is_recorded_too(tmp_path: Path) -> None:
    """Its address is the other server's: the kernel's neighbour table tells whose it is."""
    root = tree(tmp_path, f"{SERIAL}/start4.elf")
    (tmp_path / "arp").write_text(f"IP address\n10.66.0.77 0x1 0x2 {PI} * eth0\n")
    proxied = exchange(
        START, 5, "vendor class: PXEClient:Arch:00000:UNDI:002001", f"PXE(eth0) {PI} proxy", f"tags: {RPI}",
        f"sent size: 17 option: 97 client-machine-id  {PI4_ID}", "sent size:  1 option: 53 message-type  2",
    )  # fmt: skip
    write(tmp_path / "dnsmasq.log", [*proxied, *sent(START + 1, f"{SERIAL}/start4.elf", "10.66.0.77", root)])
    read_all(recorder(tmp_path))
    boot = Boot.objects.get(mac=PI)
    assert list(boot.events.values_list("stage", "kind")) == [("dhcp", "proxy"), ("firmware", "file")]
    assert boot.events.get(kind="proxy").facts["board_revision"] == "d03114"
