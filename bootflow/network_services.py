"""Changes of the boot network. Keyword-only, a verb first; each one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bootflow.dnsmasq import DhcpMode
from bootflow.models import NetworkChoice, WireLook
from bootflow.network import chosen, completed, problems_of, refused_by_environment, served
from bootflow.ports import Interface
from bootflow.tasks import converge
from devices.models import Device
from images.models import Image, Session, StorageNode
from netboot_site import journal
from netboot_site.errors import ConflictError, ValidationError
from netboot_site.formats import mac_of_hex
from netboot_site.network_file import KeptChoice

_NAMED = 3


@transaction.atomic
def choose_network(
    *, wanted: KeptChoice, interfaces: Iterable[Interface], interrupt: bool = False
) -> NetworkChoice:
    """Serve this network from now on. Another interface starts all services again, disks included.

    Raises ValidationError for what cannot be; ConflictError for what the environment says otherwise, or
    where machines use their disks and `interrupt` does not say that they may lose them.
    """
    there, wanted = list(interfaces), completed(wanted)
    refused = refused_by_environment(wanted)
    if refused:
        raise ConflictError(" ".join(refused.values()))
    wrong = problems_of(wanted, there)
    if wrong:
        raise ValidationError(" ".join(wrong.values()))
    losing = interruption_of(wanted.interface, there)
    if losing and not interrupt:
        raise ConflictError(losing)
    return _write(wanted)


def _write(wanted: KeptChoice) -> NetworkChoice:
    former = chosen()
    pool = wanted.dhcp_range.replace(" ", "") if wanted.dhcp_mode == DhcpMode.SERVER else ""
    values = {"interface": wanted.interface, "dhcp_mode": wanted.dhcp_mode, "dhcp_range": pool}
    if former is not None and all(getattr(former, name) == value for name, value in values.items()):
        return former
    row, _ = NetworkChoice.objects.update_or_create(id=1, defaults=values)
    told = f"{wanted.dhcp_mode} on {wanted.interface}" + (f", pool {pool}" if pool else "")
    journal.record("network", wanted.interface, f"Chose the boot network: {told}")
    request_look(interface=wanted.interface)
    return row


@transaction.atomic
def request_look(*, interface: str) -> WireLook:
    """Find out who else answers on an interface's wire. Raises ConflictError without an interface."""
    if not interface:
        raise ConflictError("No boot network is chosen yet: choose an interface first.")
    row, _ = WireLook.objects.update_or_create(interface=interface, defaults={"requested_at": timezone.now()})
    converge.delay_on_commit()  # type: ignore[attr-defined]  # netboot_site.celery.NudgeTask
    return row


def interruption_of(interface: str, interfaces: Iterable[Interface]) -> str:
    """What a change to this interface costs machines that use their disks now; empty if it costs nothing."""
    now = served(chosen())
    if interface == now.interface:
        return ""
    macs = _machines_at_work()
    if not macs:
        return ""
    kept = any(
        one.name == interface and [str(a.ip) for a in one.addresses[:1]] == [now.address]
        for one in interfaces
    )
    who = _names(macs)
    uses = "uses its disk" if len(macs) == 1 else "use their disks"
    if kept:
        return (
            f"{who} {uses} now: starting the services again on {interface} interrupts that for some seconds."
        )
    return (
        f"{who} {uses} through {now.address} now and would lose {'it' if len(macs) == 1 else 'them'} with "
        f"the change to {interface}, whose address is another: shut down first, or say that this may be."
    )


def _machines_at_work() -> list[str]:
    begin = f"{settings.IQN_PREFIX}:device."
    here = Session.objects.filter(ended_at=None, initiator_name__startswith=begin)
    elsewhere = StorageNode.objects.exclude(name=settings.STORAGE_NODE)
    here = here.exclude(image__in=Image.objects.filter(node__in=elsewhere))
    names = here.order_by("initiator_name").values_list("initiator_name", flat=True).distinct()
    return [mac_of_hex(name.removeprefix(begin)) for name in names]


def _names(macs: list[str]) -> str:
    """`lab1-03, lab1-04, lab1-05 and 2 more`."""
    known = dict(Device.objects.filter(mac__in=macs[:_NAMED]).values_list("mac", "name"))
    names = [known.get(mac) or mac for mac in macs[:_NAMED]]
    more = len(macs) - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
