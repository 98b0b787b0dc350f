"""What `make up` finds out and checks before it touches anything."""

from __future__ import annotations

from django.conf import settings

from netboot_site.errors import UnavailableError
from netboot_site.network_file import KeptChoice, dhcp_of, is_interface_fixed, kept
from netboot_site.runtime import layout, network, preflight, programs


def look_first() -> tuple[layout.Accounts, network.BootEndpoint]:
    """Find out who and where we are. Raises UnavailableError with every problem that was found."""
    accounts = layout.find_accounts()
    choice = None if settings.STORAGE_ONLY else kept(settings.NETWORK_CHOICE_PATH)
    endpoint = network.resolve(_interface(choice), settings.BOOT_ADDRESS)
    names = ("API_PORT", "DASHBOARD_PORT", "BOOT_HTTP_PORT", "ISCSI_PORT")
    numbers = {name: getattr(settings, name) for name in (names[::3] if settings.STORAGE_ONLY else names)}
    problems = [
        *preflight.check_node_name(settings.STORAGE_NODE),
        *preflight.check_shared(_shared() if settings.STORAGE_ONLY else {}),
        *preflight.check_path("DATA_PATH", settings.DATA_PATH),
        *preflight.check_path("The project's folder", settings.BASE_PATH),
        *preflight.check_dhcp(*dhcp_of(choice, endpoint.interface), endpoint.address),
        *preflight.check_iqn_prefix(settings.IQN_PREFIX),
        *preflight.check_distinct(numbers),
        *preflight.check_disk(settings.DATA_PATH),
    ]
    raise_if(problems)
    return accounts, endpoint


def _interface(choice: KeptChoice | None) -> str:
    """Empty: to be found out."""
    if choice is None or is_interface_fixed():
        return str(settings.BOOT_INTERFACE)
    return choice.interface


def _shared() -> dict[str, bool]:
    return {
        "DATABASE_URL": not programs.private_postgres(),
        "REDIS_URL": not programs.private_redis(),
        "SECRET_KEY": settings.SECRET_KEY_IS_KEPT,
    }


def raise_if(problems: list[str]) -> None:
    if problems:
        raise UnavailableError("\n".join(problems))
