"""`make up`: what it looks at, what it tells the programs, what it says, and how it ends."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot_site.errors import UnavailableError
from netboot_site.runtime import (
    configuration,
    instance_lock,
    launcher,
    logs,
    network,
    postgres,
    preflight,
    supervision,
)
from netboot_site.runtime.first_look import look_first
from netboot_site.runtime.launcher import Launcher, Plan, StopAsked, environment, launch, prepare
from netboot_site.runtime.layout import Account, Accounts
from netboot_site.runtime.network import BootEndpoint
from netboot_site.runtime.programs import SERVICES, Program
from netboot_site.system import Completed

ENDPOINT = BootEndpoint("eth0", "192.168.7.2")
PERSON = Account("jo", 1000, 1000)
AS_PERSON = Accounts(PERSON, PERSON, PERSON)
AS_ROOT = Accounts(Account("netboot", 990, 990), Account("netboot-storage", 991, 991), Account("root", 0, 0))


@pytest.fixture(autouse=True)
def signals_and_umask_come_back() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former, umask = [signal.getsignal(number) for number in numbers], os.umask(0o022)
    yield
    os.umask(umask)
    for number, handler in zip(numbers, former, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def here(instance: Accounts, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An instance with good settings on a host that has an address."""
    settings.BOOT_INTERFACE = settings.BOOT_ADDRESS = settings.ADMIN_PASSWORD = ""
    monkeypatch.setattr(network, "resolve", lambda interface, address: ENDPOINT)
    return settings


def plan(accounts: Accounts = AS_PERSON) -> Plan:
    return Plan(accounts, ENDPOINT, [Program(name, SERVICES, PERSON, [name]) for name in ("web", "boot")])


def prepared(
    monkeypatch: pytest.MonkeyPatch, code: int, stdout: str, stderr: str = ""
) -> list[tuple[Any, Any]]:
    """What `prepare_site` is run with; it ends like this."""
    seen: list[tuple[Any, Any]] = []

    def run(argv: list[str], *, env: dict[str, str], timeout_seconds: float) -> Completed:
        seen.append((argv, env))
        return Completed(tuple(argv), code, stdout, stderr)

    monkeypatch.setattr("netboot_site.system.run", run)
    return seen


def test_good_settings_are_taken(here: Any) -> None:
    assert look_first()[1] == ENDPOINT


def test_every_problem_is_told_at_once(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here.DHCP_MODE, here.IQN_PREFIX, here.API_PORT = "maybe", "disk,1", here.BOOT_HTTP_PORT
    here.DATA_PATH = Path(f"{here.DATA_PATH}/with space")
    monkeypatch.setattr(preflight, "check_disk", lambda path: ["The disk is full."])
    with pytest.raises(UnavailableError) as caught:
        look_first()
    begins = [line.split()[0] for line in str(caught.value).splitlines()]
    assert begins == ["DATA_PATH", "DHCP_MODE", "IQN_PREFIX", "API_PORT", "The"]


def test_a_taken_port_is_told_before_any_folder_is_made(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here.RUN_PATH = here.DATA_PATH / "other"
    monkeypatch.setattr(preflight, "check_ports", lambda ports: [f"{len(ports)} are taken."])
    with pytest.raises(UnavailableError, match=r"^\d are taken\.$"):
        prepare(AS_PERSON, ENDPOINT, print)
    assert not here.RUN_PATH.exists()


def test_preparing_leaves_folders_cluster_and_configuration(
    here: Any, instance: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Path, list[str], set[str]]] = []
    monkeypatch.setattr(preflight, "check_ports", lambda ports: [])
    monkeypatch.setattr(postgres, "make_cluster", lambda *words: made.append(words))
    monkeypatch.setattr(
        "netboot_site.runtime.access.open_ancestors", lambda path, accounts: [f"opened {path.name}"]
    )
    monkeypatch.setattr("netboot_site.runtime.access.unreadable", lambda paths, account: [])
    monkeypatch.setattr("netboot_site.runtime.access.open_fuse", lambda accounts: ["fuse is open"])
    said: list[str] = []
    done = prepare(instance, ENDPOINT, said.append)
    assert [path.exists() for path in (configuration.nginx_conf(), configuration.supervisor_conf())] == [
        True,
        True,
    ]
    assert made[0][0] == here.DATA_PATH / "postgres" / "data"
    assert {"root", instance.service.name, instance.storage.name} <= made[0][2]
    assert said == [f"opened {path.name}" for path in (here.BASE_PATH, here.DATA_PATH, here.RUN_PATH)] + [
        "fuse is open",
        "making a private PostgreSQL cluster ...",
    ]
    assert {"web", "boot", "nginx", "tgtd", "recorder"} <= {program.name for program in done.programs}


def test_a_checkout_that_the_service_user_cannot_read_is_told(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "check_ports", lambda ports: [])
    monkeypatch.setattr("netboot_site.runtime.layout.check_run_path", lambda path, account: None)
    monkeypatch.setattr("netboot_site.runtime.layout.make_folders", lambda folders: None)
    monkeypatch.setattr("netboot_site.runtime.access.unreadable", lambda paths, account: paths)
    with pytest.raises(UnavailableError, match=r"The user jo cannot read .*manage\.py: chmod -R go\+rX\."):
        prepare(AS_PERSON, ENDPOINT, print)


def test_programs_are_told_what_was_resolved_and_keep_one_key(here: Any) -> None:
    told = environment(plan())
    assert (told["BOOT_INTERFACE"], told["BOOT_ADDRESS"]) == ("eth0", "192.168.7.2")
    assert told["EXPECTED_SERVICES"] == "web,boot"
    assert (told["DATA_PATH"], told["RUN_PATH"]) == (str(here.DATA_PATH), str(here.RUN_PATH))
    assert told["SECRET_KEY"] == (here.DATA_PATH / "secret-key").read_text().strip()
    assert len(told["SECRET_KEY"]) >= 50
    assert environment(plan()) == told


def test_no_program_is_told_the_administrators_password_or_token(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "secret")
    monkeypatch.setenv("ADMIN_API_TOKEN", "secret")
    given: list[dict[str, str]] = []

    def start(conf: Path, variables: dict[str, str]) -> None:
        given.append(variables)
        raise StopAsked

    monkeypatch.setattr(supervision, "start", start)
    with pytest.raises(StopAsked):
        Launcher(print)._start(plan())
    assert "secret" not in given[0].values()
    assert given[0]["BOOT_ADDRESS"] == "192.168.7.2"


@pytest.mark.parametrize(
    ("accounts", "becomes"),
    [(AS_ROOT, ["setpriv", "--reuid=netboot", "--regid=990", "--init-groups"]), (AS_PERSON, [])],
)
def test_the_site_is_prepared_by_the_service_user(
    here: Any, monkeypatch: pytest.MonkeyPatch, accounts: Accounts, becomes: list[str]
) -> None:
    seen = prepared(monkeypatch, 0, "")
    Launcher(print)._prepare_site(plan(accounts), {"NETBOOT_SAMPLE": "told"})
    ((argv, env),) = seen
    assert argv[: len(becomes)] == becomes
    assert argv[len(becomes) + 1 :] == [str(here.BASE_PATH / "manage.py"), "prepare_site"]
    assert env["NETBOOT_SAMPLE"] == "told"


def test_a_new_password_is_shown_once_and_kept(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = prepared(monkeypatch, 0, "administrator created\n")
    shown = Launcher(print)._prepare_site(plan(), {})
    assert shown == seen[0][1]["ADMIN_PASSWORD"] == (here.DATA_PATH / "admin-password").read_text().strip()
    prepared(monkeypatch, 0, "")
    assert Launcher(print)._prepare_site(plan(), {}) == ""


def test_a_password_that_was_not_used_is_not_kept(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(monkeypatch, 0, "")  # there is an administrator already, with a password of their own
    assert Launcher(print)._prepare_site(plan(), {}) == ""
    assert not (here.DATA_PATH / "admin-password").exists()


def test_a_password_that_was_set_is_used_and_never_shown(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here.ADMIN_PASSWORD = "from the environment"
    seen = prepared(monkeypatch, 0, "administrator created\n")
    assert Launcher(print)._prepare_site(plan(), {}) == ""
    assert seen[0][1]["ADMIN_PASSWORD"] == "from the environment"
    assert not (here.DATA_PATH / "admin-password").exists()


def test_a_site_that_cannot_be_prepared_is_told_with_the_last_words(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(monkeypatch, 1, "", "Traceback ...\n\nOperationalError: no room\n\n")
    with pytest.raises(UnavailableError, match=r"could not be prepared: OperationalError: no room$"):
        Launcher(print)._prepare_site(plan(), {})


@pytest.mark.parametrize(
    ("password", "kept", "told"),
    [("s3cret", True, "s3cret"), ("", True, "in {}"), ("", False, "the one that was set")],
)
def test_it_greets_with_addresses_and_the_way_to_the_password(
    here: Any, password: str, kept: bool, told: str
) -> None:
    path = here.DATA_PATH / "admin-password"
    if kept:
        path.write_text("s3cret")
    said: list[str] = []
    Launcher(said.append)._greet(plan(AS_ROOT), password)
    assert said[0].endswith(f"up: http://192.168.7.2:{here.API_PORT}/")
    assert said[1].endswith(f"dashboard: http://192.168.7.2:{here.DASHBOARD_PORT}/")
    assert said[3].strip() == f"password: {told.format(path)}"
    assert said[-1] == "Ctrl-C stops everything."
    assert not any("Not started as root" in line for line in said)


def test_without_root_it_says_what_is_left_out(here: Any) -> None:
    said: list[str] = []
    Launcher(said.append)._greet(plan(AS_PERSON), "")
    assert "DHCP and TFTP (dnsmasq) are left out" in said[-2]


class Supervisor:
    """Stands for the supervisor's process: it lives for so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def poll(self) -> int | None:
        self.looks -= 1
        return None if self.looks >= 0 else -9


@pytest.fixture
def quick(here: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Any]], list[str]]:
    """Runs a launcher whose starts come out as listed; tells what was said and done."""
    told: list[str] = []

    def run(starts: list[Any]) -> list[str]:
        def start(self: Launcher, given: Plan) -> None:
            assert instance_lock.holder(here.DATA_PATH) == os.getpid(), "started without the lock"
            found = starts.pop(0)
            if not isinstance(found, Supervisor):
                raise found
            self._supervisor = found

        monkeypatch.setattr(Launcher, "_start", start)
        monkeypatch.setattr(launcher, "prepare", lambda *words: plan())
        monkeypatch.setattr(logs, "rotate_nginx_logs", lambda: told.append("(logs)"))
        monkeypatch.setattr(supervision, "former_session", lambda: 77)
        monkeypatch.setattr(supervision, "end_former_session", lambda: 3)
        monkeypatch.setattr(supervision, "stop", lambda process: told.append("(stopped)"))
        told.append(launch(told.append))
        return told

    return run


LEFT = "3 processes of an instance that was killed have ended."


def test_asked_to_stop_it_stops_everything_and_ends_well(
    quick: Callable[[list[Any]], list[str]], here: Any
) -> None:
    assert quick([StopAsked()]) == [LEFT, "stopping ...", "stopped.", ""]
    assert instance_lock.holder(here.DATA_PATH) is None


def test_a_killed_supervisor_is_started_again(quick: Callable[[list[Any]], list[str]]) -> None:
    again = "the supervisor was killed; starting everything again ..."
    told = quick([Supervisor(1), StopAsked()])
    assert told == [LEFT, "(logs)", again, LEFT, "stopping ...", "(stopped)", "stopped.", ""]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnavailableError("No room."), "No room."),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: no space left on device."),
        (OSError("odd"), "The system: odd."),
    ],
)
def test_a_failed_start_is_one_sentence_and_frees_the_lock(
    quick: Callable[[list[Any]], list[str]], here: Any, error: Exception, told: str
) -> None:
    assert quick([error])[-1] == told
    assert instance_lock.holder(here.DATA_PATH) is None


def test_a_second_ctrl_c_does_not_break_off_the_stopping(quick: Callable[[list[Any]], list[str]]) -> None:
    quick([StopAsked()])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_command_that_fails_says_one_sentence_without_a_traceback(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    variables = {"DATA_PATH": str(tmp_path / "file"), "BOOT_ADDRESS": "", "RUN_PATH": "", "PATH": os.defpath}
    manage = str(Path(__file__).resolve().parents[2] / "manage.py")
    argv = [sys.executable, manage, command]
    done = subprocess.run(
        argv, env=os.environ | variables | {"DHCP_MODE": "no"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith("CommandError: ")
