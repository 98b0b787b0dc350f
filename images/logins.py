"""Who is logged in at this very moment, as the target server tells: this second's login is in no row yet."""

from __future__ import annotations

from images.tgt import local_server
from netboot_site.errors import UnavailableError


def logged_in_now(iqn: str) -> bool:
    """Whether an initiator is logged in to this target of this host."""
    try:
        targets = local_server().observe().targets
    except UnavailableError:
        return False  # no server, no session
    return any(target.iqn == iqn and target.logins for target in targets)
