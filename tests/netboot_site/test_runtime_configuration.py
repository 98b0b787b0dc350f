"""The configuration files that `make up` renders, judged by the programs that read them."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from netboot_site.runtime import configuration, programs
from netboot_site.runtime.layout import Account, Accounts
from netboot_site.runtime.network import BootEndpoint
from netboot_site.runtime.programs import BASE, FRONT, SERVICES, Program, all_programs

ENDPOINT = BootEndpoint("eth0", "192.168.7.2")
COMMANDS = {"run_tgtd", "run_dnsmasq", "run_recorder"}
ROOT, PERSON = Account("root", 0, 0), Account("jo", 1000, 1000)
AS_ROOT = Accounts(Account("netboot", 990, 990), Account("netboot-storage", 991, 991), ROOT)
AS_PERSON = Accounts(PERSON, PERSON, PERSON)


def programs_of(accounts: Accounts, commands: set[str] = COMMANDS) -> dict[str, Program]:
    found = all_programs(accounts, commands, configuration.nginx_conf(), configuration.redis_conf())
    return {program.name: program for program in found}


def test_nginx_takes_its_configuration(instance: Accounts) -> None:
    configuration.write_all(instance, ENDPOINT, list(programs_of(instance).values()))
    argv = ["nginx", "-t", "-c", configuration.nginx_conf(), "-e", "stderr"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr, done.stderr


def test_supervisor_reads_every_program_from_its_configuration(instance: Accounts) -> None:
    wanted = programs_of(AS_ROOT)
    path = configuration.supervisor_conf()
    path.write_text(configuration.supervisor_text(AS_ROOT, list(wanted.values())))
    options = ServerOptions()
    options.realize(["-c", str(path)])
    groups = {group.name: group for group in options.process_group_configs}
    assert sorted(groups, key=lambda name: groups[name].priority) == [BASE, SERVICES, FRONT]
    read = {process.name: process for group in groups.values() for process in group.process_configs}
    assert read.keys() == wanted.keys()
    for name, process in read.items():
        assert process.autorestart is not False, f"{name} would stay down"
        assert process.autostart == (wanted[name].group == BASE), name
        assert process.stdout_logfile.endswith(f"/{name}.log")
        assert process.stdout_logfile_maxbytes > 0, f"{name}'s log would grow for ever"


def test_without_root_dnsmasq_alone_is_left_out() -> None:
    assert programs_of(AS_ROOT).keys() - programs_of(AS_PERSON).keys() == {"dnsmasq"}


def test_without_root_nobody_else_is_become() -> None:
    for program in programs_of(AS_PERSON).values():
        assert "--reuid" not in program.command(AS_PERSON), program.name


def test_nothing_but_nginx_runs_as_root() -> None:
    commands = {name: program.command(AS_ROOT) for name, program in programs_of(AS_ROOT).items()}
    assert [name for name, command in commands.items() if "--reuid=netboot" not in command] == ["nginx"]


def test_disks_are_the_storage_users_alone() -> None:
    commands = {name: program.command(AS_ROOT) for name, program in programs_of(AS_ROOT).items()}
    storage = {name for name, command in commands.items() if "--reuid=netboot-storage" in command}
    assert storage == {"tgtd", "worker-storage", "worker-jobs", "storage-http"}


def test_every_program_ends_with_its_supervisor() -> None:
    for name, program in programs_of(AS_ROOT).items():
        assert f"--pdeathsig={program.stop_signal}" in program.command(AS_ROOT), name


def test_a_command_that_does_not_exist_is_left_out() -> None:
    assert "recorder" not in programs_of(AS_ROOT, {"run_tgtd", "run_dnsmasq"})


def test_a_percent_sign_reaches_the_program(instance: Accounts) -> None:
    assert "-n control@%%h" in programs_of(AS_ROOT)["worker-control"].command(AS_ROOT)


@pytest.mark.parametrize("argument", ["/data/a~b=c", "it's", 'say "x"', "a b", "<&>", "100%"])
def test_an_argument_reaches_the_program_through_supervisors_file(instance: Accounts, argument: str) -> None:
    program = Program("sample", BASE, PERSON, ["true", argument])
    path = configuration.supervisor_conf()
    path.write_text(configuration.supervisor_text(AS_PERSON, [program]))
    options = ServerOptions()
    options.realize(["-c", str(path)])
    (process,) = options.process_group_configs[0].process_configs
    assert shlex.split(process.command)[-2:] == ["true", argument]


def test_existing_servers_are_used_and_private_ones_not_started(
    instance: Accounts, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"postgres", "redis"} <= programs_of(AS_ROOT).keys()
    settings.REDIS_URL = "redis://redis.example:6379/0"
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "db.example")
    assert {"postgres", "redis"}.isdisjoint(programs_of(AS_ROOT))


@pytest.mark.parametrize(
    ("host", "listens"),
    [
        ("0.0.0.0", "listen 0.0.0.0:8000;"),
        ("::1", "listen [::1]:8000;"),
        ("127.0.0.1", "listen 127.0.0.1:8000;"),
    ],
)
def test_the_site_listens_where_it_is_told(settings: Any, host: str, listens: str) -> None:
    settings.API_HOST = host
    assert listens in configuration.nginx_text(AS_ROOT)


def test_boot_files_are_reached_by_devices_wherever_the_pages_are(settings: Any) -> None:
    settings.API_HOST = "127.0.0.1"
    assert "listen 0.0.0.0:8080;" in configuration.nginx_text(AS_ROOT)


def test_one_port_for_pages_and_dashboard_is_opened_once(settings: Any) -> None:
    settings.DASHBOARD_PORT = settings.API_PORT
    assert configuration.nginx_text(AS_ROOT).count(f":{settings.API_PORT};") == 1
    assert [port.number for port in configuration.ports(ENDPOINT, privileged=False)] == [8000, 8080, 3260]


@pytest.mark.parametrize(
    ("mode", "numbers"), [("off", {69}), ("server", {67, 69}), ("proxy", {67, 69, 4011})]
)
def test_udp_ports_are_those_of_the_dhcp_mode(settings: Any, mode: str, numbers: set[int]) -> None:
    settings.DHCP_MODE = mode
    ports = configuration.ports(ENDPOINT, privileged=True)
    assert {port.number for port in ports if port.udp} == numbers


def test_a_machine_that_meets_a_restart_waits_and_asks_again() -> None:
    script = configuration.away_script(ENDPOINT)
    assert script.startswith("#!ipxe\n")
    assert "http://192.168.7.2:8080/boot/boot.ipxe || goto again" in script


@pytest.mark.parametrize(("given", "expected"), [("00000000a80425fb", True), ("00000000a80405fb", False)])
def test_a_capability_is_given_only_where_the_container_lets_us(
    tmp_path: Path, given: str, expected: bool
) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapEff:\tffffffffffffffff\nCapBnd:\t{given}\n")
    assert programs.may_give(13, status) is expected


def test_the_control_worker_may_use_raw_sockets_and_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "may_give", lambda _: True)
    assert programs_of(AS_ROOT)["worker-control"].capabilities == "net_raw"
    assert programs_of(AS_PERSON)["worker-control"].capabilities == ""
    monkeypatch.setattr(programs, "may_give", lambda _: False)
    assert programs_of(AS_ROOT)["worker-control"].capabilities == ""
