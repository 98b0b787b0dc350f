"""What the demonstration asks for before it begins, and that its token does not outlive it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from bootflow.models import BootNetwork
from netboot_site.demo import private_network, show
from netboot_site.errors import UnavailableError
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
