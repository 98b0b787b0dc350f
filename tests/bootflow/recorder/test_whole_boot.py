"""A whole boot without a machine: a log, requests and logins as one leaves them, and the Boot over REST."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent
from bootflow.recorder import sweep
from bootflow.recorder.neighbours import AddressBook
from bootflow.recorder.rounds import Recorder
from bootflow.services import register_profile, set_boot_once
from images.models import Export, Session
from tests.bootflow.recorder.lines import PC, pc_boot, write
from tests.bootflow.recorder.test_recorder import read_all
from tests.conftest import Api

ADDRESS = "10.66.0.100"
ASK = f"/boot/script?retry=0&mac={PC}&arch=x86_64&buildarch=i386&platform=pcbios&product=Model%20One"


class Machine:
    """What a PC leaves behind while it boots, for a recorder in the tests' own process."""

    def __init__(self, folder: Path, fetch: Callable[..., str]) -> None:
        self.logs, self.ask = folder, lambda path: fetch(path, ADDRESS)
        self.recorder = Recorder(folder, Path("/srv/tftp"), AddressBook(folder / "arp"), lambda: 0.0)

    def power_on(self, seconds_ago: float) -> None:
        write(self.logs / "dnsmasq.log", pc_boot(time.time() - seconds_ago))
        read_all(self.recorder)

    def fetch_file(self, uri: str, status: int = 200) -> None:
        entry = {
            "at": time.time(), "address": ADDRESS, "uri": uri, "status": status, "bytes": 9, "seconds": 0.01,
        }  # fmt: skip
        write(self.logs / "boot-files.log", [json.dumps(entry)])
        self.recorder.follow_files()

    def log_in(self, export: Export, handle: str) -> Session:
        session = Session.objects.create(
            iqn=export.iqn, handle=handle, image=export.image, initiator_name=export.initiator_name,
            address=ADDRESS, started_at=timezone.now(),
        )  # fmt: skip
        self.recorder.follow_sessions()
        return session

    def log_out(self, session: Session) -> None:
        session.ended_at = timezone.now()
        session.save()
        self.recorder.follow_sessions()


@pytest.fixture
def machine(tmp_path: Path, fetch: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("bootflow.firmware.owns_address", lambda **_: True)
    return Machine(tmp_path, fetch)


@pytest.fixture
def export(give_disk: Callable[..., Export]) -> Export:
    return give_disk(register_profile(mac=PC, device_type="x64", name="pc-01"))


def over_rest(api: Api) -> dict[str, Any]:
    sweep.judge_open_boots()
    boots: list[dict[str, Any]] = api.get(f"/api/v1/devices/{PC}/boots").json()
    assert len(boots) == 1, [boot["reason"] for boot in boots]
    return boots[0]


def first_of_each_stage(boot: dict[str, Any]) -> dict[str, float]:
    stages: dict[str, float] = {}
    for event in boot["events"]:
        stages.setdefault(event["stage"], event["elapsed_seconds"])
    return stages


def test_from_its_first_packet_to_its_operating_system(machine: Machine, export: Export, api: Api) -> None:
    machine.power_on(seconds_ago=5)
    assert (over_rest(api)["stage"], over_rest(api)["outcome"]) == ("tftp", None)
    assert "sanboot iscsi:" in machine.ask(ASK)
    assert over_rest(api)["stage"] == "script"
    loader = machine.log_in(export, "1")
    assert over_rest(api)["stage"] == "iscsi"
    machine.log_out(loader)
    system = machine.log_in(export, "2")
    boot = over_rest(api)

    assert list(first_of_each_stage(boot)) == ["dhcp", "tftp", "script", "iscsi", "os"]
    elapsed = [event["elapsed_seconds"] for event in boot["events"]]
    assert elapsed[0] == 0
    assert elapsed == sorted(elapsed)
    assert elapsed[-1] >= 5
    assert [b - a for a, b in pairwise(elapsed[:5])] == pytest.approx([0.1, 0.4, 1.0, 0.1], abs=0.002)
    assert (boot["stage"], boot["outcome"], boot["reason"]) == ("os", "ok", "")
    assert Boot.objects.get().finished_at == system.started_at
    assert [event["kind"] for event in boot["events"]] == [
        "discover", "address", "file", "discover", "address", "script", "login", "logout", "takeover",
    ]  # fmt: skip
    assert all(event["detail"].endswith(".") for event in boot["events"]), "each event says what happened"
    assert 0 <= boot["own_seconds"] < 1


def test_a_machine_that_says_it_is_up_needs_no_second_login(
    machine: Machine, export: Export, api: Api
) -> None:
    machine.power_on(seconds_ago=5)
    machine.ask(ASK)
    machine.log_in(export, "1")
    machine.ask(f"/boot/online?mac={PC}")
    boot = over_rest(api)
    assert (boot["stage"], boot["outcome"]) == ("os", "ok")
    assert boot["events"][-1]["detail"] == "The operating system says that it is up."


@pytest.mark.usefixtures("installer")
def test_an_installer_spends_boot_once_and_its_later_downloads_are_no_boot(
    machine: Machine, export: Export, api: Api
) -> None:
    set_boot_once(device=export.device, boot_once="installer", installer="debian-12")
    machine.power_on(seconds_ago=5)
    assert "/boot/files/debian/12/linux" in machine.ask(ASK)
    for name in ("linux", "initrd.gz"):
        machine.fetch_file(f"/boot/files/debian/12/{name}")
    boot = over_rest(api)
    assert list(first_of_each_stage(boot)) == ["dhcp", "tftp", "script", "installer"]
    assert api.get(f"/api/v1/devices/{PC}").json()["boot_once"] is None
    age(seconds=21)
    assert over_rest(api)["outcome"] == "ok"
    machine.fetch_file("/boot/files/debian/12/preseed.cfg")
    assert over_rest(api)["reason"] == "The installer's files were fetched; it runs."


def age(seconds: float) -> None:
    """Let all of it have been that much earlier."""
    past = timedelta(seconds=seconds)
    for boot in Boot.objects.all():
        boot.started_at, boot.last_event_at = boot.started_at - past, boot.last_event_at - past
        boot.save()
    for event in BootEvent.objects.all():
        event.at -= past
        event.save()


def test_a_disk_that_does_not_boot_and_then_does(machine: Machine, export: Export, api: Api) -> None:
    machine.power_on(seconds_ago=5)
    machine.ask(ASK)
    machine.ask(f"/boot/report?retry=0&mac={PC}&event=sanboot-failed&error=4c126035")
    failed = over_rest(api)
    assert (failed["outcome"], failed["finished_at"]) == ("failed", None)
    assert failed["reason"] == "The disk did not boot: there was no answer in time (iPXE error 4c126035)."
    machine.ask(ASK.replace("retry=0", "retry=1"))
    machine.log_in(export, "1")
    assert over_rest(api)["outcome"] is None
    machine.log_in(export, "2")
    assert over_rest(api)["outcome"] == "ok"


def test_the_same_machine_switched_on_again_is_a_second_boot(
    machine: Machine, export: Export, api: Api
) -> None:
    machine.power_on(seconds_ago=50)
    machine.ask(ASK)
    machine.log_in(export, "1")
    machine.log_in(export, "2")
    over_rest(api)
    machine.power_on(seconds_ago=-1)
    machine.ask(ASK)
    new, old = api.get("/api/v1/boots").json()
    assert (old["outcome"], old["stage"]) == ("ok", "os")
    assert (new["outcome"], new["stage"]) == (None, "script")
    assert [event["kind"] for event in old["events"]].count("discover") == 2


def test_a_disk_that_holds_no_system_is_never_taken_for_one_that_runs(
    machine: Machine, export: Export, api: Api
) -> None:
    """Each attempt of the loader is a login under the same name, as an operating system's would be."""
    machine.power_on(seconds_ago=5)
    machine.ask(ASK)
    for attempt in range(3):
        machine.log_out(machine.log_in(export, f"{attempt}"))
        machine.ask(f"/boot/report?retry={attempt}&mac={PC}&event=sanboot-failed&error=1d704139")
        machine.ask(ASK.replace("retry=0", f"retry={attempt + 1}"))
        boot = over_rest(api)
        assert (boot["stage"], boot["outcome"]) == ("iscsi", "failed"), f"attempt {attempt + 1}"
        assert "holds nothing that boots" in boot["reason"]
    machine.log_in(export, "loader")
    assert over_rest(api)["outcome"] is None, "somebody has put a system on the disk meanwhile"
    machine.log_in(export, "system")
    boot = over_rest(api)
    assert (boot["stage"], boot["outcome"]) == ("os", "ok")
    assert [event["kind"] for event in boot["events"]].count("takeover") == 1
