"""A boot's bundle: everything for a report, and nothing that is nobody's business."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from bootflow.log_lines import LINES_MAX, Span, of_boot_files, of_dnsmasq
from bootflow.models import Boot, BootEvent, Stage
from devices.models import Device
from images.models import Export
from tests.bootflow.conftest import MAC
from tests.bootflow.recorder.lines import START, discover, pc_boot, sent
from tests.conftest import Api

BEGAN = datetime.fromtimestamp(START, UTC)
ADDRESS, OTHER = "10.66.0.100", "52:54:00:00:00:02"
SPAN = Span(START - 5, START + 60)
DISK = {
    "image_id": "disk-1", "iqn": "iqn.2026-02.local.netboot:disk-1",
    "initiator_name": "iqn.2026-02.local.netboot:device.525400123456",
    "address": "10.66.0.1", "port": 3260, "ready": True,
}  # fmt: skip
PLAN = {"state": "enrolled", "name": "pc-07", "device_type": "x64", "disk": DISK, "identity": True}


def write(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def http_line(at: float, address: str = ADDRESS, uri: str = "/boot/files/debian/linux") -> str:
    return json.dumps({"at": at, "address": address, "uri": uri, "status": 200, "bytes": 5, "seconds": 0.1})


@pytest.fixture
def boot(device: Device, give_disk: Callable[..., Export], settings: Any, tmp_path: Path) -> Boot:
    give_disk(device)
    settings.LOGS_PATH, settings.TFTP_PATH = tmp_path / "logs", tmp_path / "tftp"
    settings.DNSMASQ_PATH = tmp_path / "dnsmasq"
    root = str(settings.TFTP_PATH)
    lines = pc_boot(mac=MAC) + sent(START + 2, root=root) + discover(START + 3, 77, mac=OTHER)
    started = f"{START - 100:.3f} dnsmasq[7]: started, version 2.90 DNS disabled"
    write(settings.LOGS_PATH / "dnsmasq.log", [started, *lines])
    write(settings.LOGS_PATH / "boot-files.log", [http_line(START + 4), http_line(START + 4, "10.66.0.9")])
    write(settings.DNSMASQ_PATH / "dnsmasq.conf", ["port=0", f'tftp-root="{root}"', "interface=eth0"])
    row = Boot.objects.create(
        mac=MAC, started_at=BEGAN, last_event_at=BEGAN, finished_at=BEGAN + timedelta(seconds=9),
        stage="script", outcome="failed", reason=f"no script asked for; see {root}/x",
    )  # fmt: skip
    facts = {"plan": PLAN, "address": ADDRESS, "retry": 0}
    BootEvent.objects.create(boot=row, at=BEGAN, stage=Stage.SCRIPT, kind="script", facts=facts)
    return row


def bundle(api: Api, boot: Boot) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/v1/boots/{boot.pk}/bundle").json()
    return found


def test_a_bundle_holds_the_boot_its_events_what_it_was_told_and_what_the_logs_say(
    api: Api, boot: Boot
) -> None:
    found = bundle(api, boot)
    assert (found["boot"]["id"], found["device"]["name"]) == (boot.pk, "pc-07")
    assert found["events"][0]["detail"] == "Asked what to boot, and was told to boot from its disk disk-1."
    assert "sanboot iscsi:10.66.0.1" in found["decision"]["script"]
    assert found["decision"]["situation"]["disk"]["image_id"] == "disk-1"
    assert found["configuration"]["dnsmasq"] == ["port=0", "interface=eth0"]
    assert any(f"DHCPDISCOVER(eth0) {MAC}" in line for line in found["log"]["dnsmasq"])
    assert any("vendor class" in line for line in found["log"]["dnsmasq"]), "exchanges are whole"
    assert [json.loads(line)["address"] for line in found["log"]["boot files"]] == [ADDRESS]
    assert found["versions"]["dnsmasq"] == "2.90"
    assert found["versions"]["Netboot Orchestrator"]


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_bundle_holds_no_secret_no_path_and_no_other_machine(
    api: Api, operator_client: Client, boot: Boot, tmp_path: Path, kind: str
) -> None:
    boot.events.update(detail=f"the password 0123456789abcdef in {tmp_path}/tftp/file")
    for body in (
        api.get(f"/api/v1/boots/{boot.pk}/bundle?format={kind}").content.decode(),
        operator_client.get(f"/boots/{boot.pk}/bundle/?format={kind}").content.decode(),
    ):
        assert "0123456789abcdef" not in body
        assert str(tmp_path / "tftp") not in body
        assert OTHER not in body
        assert "set password ********" in body
        assert "undionly.kpxe" in body


def test_a_text_is_for_a_person(api: Api, boot: Boot) -> None:
    answer = api.get(f"/api/v1/boots/{boot.pk}/bundle?format=text")
    text = answer.content.decode()
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    for title in ("Events", "Decision: script", "Configuration: dnsmasq", "Log: dnsmasq", "Versions"):
        assert f"\n== {title} ==\n" in text
    assert "\n#!ipxe\n" in text


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("lab1-03", "lab1-03"),
        ('a"; filename=/etc/passwd\\..', "a-filename-etc-passwd"),
        ("\u05d0\u05d1", "525400123456"),
        ("x" * 200, "x" * 60),
    ],
)
def test_a_file_has_a_safe_name_whatever_the_device_is_called(
    api: Api, boot: Boot, name: str, wanted: str
) -> None:
    Device.objects.update(name=name)
    told = api.get(f"/api/v1/boots/{boot.pk}/bundle")["Content-Disposition"]
    assert told == f'attachment; filename="boot-{boot.pk}-{wanted}-{BEGAN:%Y%m%d-%H%M}.json"'


def test_control_characters_and_turned_text_move_nothing_in_a_text(api: Api, boot: Boot) -> None:
    boot.events.update(detail="\x1b[2J\u202egnp.exe")
    text = api.get(f"/api/v1/boots/{boot.pk}/bundle?format=text").content.decode()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "?[2J?gnp.exe" in text


def test_a_bundle_of_a_stranger_without_logs_is_still_one(
    api: Api, settings: Any, tmp_path: Path, db: None
) -> None:
    settings.LOGS_PATH = settings.DNSMASQ_PATH = tmp_path
    row = Boot.objects.create(mac=OTHER, started_at=BEGAN, last_event_at=BEGAN, stage="dhcp")
    found = bundle(api, row)
    assert (found["device"], found["decision"]) == (None, None)
    assert found["log"] == {"dnsmasq": [], "boot files": []}
    assert api.get(f"/api/v1/boots/{row.pk}/bundle?format=text").status_code == 200


@pytest.mark.parametrize(("query", "status"), [("4711/bundle", 404), ("{}/bundle?format=xml", 422)])
def test_what_is_no_bundle_is_refused(api: Api, boot: Boot, query: str, status: int) -> None:
    assert api.get(f"/api/v1/boots/{query.format(boot.pk)}").status_code == status


def test_lines_of_another_machine_with_a_similar_address_are_left_out(tmp_path: Path) -> None:
    lines = (
        sent(START, address="10.66.0.10")
        + sent(START, address="10.66.0.100")
        + sent(START, address="10.66.0.1")
    )
    log = write(tmp_path / "dnsmasq.log", lines)
    found = of_dnsmasq(log, SPAN, MAC, ["10.66.0.10"])
    assert [line.rpartition(" ")[2] for line in found] == ["10.66.0.10"]


def test_logs_that_were_rotated_in_the_middle_of_a_boot_are_read_on(tmp_path: Path) -> None:
    write(tmp_path / "dnsmasq.log.2", sent(START - 1000, "older"))
    write(tmp_path / "dnsmasq.log.1", sent(START - 10, "before") + sent(START, "first"))
    log = write(tmp_path / "dnsmasq.log", sent(START + 1, "second") + sent(START + 100, "after"))
    found = of_dnsmasq(log, SPAN, MAC, [ADDRESS])
    assert [line.split("/")[-1].split(" ")[0] for line in found] == ["first", "second"]


def test_a_large_log_is_searched_by_time_and_its_lines_are_bounded(tmp_path: Path) -> None:
    lines = [line for second in range(-20_000, 5_000) for line in sent(START + second / 100, f"file{second}")]
    log = write(tmp_path / "dnsmasq.log", lines)
    found = of_dnsmasq(log, Span(START, START + 100), MAC, [ADDRESS])
    assert len(found) == LINES_MAX
    assert "file4999 " in found[-1]
    assert "file0 " in of_dnsmasq(log, Span(START, START + 1), MAC, [ADDRESS])[0]


def test_no_line_of_a_log_makes_a_bundle_fail(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(
        b"\xff\x00\n" + b"9" * 50_000 + f"\n{START:.3f} \x1b[2J{MAC}\n".encode() + b'{"at": 1}\n[[[[\n'
    )
    assert of_dnsmasq(log, SPAN, MAC, ["", "("]) == [f"{START:.3f} ?[2J{MAC}"]
    assert of_boot_files(log, SPAN, ["10.0.0.1"]) == []
