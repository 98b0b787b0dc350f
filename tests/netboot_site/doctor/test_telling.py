"""The doctor's page, `manage.py doctor` and GET /api/v1/doctor."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from netboot_site.doctor import calls, page
from netboot_site.doctor.doctor import Doctor
from netboot_site.doctor.examination import Report
from netboot_site.doctor.findings import NETWORK, SERVICES, Finding, State
from netboot_site.management.commands import doctor as command
from tests.conftest import Api

GOOD = Finding("database", SERVICES, "PostgreSQL", State.GOOD, "PostgreSQL 15.8 answers.")
BAD = Finding(
    "port-udp-67", NETWORK, "Port 67: DHCP", State.BAD, "UDP port 67 is held by <script>alert(1)</script>.",
    "A machine asks there.", "sudo systemctl disable --now isc-dhcp-server.service",
)  # fmt: skip
UNKNOWN = Finding(
    "firewall", NETWORK, "Firewall", State.UNKNOWN, "Only root sees it.", "It may drop.", "sudo x"
)
WARNING = Finding(
    "clock", "Time", "Clock", State.WARNING, "Nobody keeps it right.", "Boots are timed.", "sudo y"
)


def report(*findings: Finding) -> Report:
    return Report(timezone.now(), 0.25, findings)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A doctor that found just this."""

    def found(*findings: Finding) -> Doctor:
        asked: list[bool] = []

        def examine(*, ask_wire: bool = False) -> Report:
            asked.append(ask_wire)
            return report(*findings)

        made = Doctor(examine)
        made.asked = asked  # type: ignore[attr-defined]
        for module in (page, calls):
            monkeypatch.setattr(module, "local_doctor", made)
        monkeypatch.setattr(command, "examine", examine)
        return made

    return found


def test_the_page_names_what_is_amiss_worst_first_with_its_command(viewer_client: Client, use: Any) -> None:
    use(WARNING, UNKNOWN, BAD, GOOD).fresh()
    text = viewer_client.get("/doctor/").content.decode()
    assert "Something is broken" in text
    places = [
        text.index(title) for title in ("Port 67: DHCP", ">Clock<", ">Firewall<", "PostgreSQL 15.8 answers.")
    ]
    assert places == sorted(places)
    for shown in ("A machine asks there.", "sudo systemctl disable --now isc-dhcp-server.service"):
        assert shown in text
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("findings", "word"),
    [((GOOD, UNKNOWN), "All is well"), ((GOOD, WARNING), "It works, with something amiss")],
)
def test_the_page_sums_up(viewer_client: Client, use: Any, findings: tuple[Finding, ...], word: str) -> None:
    use(*findings).fresh()
    assert word in viewer_client.get("/doctor/").content.decode()


def test_the_first_page_does_not_wait_and_asks_again_by_itself(viewer_client: Client, use: Any) -> None:
    doctor = use(GOOD)
    doctor.start = lambda **_: None
    text = viewer_client.get("/doctor/").content.decode()
    assert "Looking at everything" in text
    assert 'hx-get="/doctor/live/?seen=' in text


def test_a_live_part_that_shows_all_there_is_gets_no_content(viewer_client: Client, use: Any) -> None:
    use(GOOD).fresh()
    seen = viewer_client.get("/doctor/live/").content.decode().split("seen=")[1].split('"')[0]
    assert viewer_client.get(f"/doctor/live/?seen={seen}").status_code == 204


def test_an_operator_lets_it_look_again_with_script_and_without(operator_client: Client, use: Any) -> None:
    doctor = use(BAD)
    answer = operator_client.post("/doctor/run/")
    assert (answer.status_code, answer["Location"]) == (302, "/doctor/")
    assert doctor.report is not None, "without our script the answer waits for the end"
    answer = operator_client.post("/doctor/run/", headers={"HX-Request": "true"})
    assert (answer.status_code, "saved" in answer["HX-Trigger"]) == (204, True)
    doctor.wait()
    assert doctor.asked == [True, True]


def test_a_viewer_only_looks(viewer_client: Client, use: Any) -> None:
    use(GOOD).fresh()
    assert "Run again" not in viewer_client.get("/doctor/").content.decode()
    assert viewer_client.post("/doctor/run/").status_code == 403


def test_an_address_that_changes_something_is_not_fetched(operator_client: Client) -> None:
    assert operator_client.get("/doctor/run/").status_code == 405


def test_the_call_answers_with_every_finding(api: Api, use: Any) -> None:
    use(BAD, GOOD, UNKNOWN)
    answer = api.get("/api/v1/doctor")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["state"], told["counts"]) == ("bad", {"good": 1, "warning": 0, "bad": 1, "unknown": 1})
    assert told["findings"][0] == {
        "key": "port-udp-67", "group": "Network", "title": "Port 67: DHCP", "state": "bad", "what": BAD.what,
        "why": BAD.why, "command": BAD.command,
    }  # fmt: skip
    assert told["took_seconds"] == 0.25


def test_the_call_does_not_hang_where_the_doctor_does(api: Api, use: Any) -> None:
    doctor = use(GOOD)
    doctor.start = doctor.wait = lambda **_: None
    assert api.get("/api/v1/doctor").status_code == 503


def printed(*words: str, colour: bool = False) -> tuple[str, int]:
    out = io.StringIO()
    code: Any = 0
    try:
        call_command("doctor", *words, stdout=out, force_color=colour, no_color=not colour)
    except SystemExit as ended:
        code = ended.code
    return out.getvalue(), code


@pytest.mark.parametrize(
    ("findings", "code"), [((GOOD, UNKNOWN), 0), ((GOOD, WARNING), 1), ((BAD,), 1)]
)  # fmt: skip
def test_the_command_ends_with_1_where_something_is_amiss(
    use: Any, findings: tuple[Finding, ...], code: int
) -> None:
    use(*findings)
    assert printed()[1] == code


def test_the_command_prints_each_finding_under_its_group(use: Any) -> None:
    use(BAD, GOOD)
    assert printed()[0].splitlines() == [
        "Network",
        f"  BAD       Port 67: DHCP: {BAD.what}",
        "            A machine asks there.",
        "            $ sudo systemctl disable --now isc-dhcp-server.service",
        "Services",
        "  ok        PostgreSQL: PostgreSQL 15.8 answers.",
        "1 good, 1 bad; looked for 0.2 s.",
    ]


def test_the_command_is_in_colour_on_a_terminal_only(use: Any) -> None:
    use(BAD, GOOD)
    assert "\x1b[" in printed(colour=True)[0]
    assert "\x1b[" not in printed()[0]


def test_the_command_tells_programs_what_the_call_tells(use: Any) -> None:
    use(BAD, GOOD)
    text, code = printed("--json")
    told = json.loads(text)
    assert (code, told["state"], [finding["key"] for finding in told["findings"]]) == (
        1, "bad", ["port-udp-67", "database"],
    )  # fmt: skip
