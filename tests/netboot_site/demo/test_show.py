"""What the demonstration asks for before it begins, and that its token does not outlive it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from bootflow.models import BootNetwork
from netboot_site.demo import private_network, show
from netboot_site.errors import ConflictError, NotFoundError, UnavailableError
from netboot_site.models import ApiToken


def test_it_takes_a_network_that_nothing_else_uses() -> None:
    taken = [IPv4Network("10.254.1.0/24"), IPv4Network("10.254.2.128/25"), IPv4Network("192.0.2.0/24")]
    assert private_network.free_network(taken) == IPv4Network("10.254.3.0/24")


def test_without_a_free_network_it_says_so() -> None:
    with pytest.raises(UnavailableError, match=r"No network 10\.254\.x\.0/24 is free"):
        private_network.free_network([IPv4Network("10.0.0.0/8")])


def test_the_networks_of_this_machine_are_known() -> None:
    assert IPv4Network("127.0.0.0/8") in private_network.reached_networks()


def test_it_wants_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.os, "geteuid", lambda: 1000)
    with pytest.raises(CommandError, match="run it as root"):
        call_command("demo")


def test_it_names_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.os, "geteuid", lambda: 0)
    monkeypatch.setattr(show.shutil, "which", lambda name: None if name == "mformat" else f"/bin/{name}")
    with pytest.raises(UnavailableError, match="Not installed: mformat"):
        show.check_conditions()


def test_without_an_orchestrator_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show.os, "geteuid", lambda: 0)
    monkeypatch.setattr(show.shutil, "which", lambda name: f"/bin/{name}")
    with pytest.raises(UnavailableError, match="start it with `make up`"):
        show.check_conditions()


def test_its_token_ends_with_it(operator: User) -> None:
    with show.short_lived_client() as client:
        assert client.token
        assert ApiToken.objects.get().scope == "full"
    assert not ApiToken.objects.exists()


def test_its_token_ends_with_a_failure_too(operator: User) -> None:
    with pytest.raises(KeyboardInterrupt), show.short_lived_client():
        raise KeyboardInterrupt
    assert not ApiToken.objects.exists()


def test_a_token_that_a_killed_demonstration_left_is_removed(operator: User) -> None:
    ApiToken.objects.create(user=operator, name="make demo", digest="left over")
    ApiToken.objects.create(user=operator, name="mine", digest="kept")
    with show.short_lived_client():
        pass
    assert [row.name for row in ApiToken.objects.all()] == ["mine"]


def test_without_an_administrator_it_says_so(db: None) -> None:
    with pytest.raises(UnavailableError, match="no administrator"), show.short_lived_client():
        pass


def test_dnsmasq_serves_its_wire_with_a_pool_beside_our_address(db: None) -> None:
    show.add_boot_network(IPv4Network("10.254.7.0/24"))
    row = BootNetwork.objects.get()
    assert (row.interface, row.address, row.prefix_length) == ("nbdemo0", "10.254.7.1", 24)
    assert (row.first_address, row.last_address) == ("10.254.7.100", "10.254.7.150")


def test_where_there_is_no_terminal_the_upload_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    bar: Callable[[int, int], None] = show.progress_bar(said.append)
    bar(1, 3)
    bar(3, 3)
    assert said == ["  uploaded."]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("sent", "marks", "end"),
    [
        (0, "." * 30 + "]   0 %", False),
        (1, "#" * 15 + "." * 15 + "]  50 %", False),
        (2, "#" * 30 + "] 100 %\n", True),
    ],
)
def test_on_a_terminal_the_upload_is_a_bar_that_grows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sent: int, marks: str, end: bool
) -> None:
    monkeypatch.setattr(show.sys.stdout, "isatty", lambda: True)
    said: list[str] = []
    show.progress_bar(said.append)(sent, 2)
    drawn = capsys.readouterr().out
    assert drawn == f"\r  [{marks}"
    assert drawn.endswith("\n") is end
    assert said == []


class FakeClient:
    """The REST API as the demonstration meets it."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def call(self, method: str, path: str, body: Any = None) -> Any:
        self.calls.append(f"{method} {path}")
        found = self.answers.get(f"{method} {path}")
        if isinstance(found, list) and found and isinstance(found[0], Exception | None):
            found = found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def health(self) -> str:
        return str(self.answers.get("health", "healthy"))


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The private network is not touched; what is asked of it is noted."""
    done: list[str] = []
    monkeypatch.setattr(private_network, "answer_for", lambda mac: done.append(f"answer for {mac}"))
    monkeypatch.setattr(private_network, "remove", lambda: done.append("remove"))
    monkeypatch.setattr(show, "sleep", lambda seconds: None)
    return done


def test_what_a_killed_demonstration_left_is_removed_once_its_disk_is_free(
    db: None, wire: list[str], tmp_path: Path
) -> None:
    device = f"DELETE /api/v1/devices/{show.MAC}"
    unknown, image = f"DELETE /api/v1/unknown-devices/{show.MAC}", f"DELETE /api/v1/images/{show.IMAGE}"
    answers = {
        device: [ConflictError("in use"), ConflictError("in use"), None],
        unknown: NotFoundError("none"),
    }
    show.add_boot_network(IPv4Network("10.254.7.0/24"))
    client: Any = FakeClient(answers)
    show.Show(print, client, tmp_path).clean_up()
    assert client.calls == [device] * 3 + [unknown, image], "the image is deleted after its device"
    assert wire == [f"answer for {show.MAC}", "remove"]
    assert not BootNetwork.objects.exists()


def test_a_demonstration_that_fails_removes_what_it_made(
    db: None, wire: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: show.Show) -> None:
        raise UnavailableError("no room")

    monkeypatch.setattr(show.Show, "_prepare", fail)
    said: list[str] = []
    client: Any = FakeClient({})
    with pytest.raises(UnavailableError, match="no room"):
        show.Show(said.append, client, tmp_path).run()
    assert wire.count("remove") == 2, "before it begins, and at its end"
    assert said == ["Removing the virtual PC, its device, its image and its network ..."]


def test_an_orchestrator_that_is_not_healthy_is_left_alone(wire: list[str], tmp_path: Path) -> None:
    client: Any = FakeClient({"health": "unhealthy: tgtd"})
    with pytest.raises(UnavailableError, match="is not healthy: unhealthy: tgtd"):
        show.Show(print, client, tmp_path).run()
    assert (client.calls, wire) == ([], [])


def test_what_takes_too_long_is_told_with_the_end_of_the_console(wire: list[str], tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text("".join(f"line {number}\r\n" for number in range(40)))
    client: Any = FakeClient({})
    with pytest.raises(UnavailableError) as caught:
        show.Show(print, client, tmp_path)._wait("its system is up", lambda: False, 0)
    first, *rest = str(caught.value).splitlines()
    assert first == "It took longer than 0 s until its system is up."
    assert (rest[0], rest[-1], len(rest)) == ("line 25", "line 39", 15)
