"""`make up`: looks first, prepares, starts everything in order, waits, and stops everything again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import get_commands

from images import qemu_serving
from netboot_site import system
from netboot_site.errors import OrchestratorError, UnavailableError
from netboot_site.network_file import KeptChoice, kept
from netboot_site.runtime import (
    access,
    configuration,
    instance_lock,
    layout,
    logs,
    network,
    postgres,
    preflight,
    probe,
    programs,
    supervision,
)
from netboot_site.runtime.first_look import look_first, raise_if

Say = Callable[[str], None]
_LOG_CHECK_SECONDS = 30.0
_KEY_BYTES, _PASSWORD_BYTES = 50, 12


class StopAsked(BaseException):
    """SIGINT or SIGTERM: like KeyboardInterrupt, nothing on the way may take it for an error."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is settled before the first program starts."""

    accounts: layout.Accounts
    endpoint: network.BootEndpoint
    programs: list[programs.Program]


def prepare(accounts: layout.Accounts, endpoint: network.BootEndpoint, say: Say) -> Plan:
    """Folders, access, database files and configuration. Nothing is running yet."""
    raise_if(preflight.check_ports(configuration.ports(endpoint, privileged=accounts.privileged)))
    layout.check_run_path(settings.RUN_PATH, accounts.launcher)
    layout.make_folders(layout.folders(accounts))
    for path in (settings.BASE_PATH, settings.DATA_PATH, settings.RUN_PATH):
        for line in access.open_ancestors(path, accounts):
            say(line)
    for line in access.open_fuse(accounts):
        say(line)
    unreadable = access.unreadable([settings.BASE_PATH / "manage.py"], accounts.service)
    raise_if([f"The user {accounts.service.name} cannot read {path}: chmod -R go+rX." for path in unreadable])
    raise_if(access.check_shared_memory(accounts.service))
    if programs.private_postgres():
        _prepare_postgres(accounts, say)
    chosen = programs.all_programs(
        accounts, get_commands(), configuration.nginx_conf(), configuration.redis_conf()
    )
    configuration.write_all(accounts, endpoint, chosen)
    return Plan(accounts, endpoint, chosen)


def _prepare_postgres(accounts: layout.Accounts, say: Say) -> None:
    cluster = programs.cluster_path()
    if not cluster.exists():
        say("making a private PostgreSQL cluster ...")
    users = {account.name for account in (*accounts, accounts.launcher)} | {"root"}
    postgres.make_cluster(cluster, layout.become(accounts.service, accounts), users)


def environment(plan: Plan) -> dict[str, str]:
    """What every program is told: what we have resolved stays the same in all of them."""
    key, _ = layout.keep_secret(settings.DATA_PATH / "secret-key", _KEY_BYTES)
    return {
        "DJANGO_SETTINGS_MODULE": "netboot_site.settings",
        "DATA_PATH": str(settings.DATA_PATH),
        "RUN_PATH": str(settings.RUN_PATH),
        "STORAGE_ONLY": str(settings.STORAGE_ONLY).lower(),
        "HOME": str(settings.DATA_PATH),
        "SECRET_KEY": key,
        "BOOT_INTERFACE": plan.endpoint.interface,
        "BOOT_ADDRESS": plan.endpoint.address,
        "NETWORK_FIXED": ",".join(settings.NETWORK_FIXED),
        "EXPECTED_SERVICES": ",".join(program.name for program in plan.programs),
        "PYTHONDONTWRITEBYTECODE": "1",  # the code is not theirs to write beside
        "CELERY_SKIP_CHECKS": "1",  # prepare_site has run them; each worker would load every page for them
    }


class Launcher:
    """One run of `make up`."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._supervisor: Any = None
        self._choice: KeptChoice | None = None  # as last seen
        self._good: network.BootEndpoint | None = None  # where everything came up

    def run(self) -> None:
        """Start everything, stay until asked to stop, stop everything. Raises OrchestratorError."""
        accounts, endpoint = look_first()
        layout.make_data_path(settings.DATA_PATH)
        with instance_lock.held(settings.DATA_PATH):
            try:
                self._choice = kept(settings.NETWORK_CHOICE_PATH)
                while True:
                    plan = self._begin(accounts, endpoint)
                    endpoint = self._again(plan, self._stay(plan))
            except StopAsked:
                self._say("stopping ...")
            finally:
                self._stop()
        self._say("stopped.")

    def _begin(self, accounts: layout.Accounts, endpoint: network.BootEndpoint) -> Plan:
        """Start everything there; where that fails and it had run elsewhere, it runs there again."""
        try:
            self._clean_up_after_a_crash()
            plan = prepare(accounts, endpoint, self._say)
            self._start(plan)
        except UnavailableError as error:
            if self._good in (None, endpoint):
                raise
            self._say(f"{error}\nIt cannot run at {endpoint.address}; going back to {self._good.address} ...")
            self._halt()
            return self._begin(accounts, self._good)
        self._good = endpoint
        return plan

    def _again(self, plan: Plan, chosen: network.BootEndpoint | None) -> network.BootEndpoint:
        """Where everything is to start once more."""
        if chosen is None:
            self._say("the supervisor was killed; starting everything again ...")
            return plan.endpoint
        self._say(f"the boot network is now {chosen.interface}: starting again at {chosen.address} ...")
        self._halt()
        return chosen

    def _clean_up_after_a_crash(self) -> None:
        layout.check_run_path(settings.RUN_PATH, layout.find_accounts().launcher)
        qemu_serving.let_go_on(settings.LAYERS_RUN_PATH)
        if supervision.former_session() is not None:
            left = supervision.end_former_session()
            if left:
                self._say(f"{left} processes of an instance that was killed have ended.")
        qemu_serving.clear_all(settings.LAYERS_RUN_PATH)

    def _start(self, plan: Plan) -> None:
        variables = environment(plan)
        supervisor_variables = dict.fromkeys(("ADMIN_PASSWORD", "ADMIN_API_TOKEN"), "") | variables
        if any(program.group == programs.BASE for program in plan.programs):
            self._say("starting PostgreSQL and Redis ...")
        self._supervisor = supervision.start(
            configuration.supervisor_conf(), system.environment_with(supervisor_variables)
        )
        supervision.wait_until_up(self._supervisor)
        probe.wait_for_sockets([p for p in plan.programs if p.group == programs.BASE])
        password = self._prepare_rows(plan, variables)
        self._say("starting the services ...")
        supervision.start_group(programs.SERVICES)
        probe.wait_for_sockets(plan.programs)
        supervision.start_group(programs.FRONT)
        probe.wait_until_healthy(self._supervisor, self._say)
        self._greet(plan, password)

    def _prepare_rows(self, plan: Plan, variables: dict[str, str]) -> str:
        """What the database must hold; returns a password that was made just now, or nothing."""
        if not settings.STORAGE_ONLY:
            return self._prepare_site(plan, variables)
        self._say("registering the storage node ...")
        done = _manage(plan, "prepare_storage_node", variables)
        if done.exit_code != 0:
            raise UnavailableError(logs.last_line(done.stderr).removeprefix("CommandError: "))
        return ""

    def _prepare_site(self, plan: Plan, variables: dict[str, str]) -> str:
        """Migrations, static files, administrator."""
        self._say("preparing the database ...")
        kept = settings.DATA_PATH / "admin-password"
        password, fresh = settings.ADMIN_PASSWORD, False
        if not password:
            password, fresh = layout.keep_secret(kept, _PASSWORD_BYTES)
        done = _manage(plan, "prepare_site", {**variables, "ADMIN_PASSWORD": password})
        created = "administrator created" in done.stdout
        if fresh and not created:
            kept.unlink()  # the administrator has another password already
        if done.exit_code != 0:
            raise UnavailableError(f"The site could not be prepared: {logs.last_line(done.stderr)}")
        return password if fresh and created else ""

    def _greet(self, plan: Plan, password: str) -> None:
        address = plan.endpoint.address
        if settings.STORAGE_ONLY:
            self._say(f"Storage node {settings.STORAGE_NODE} is up: {address}:{settings.ISCSI_PORT}")
            self._say("Ctrl-C stops everything.")
            return
        self._say(f"Netboot Orchestrator is up: http://{address}:{settings.API_PORT}/")
        self._say(f"                 dashboard: http://{address}:{settings.DASHBOARD_PORT}/")
        self._say(f"             administrator: {settings.ADMIN_USERNAME}")
        self._say(f"                  password: {password or self._where_password_is()}")
        if not plan.accounts.privileged:
            self._say(
                "Not started as root: DHCP and TFTP (dnsmasq) are left out, so devices cannot boot yet."
            )
        self._say("Ctrl-C stops everything.")

    @staticmethod
    def _where_password_is() -> str:
        kept = settings.DATA_PATH / "admin-password"
        return f"in {kept}" if kept.exists() else "the one that was set"

    def _stay(self, plan: Plan) -> network.BootEndpoint | None:
        """Look after log files; StopAsked ends it, supervisor's own end, or a choice of another network."""
        next_look = 0.0
        while self._supervisor.poll() is None:
            chosen = self._chosen_elsewhere(plan)
            if chosen is not None:
                return chosen
            if time.monotonic() >= next_look:
                logs.rotate_nginx_logs()
                next_look = time.monotonic() + _LOG_CHECK_SECONDS
            time.sleep(0.5)
        return None

    def _chosen_elsewhere(self, plan: Plan) -> network.BootEndpoint | None:
        """Where to start again; nothing that cannot be is tried, and nothing twice."""
        choice = kept(settings.NETWORK_CHOICE_PATH)
        if settings.STORAGE_ONLY or choice == self._choice:
            return None
        self._choice = choice
        try:
            endpoint = look_first()[1]
            now, then = (
                configuration.ports(where, privileged=plan.accounts.privileged)
                for where in (plan.endpoint, endpoint)
            )
            raise_if(preflight.check_ports([port for port in then if port not in now and not port.shared]))
        except UnavailableError as error:
            self._say(f"The boot network that was chosen cannot be used:\n{error}")
            return None
        return endpoint if endpoint != plan.endpoint else None

    def _stop(self) -> None:
        _ignore_signals()
        self._halt()

    def _halt(self) -> None:
        if self._supervisor is not None:
            # Served layers outlive workers and tgtd on purpose; here all of it ends, tgtd first. None may be
            # paused then, or tgtd could not end.
            supervision.stop_program(programs.ROOM_WATCH, programs.SERVICES)
            qemu_serving.let_go_on(settings.LAYERS_RUN_PATH)
            supervision.stop(self._supervisor)
            qemu_serving.clear_all(settings.LAYERS_RUN_PATH)


def _manage(plan: Plan, command: str, variables: dict[str, str]) -> system.Completed:
    """Run one of our management commands to its end, as the user of the services."""
    words = layout.become(plan.accounts.service, plan.accounts)
    return system.run(
        [*words, programs.PYTHON, str(settings.BASE_PATH / "manage.py"), command],
        env=system.environment_with(variables),
        timeout_seconds=120,
    )


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _ask_to_stop(number: int, frame: FrameType | None) -> None:
    raise StopAsked


def launch(say: Say) -> str:
    """Run until stopped; returns what went wrong, or an empty text."""
    os.umask(0o022)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ask_to_stop)
    try:
        Launcher(say).run()
    except StopAsked:
        return ""
    except OrchestratorError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or 'The system'}: {(error.strerror or str(error)).lower()}."
    return ""
