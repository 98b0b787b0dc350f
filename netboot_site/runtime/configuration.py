"""Configuration files of supervisor, nginx and Redis, rendered from the templates in deploy/."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template import Context, Engine

from netboot_site.network_file import dhcp_of, kept
from netboot_site.runtime.layout import Accounts
from netboot_site.runtime.network import BootEndpoint
from netboot_site.runtime.preflight import Port
from netboot_site.runtime.programs import BASE, GROUPS, Program

_TEMPLATES = settings.BASE_PATH / "deploy"
_WANTED_OPEN_FILES = 65_536  # tgtd holds one for each disk and each session
_ANY = ("0.0.0.0", "::")  # noqa: S104  # compared with, not bound


def nginx_conf() -> Path:
    """Where nginx's configuration is rendered to."""
    return Path(settings.RUN_PATH / "nginx" / "nginx.conf")


def redis_conf() -> Path:
    """Where Redis's configuration is rendered to."""
    return Path(settings.REDIS_SOCKET_PATH.parent / "redis.conf")


def supervisor_conf() -> Path:
    """Where supervisor's configuration is rendered to."""
    return Path(settings.RUN_PATH / "supervisor" / "supervisord.conf")


def render(name: str, values: Mapping[str, Any]) -> str:
    """One template of deploy/; nothing is escaped, so values are checked before (preflight.check_path)."""
    engine = Engine(dirs=[str(_TEMPLATES)], autoescape=False)
    return engine.get_template(name).render(Context(dict(values), autoescape=False))


def open_files() -> int:
    """How many files a program may open: what we want, or what this host allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _WANTED_OPEN_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_OPEN_FILES, hard)


def listen(host: str, port: int) -> str:
    """An address as nginx's `listen` spells it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ports(endpoint: BootEndpoint, *, privileged: bool) -> list[Port]:
    """Every port that an instance with the present settings holds."""
    host, iscsi = settings.API_HOST, Port(endpoint.address, settings.ISCSI_PORT, "iSCSI, ISCSI_PORT")
    if settings.STORAGE_ONLY:
        return [Port(host, settings.API_PORT, "contents of disks, API_PORT"), iscsi]
    boot_host = host if host in _ANY else _ANY[0]
    found = [Port(host, settings.API_PORT, "pages and API, API_PORT")]
    if settings.DASHBOARD_PORT != settings.API_PORT:
        found.append(Port(host, settings.DASHBOARD_PORT, "dashboard, DASHBOARD_PORT"))
    found.append(Port(boot_host, settings.BOOT_HTTP_PORT, "boot files, BOOT_HTTP_PORT"))
    found.append(iscsi)
    if privileged:
        found.append(Port(endpoint.address, 69, "TFTP", udp=True))  # RFC 1350
        found.extend(_dhcp_ports(endpoint))
    return found


def _dhcp_ports(endpoint: BootEndpoint) -> list[Port]:
    # RFC 2131: 67 is the server's; 4011 is the PXE boot server's (PXE specification 2.1, 2.2.3).
    dhcp = Port(_ANY[0], 67, "DHCP", udp=True, shared=True)
    mode, _ = dhcp_of(kept(settings.NETWORK_CHOICE_PATH), endpoint.interface)
    proxy = Port(_ANY[0], 4011, "proxy DHCP", udp=True, shared=True)
    return {"off": [], "server": [dhcp], "proxy": [dhcp, proxy]}.get(mode, [])


def nginx_text(accounts: Accounts) -> str:
    """nginx's configuration."""
    host = settings.API_HOST
    values = {
        "privileged": accounts.privileged,
        "storage_only": settings.STORAGE_ONLY,
        "service_user": accounts.service.name,
        "open_files": open_files(),
        "run_path": settings.RUN_PATH,
        "logs_path": settings.LOGS_PATH,
        "static_root": settings.STATIC_ROOT,
        "boot_files_path": settings.BOOT_FILES_PATH,
        "content_listen": listen(host, settings.API_PORT),
        "site_listens": [listen(host, port) for port in sorted({settings.API_PORT, settings.DASHBOARD_PORT})],
        "boot_listen": listen(host if host in _ANY else _ANY[0], settings.BOOT_HTTP_PORT),
    }
    included = {
        "boot_locations": render("nginx/boot-locations.conf", values),
        "content_location": render("nginx/content-location.conf", values),
    }
    return render("nginx/nginx.conf", {**values, **included})


def away_script(endpoint: BootEndpoint) -> str:
    """What a machine is told while the boot service is away."""
    values = {"boot_address": endpoint.address, "boot_http_port": settings.BOOT_HTTP_PORT}
    return render("nginx/away.ipxe", values)


def away_pages() -> dict[Path, str]:
    """What browsers and programs are told while the web service is away."""
    names = ("away.html", "away.json")
    return {nginx_conf().with_name(name): render(f"nginx/{name}", {}) for name in names}


def redis_text() -> str:
    """Redis's configuration."""
    socket = settings.REDIS_SOCKET_PATH
    return render("supervisor/redis.conf", {"redis_socket": socket, "redis_folder": socket.parent})


def supervisor_text(accounts: Accounts, programs: list[Program]) -> str:
    """supervisor's configuration; PostgreSQL and Redis start by themselves, the launcher starts the rest."""
    by_group = {group: [p.name for p in programs if p.group == group] for group in GROUPS}
    groups = [
        {"name": name, "programs": ",".join(members), "priority": 100 * (GROUPS.index(name) + 1)}
        for name, members in by_group.items()
        if members
    ]
    sections = [_section(program, accounts) for program in programs]
    values = {"base_path": settings.BASE_PATH, "run_path": settings.RUN_PATH, "logs_path": settings.LOGS_PATH}
    return render(
        "supervisor/supervisord.conf",
        {
            **values,
            "privileged": accounts.privileged,
            "open_files": open_files(),
            "programs": sections,
            "groups": groups,
        },
    )


def _section(program: Program, accounts: Accounts) -> dict[str, Any]:
    return {
        "name": program.name,
        "command": program.command(accounts),
        "autostart": str(program.group == BASE).lower(),
        "stop_signal": program.stop_signal,
        "stop_seconds": program.stop_seconds,
        "log_bytes": program.log_bytes,
        "log_backups": program.log_backups,
    }


def write_all(accounts: Accounts, endpoint: BootEndpoint, programs: list[Program]) -> None:
    """Write every configuration file; they hold no secret."""
    texts = {
        nginx_conf(): nginx_text(accounts),
        nginx_conf().with_name("away.ipxe"): away_script(endpoint),
        **away_pages(),
        supervisor_conf(): supervisor_text(accounts, programs),
    }
    if any(program.name == "redis" for program in programs):
        texts[redis_conf()] = redis_text()
    for path, text in texts.items():
        path.write_text(text)
        path.chmod(0o644)
