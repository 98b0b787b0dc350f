"""Logins to targets, as the storage workers observed them, put into boots.

The loader logs in first. When the same initiator name logs in again, the operating system has taken its disk.
A Raspberry Pi has no loader: its initramfs logs in, and the operating system goes on with that session.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from bootflow.models import Boot, BootEvent, Stage
from bootflow.recorder.ledger import add_event, seen_of, write_one
from bootflow.recorder.sighting import Sighting, Sign
from bootflow.recorder.story import boots_as_pi
from images.models import Session

LOGIN, TAKEOVER, AGAIN, LOGOUT = "login", "takeover", "login-again", "logout"
SETTLED = "settled"
# An initramfs that does iSCSI by itself tells us nothing; one that finds no root gives up within this time.
SETTLES_AFTER = timedelta(seconds=30)
# A row may be committed a little after its time; what has its event already is left out.
LOOK_BACK = timedelta(minutes=2)


def mac_of(initiator_name: str) -> str:
    """The device of an initiator name that we gave; empty for a stranger's."""
    digits = initiator_name.removeprefix(f"{settings.IQN_PREFIX}:device.")
    if digits == initiator_name or len(digits) != 12:
        return ""
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def write_sessions(since: datetime) -> None:
    """Note logins and log-outs since a time that have no event yet."""
    recent = Session.objects.filter(Q(started_at__gte=since) | Q(ended_at__gte=since))
    sessions = [s for s in recent.order_by("started_at", "id") if mac_of(s.initiator_name)]
    known = _known([session.pk for session in sessions])
    for session in sessions:
        if (session.pk, False) not in known and session.started_at >= since:
            _write_login(session)
        if session.ended_at is not None and (session.pk, True) not in known:
            _write_logout(session, session.ended_at)


def _known(sessions: Iterable[int]) -> set[tuple[int, bool]]:
    """Which of these sessions have their login and their log-out among the events."""
    rows = BootEvent.objects.filter(
        kind__in=[LOGIN, TAKEOVER, AGAIN, LOGOUT], facts__session__in=list(sessions)
    ).values_list("facts__session", "kind")
    return {(session, kind == LOGOUT) for session, kind in rows}


def _write_login(session: Session) -> None:
    mac = mac_of(session.initiator_name)
    boot = Boot.objects.filter(mac=mac, finished_at=None).first()
    if boot is None:
        _write_again(session, mac)
        return
    earlier = _has_loader_logged_in(boot)
    kind, stage = (TAKEOVER, Stage.OS) if earlier else (LOGIN, Stage.ISCSI)
    loader = "initramfs" if boots_as_pi(seen_of(boot.events.all())) else "loader"
    who = "The operating system took over" if earlier else f"The {loader} logged in to"
    write_one(_sighting(session, session.started_at, mac, stage, kind, f"{who} its disk {_disk(session)}."))


def _has_loader_logged_in(boot: Boot) -> bool:
    """Whether it has, since it last asked what to boot or could not boot its disk: then it begins anew."""
    anew = boot.events.filter(kind__in=["script", "sanboot-failed"]).order_by("at").last()
    logins = boot.events.filter(kind__in=[LOGIN, TAKEOVER])
    return (logins.filter(at__gt=anew.at) if anew else logins).exists()


def _write_again(session: Session, mac: str) -> None:
    """A machine that runs has logged in anew, after a pause of the network or of the target server."""
    boot = Boot.objects.filter(mac=mac).order_by("-started_at", "-id").first()
    if boot is None or boot.finished_at is None:
        return
    if session.started_at < boot.finished_at:
        _write_missed(session, boot)
        return
    counted = boot.events.filter(kind=AGAIN, facts__last_at__gte=session.started_at.isoformat())
    if not counted.exists():  # sessions come in the order of their start
        detail = f"Logged in to its disk {_disk(session)} again."
        add_event(
            boot,
            list(boot.events.all()),
            _sighting(session, session.started_at, mac, Stage.OS, AGAIN, detail),
        )


def _write_missed(session: Session, boot: Boot) -> None:
    """A Pi's word that its root is mounted may come before the storage worker has seen its login."""
    events = list(boot.events.all())
    within = boot.started_at <= session.started_at
    if within and boots_as_pi(seen_of(events)) and not any(event.kind == LOGIN for event in events):
        told = f"The initramfs logged in to its disk {_disk(session)}."
        add_event(boot, events, _sighting(session, session.started_at, boot.mac, Stage.ISCSI, LOGIN, told))


def _write_logout(session: Session, ended_at: datetime) -> None:
    login = (
        BootEvent.objects.filter(kind__in=[LOGIN, TAKEOVER, AGAIN], facts__session=session.pk)
        .select_related("boot")
        .first()
    )
    if login is not None:
        detail = f"Logged out from its disk {_disk(session)}."
        mac = login.boot.mac
        add_event(
            login.boot,
            list(login.boot.events.all()),
            _sighting(session, ended_at, mac, login.stage, LOGOUT, detail),
        )


def settle() -> None:
    """A Pi whose session has lived on for a while runs its operating system, unless it would have said so."""
    for boot in Boot.objects.filter(finished_at=None, stage=Stage.ISCSI):
        events = list(boot.events.all())
        logins = [event for event in events if event.kind == LOGIN]
        told_by_us = any(event.facts.get("system") == "initramfs" for event in events)
        if logins and boots_as_pi(seen_of(events)) and not told_by_us:
            _settle(boot, logins[-1])


def _settle(boot: Boot, login: BootEvent) -> None:
    now = timezone.now()
    session = Session.objects.filter(pk=login.facts.get("session"), ended_at=None).first()
    if session is not None and now - session.started_at >= SETTLES_AFTER:
        lasted = f"{SETTLES_AFTER.total_seconds():g} s"
        told = (
            f"Its disk {_disk(session)} has stayed in use for {lasted}: its operating system is taken to run."
        )
        write_one(_sighting(session, now, boot.mac, Stage.OS, SETTLED, told))


def _disk(session: Session) -> str:
    return session.image_id or session.iqn


def _sighting(session: Session, at: datetime, mac: str, stage: str, kind: str, detail: str) -> Sighting:
    facts = {"session": session.pk, "address": session.address}
    return Sighting(at, stage, kind, detail, Sign.PART, mac, session.address or "", facts)
