"""REST calls of the MAC addresses that are taken for Raspberry Pis'."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Schema, Status

from bootflow.models import PiMacPrefix
from bootflow.raspberry_pi.identity import MAC_PREFIXES
from bootflow.raspberry_pi.prefixes import add_prefix, remove_prefix
from devices.schemas import Text

router = Router()


class PiMacPrefixIn(Schema):
    """The beginning of a MAC address: 6 to 9 hex digits, in any spelling."""

    prefix: Text
    note: Text = ""


class PiMacPrefixOut(Schema):
    """A beginning of MAC addresses; those that are built in cannot be removed."""

    prefix: str
    note: str
    built_in: bool


@router.get("/pi-mac-prefixes", response=list[PiMacPrefixOut])
def list_pi_mac_prefixes(request: HttpRequest) -> list[PiMacPrefixOut]:
    """All beginnings of MAC addresses that are taken for Raspberry Pis'."""
    own = [PiMacPrefixOut(prefix=prefix, note="Raspberry Pi", built_in=True) for prefix in MAC_PREFIXES]
    return own + [_shown(row) for row in PiMacPrefix.objects.all()]


@router.post("/pi-mac-prefixes", response={201: PiMacPrefixOut})
def add_pi_mac_prefix(request: HttpRequest, body: PiMacPrefixIn) -> Status[PiMacPrefixOut]:
    """Take devices whose MAC address begins so for Raspberry Pis."""
    return Status(201, _shown(add_prefix(prefix=body.prefix, note=body.note)))


@router.delete("/pi-mac-prefixes/{prefix}", response={204: None})
def remove_pi_mac_prefix(request: HttpRequest, prefix: str) -> Status[None]:
    """Take them for what their architecture says again."""
    remove_prefix(prefix=prefix)
    return Status(204, None)


def _shown(row: PiMacPrefix) -> PiMacPrefixOut:
    return PiMacPrefixOut(prefix=row.prefix, note=row.note, built_in=False)
