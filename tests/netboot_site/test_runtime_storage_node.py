"""`make storage-node`: what of an instance a further host runs, what it lacks, and how it says who it is."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from images.models import StorageNode
from images.services import content_url, register_node
from netboot_site import system
from netboot_site.errors import UnavailableError
from netboot_site.heartbeat import beat
from netboot_site.management.commands import storage_node
from netboot_site.models import Heartbeat
from netboot_site.runtime import configuration, first_look, layout, network, preflight
from netboot_site.runtime.layout import Account, Accounts
from netboot_site.runtime.network import BootEndpoint
from netboot_site.runtime.programs import all_programs
from tests.netboot_site.conftest import point_settings_at

ENDPOINT = BootEndpoint("eth0", "192.168.7.3")
AS_ROOT = Accounts(Account("netboot", 990, 990), Account("netboot-storage", 991, 991), Account("root", 0, 0))
COMMANDS = {"run_tgtd", "run_dnsmasq", "run_recorder"}


@pytest.fixture
def node(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings as a second host has them."""
    settings.STORAGE_ONLY, settings.STORAGE_NODE = True, "second"
    settings.BOOT_ADDRESS, settings.ISCSI_PORT = "192.168.7.3", 3270
    settings.REDIS_URL = "redis://192.168.7.2:6379/0"
    settings.SECRET_KEY_IS_KEPT = True
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "192.168.7.2")
    return settings


def names() -> set[str]:
    conf = (configuration.nginx_conf(), configuration.redis_conf())
    return {program.name for program in all_programs(AS_ROOT, COMMANDS, *conf)}


def test_it_runs_what_serves_disks_and_no_database_pages_or_dhcp(node: Any) -> None:
    found = names()
    assert {"storage-http", "worker-storage", "worker-jobs", "beat", "tgtd", "nginx"} <= found
    assert not found & {"postgres", "redis", "web", "boot", "worker-control", "recorder", "dnsmasq"}


def test_a_first_host_runs_all_that_a_node_runs(node: Any) -> None:
    of_node = names()
    node.STORAGE_ONLY = False
    assert of_node < names()


def test_it_holds_its_two_ports_alone(node: Any) -> None:
    ports = configuration.ports(ENDPOINT, privileged=True)
    assert [(port.address, port.number) for port in ports] == [("0.0.0.0", 8000), ("192.168.7.3", 3270)]


def test_it_makes_no_folder_of_the_site(node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_settings_at(node, monkeypatch, tmp_path)
    of_node = {folder.path for folder in layout.folders(AS_ROOT)}
    node.STORAGE_ONLY = False
    left_out = {folder.path for folder in layout.folders(AS_ROOT)} - of_node
    assert {path.name for path in left_out} == {
        "postgres", "redis", "web", "boot", "tftp", "boot_files", "dnsmasq", "static", "network",
    }  # fmt: skip
    assert {node.IMAGES_PATH, node.LOGS_PATH, node.RUN_PATH / "storage"} <= of_node


def test_nginx_takes_its_configuration(node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_settings_at(node, monkeypatch, tmp_path)
    accounts = layout.find_accounts()
    layout.make_folders(layout.folders(accounts))
    configuration.write_all(accounts, ENDPOINT, [])
    argv = ["nginx", "-t", "-c", configuration.nginx_conf(), "-e", "stderr"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "/static/" not in configuration.nginx_conf().read_text()


def test_what_it_must_be_told_is_asked_for_by_name(
    node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "resolve", lambda interface, address: ENDPOINT)
    monkeypatch.setattr(preflight, "check_disk", lambda path: [])
    point_settings_at(node, monkeypatch, tmp_path)
    node.SECRET_KEY_IS_KEPT, node.STORAGE_NODE = False, "Second Node"
    with pytest.raises(UnavailableError) as caught:
        first_look.look_first()
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == ["STORAGE_NODE", "DATABASE_URL", "REDIS_URL", "SECRET_KEY"]


def test_a_first_host_is_asked_for_none_of_that(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "resolve", lambda interface, address: ENDPOINT)
    monkeypatch.setattr(preflight, "check_disk", lambda path: [])
    node.STORAGE_ONLY = node.SECRET_KEY_IS_KEPT = False
    assert first_look.look_first()[1] == ENDPOINT


def test_the_command_is_up_with_one_setting_more(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[tuple[list[str], str]] = []
    monkeypatch.setattr(system, "replace", lambda argv, *, env: became.append((argv, env["STORAGE_ONLY"])))
    call_command(storage_node.Command())
    ((argv, told),) = became
    assert (argv[1:], told) == ([f"{preflight.Path(argv[1]).parent}/manage.py", "up"], "true")


def test_another_hosts_node_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from netboot_site.health import OTHER_NODE
    from netboot_site.runtime import probe

    answer = {"status": "unhealthy", "services": {f"{OTHER_NODE} second": "down", "redis": "healthy"}}
    monkeypatch.setattr(probe, "ask_health", lambda: answer)
    probe.wait_until_healthy(object(), pytest.fail)


@pytest.mark.django_db
class TestRegistering:
    """`manage.py prepare_storage_node`."""

    def test_the_node_tells_its_portal_and_where_its_contents_are(self, node: Any) -> None:
        node.API_PORT = 8001
        beat("storage.second")
        beat("storage.other")
        call_command("prepare_storage_node")
        row = StorageNode.objects.get()
        assert (row.name, row.portal, row.content_url) == (
            "second", "192.168.7.3:3270", "http://192.168.7.3:8001",
        )  # fmt: skip
        assert [each.name for each in Heartbeat.objects.all()] == ["storage.other"]

    def test_the_name_of_a_node_at_work_elsewhere_is_refused(self, node: Any) -> None:
        register_node(name="second", portal_address="192.168.7.9", portal_port=3260)
        StorageNode.objects.update(observed_at=timezone.now())
        with pytest.raises(CommandError, match=r"named second is at work at 192\.168\.7\.9:3260: give"):
            call_command("prepare_storage_node")
        assert StorageNode.objects.get().portal_address == "192.168.7.9"

    def test_a_node_that_was_away_may_come_back_at_another_address(self, node: Any) -> None:
        register_node(name="second", portal_address="192.168.7.9", portal_port=3260)
        StorageNode.objects.update(observed_at=timezone.now() - timedelta(minutes=1))
        call_command("prepare_storage_node")
        assert StorageNode.objects.get().portal == "192.168.7.3:3270"

    def test_the_same_node_started_again_is_itself(self, node: Any) -> None:
        call_command("prepare_storage_node")
        StorageNode.objects.update(observed_at=timezone.now())
        call_command("prepare_storage_node")
        assert StorageNode.objects.count() == 1


@pytest.mark.parametrize(
    ("host", "address", "url"),
    [
        ("0.0.0.0", "192.168.7.3", "http://192.168.7.3:8000"),
        ("127.0.0.1", "192.168.7.3", "http://127.0.0.1:8000"),
        ("::", "fd00::3", "http://[fd00::3]:8000"),
        ("0.0.0.0", "", ""),
    ],
)
def test_contents_are_reached_where_nginx_listens(settings: Any, host: str, address: str, url: str) -> None:
    settings.API_HOST, settings.BOOT_ADDRESS, settings.API_PORT = host, address, 8000
    assert content_url() == url
