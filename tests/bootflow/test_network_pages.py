"""The page and the REST calls of the boot network."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.models import NetworkChoice, WireLook
from tests.bootflow.network_rows import POOL, choose, here, log_in
from tests.conftest import Api

__all__ = ["here"]
pytestmark = pytest.mark.usefixtures("here")
MAC = "52:54:00:00:00:01"
GOOD = {
    "interface": "eth0", "dhcp_mode": "server",
    "first_address": "10.66.0.100", "last_address": "10.66.0.150",
}  # fmt: skip
SERVER = {"address": "10.66.0.254", "mac": "52:54:00:ff:ff:ff", "hands_out_addresses": True,
          "answers_pxe": False, "ours": False, "answers": []}  # fmt: skip


def answered(*servers: dict[str, Any], error: str = "") -> None:
    WireLook.objects.create(
        interface="eth0", requested_at=timezone.now(), observed_at=timezone.now(),
        observed_servers=list(servers), last_error=error,
    )  # fmt: skip


def page_of(client: Client) -> str:
    return " ".join(client.get("/network/").content.decode().split())


def test_the_page_shows_each_interface_with_address_and_link(operator_client: Client) -> None:
    page = page_of(operator_client)
    for text in ("10.66.0.1/24", "10.77.0.200/24, 10.78.0.1/24", "Nothing plugged in", "Link up",
                 "no IPv4 address", "the way to the Internet", "Nobody has looked yet"):  # fmt: skip
        assert text in page, text
    assert 'value="eth0" checked' in page
    assert 'value="proxy" checked' in page


def test_a_network_is_chosen_on_the_page(operator_client: Client) -> None:
    answer = operator_client.post("/network/", GOOD)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/network/")
    assert NetworkChoice.objects.get().dhcp_range == POOL
    page = page_of(operator_client)
    assert 'value="10.66.0.100"' in page
    assert "10.66.0.100 to 10.66.0.150" in page


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"interface": ""}, "Choose the interface"),
        ({"interface": "eth9"}, "not one of the available choices"),
        ({"interface": "eth2"}, "eth2 has no IPv4 address"),
        ({"dhcp_mode": ""}, "Choose how machines get"),
        ({"first_address": ""}, "needs a pool"),
        ({"last_address": "10.66.0.999"}, "needs a pool"),
        ({"first_address": "10.66.0.1"}, "holds our own address"),
    ],
)
def test_each_field_that_is_wrong_says_so_and_keeps_the_input(
    operator_client: Client, changes: dict[str, str], told: str
) -> None:
    answer = operator_client.post("/network/", GOOD | changes)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert told in page
    kept = {"first_address": GOOD["first_address"]} | changes
    assert f'value="{kept["first_address"]}"' in page or not kept["first_address"]
    assert not NetworkChoice.objects.exists()


def test_what_machines_would_lose_is_asked_for(operator_client: Client) -> None:
    log_in(MAC)
    wanted = {"interface": "eth1", "dhcp_mode": "proxy"}
    answer = operator_client.post("/network/", wanted)
    assert answer.status_code == 422
    assert f"{MAC} uses its disk through 10.66.0.1 now" in answer.content.decode()
    assert 'name="interrupt"' in answer.content.decode()
    assert operator_client.post("/network/", wanted | {"interrupt": "on"}).status_code == 302
    assert "The services are being started again on eth1" in page_of(operator_client)


def test_what_the_environment_sets_is_said_and_refused(operator_client: Client, here: Any) -> None:
    here.NETWORK_FIXED = ["BOOT_INTERFACE", "DHCP_MODE"]
    assert "<code>BOOT_INTERFACE</code>, <code>DHCP_MODE</code> are set" in page_of(operator_client)
    answer = operator_client.post("/network/", GOOD)
    assert answer.status_code == 422
    assert "DHCP_MODE is set in the orchestrator&#x27;s environment" in answer.content.decode()


def test_a_viewer_looks_and_changes_nothing(viewer_client: Client) -> None:
    page = page_of(viewer_client)
    assert "Serve this network" not in page
    assert "Look again" not in page
    assert viewer_client.post("/network/", GOOD).status_code == 403
    assert viewer_client.post("/network/look/").status_code == 403


@pytest.mark.parametrize(
    ("mode", "servers", "told"),
    [
        ("proxy", [SERVER], "10.66.0.254 gives out the addresses, and we add what to boot"),
        ("proxy", [], "Nobody gives out addresses here"),
        ("server", [SERVER], "gives out addresses already, and so do we"),
        ("server", [], "Only we give out addresses"),
        ("proxy", [SERVER | {"answers_pxe": True}], "some will follow it instead of us"),
        ("server", [SERVER | {"ours": True}], "Nobody but us"),
    ],
)
def test_who_answers_on_the_wire_is_told_with_what_it_means(
    operator_client: Client, here: Any, mode: str, servers: list[dict[str, Any]], told: str
) -> None:
    choose(mode=mode)
    WireLook.objects.all().delete()
    answered(*servers)
    assert told in operator_client.get("/network/live/").content.decode()


def test_a_look_that_failed_says_why(operator_client: Client) -> None:
    answered(error="eth0 is down.")
    assert "Could not look" in page_of(operator_client)
    assert "eth0 is down." in page_of(operator_client)


def test_the_button_asks_for_another_look(operator_client: Client) -> None:
    operator_client.post("/network/look/")
    assert WireLook.objects.get().requested_at is not None
    assert "Looking" in page_of(operator_client)


def test_the_live_part_is_empty_while_nothing_changes(operator_client: Client) -> None:
    seen = page_of(operator_client).split("seen=")[1].split('"')[0]
    assert operator_client.get(f"/network/live/?seen={seen}").status_code == 204


class TestApi:
    """GET and PUT /api/v1/network, POST and GET /api/v1/network/look."""

    def test_it_tells_what_is_served_and_what_could_be(self, api: Api) -> None:
        told = api.get("/api/v1/network").json()
        assert (told["interface"], told["address"], told["dhcp_mode"]) == ("eth0", "10.66.0.1", "proxy")
        assert (told["in_effect"], told["set_by_environment"]) == (True, [])
        assert told["interfaces"][0] == {
            "name": "eth0", "addresses": ["10.66.0.1/24"], "link": "up", "is_default": True,
            "suggested_range": "10.66.0.128,10.66.0.254",
        }  # fmt: skip

    def test_a_choice_is_put(self, api: Api) -> None:
        body = {"interface": "eth0", "dhcp_mode": "server", "dhcp_range": POOL}
        answer = api.put("/api/v1/network", body)
        assert (answer.status_code, answer.json()["dhcp_range"]) == (200, POOL)
        answer = api.put("/api/v1/network", {"interface": "eth1", "dhcp_mode": "off"})
        assert (answer.json()["in_effect"], answer.json()["awaits"]) == (False, "eth1")

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 422),
            ({"interface": "eth0", "dhcp_mode": "server"}, 422),
            ({"interface": "eth0\n", "dhcp_mode": "proxy"}, 422),
            ({"interface": "../etc", "dhcp_mode": "proxy"}, 422),
            ({"interface": "eth0", "dhcp_mode": 7}, 422),
            ({"interface": "x" * 300, "dhcp_mode": "proxy"}, 422),
        ],
    )
    def test_a_bad_body_is_refused(self, api: Api, body: dict[str, Any], status: int) -> None:
        assert api.put("/api/v1/network", body).status_code == status
        assert not NetworkChoice.objects.exists()

    def test_disks_in_use_are_a_conflict_until_it_is_said_that_they_may_go(self, api: Api) -> None:
        log_in(MAC)
        body = {"interface": "eth1", "dhcp_mode": "proxy"}
        answer = api.put("/api/v1/network", body)
        assert (answer.status_code, MAC in answer.json()["detail"]) == (409, True)
        assert api.put("/api/v1/network", body | {"interrupt": True}).status_code == 200

    def test_a_look_is_asked_for_and_shown(self, api: Api) -> None:
        answer = api.post("/api/v1/network/look")
        assert (answer.status_code, answer.json()["interface"]) == (202, "eth0")
        WireLook.objects.update(observed_at=timezone.now(), observed_servers=[SERVER])
        assert api.get("/api/v1/network/look").json()["servers"] == [SERVER]

    def test_without_an_interface_there_is_no_wire_to_look_at(self, api: Api, here: Any) -> None:
        here.BOOT_INTERFACE = ""
        answer = api.post("/api/v1/network/look")
        assert (answer.status_code, "choose an interface first" in answer.json()["detail"]) == (409, True)
