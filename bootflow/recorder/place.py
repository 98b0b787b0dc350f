"""Which boot a sighting belongs to: the rules of a power-on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from bootflow.models import Stage
from bootflow.recorder.sighting import Sighting, Sign

STAGE_ORDER = {stage: number for number, stage in enumerate(Stage.values)}
# Firmware asks 4, 8, 16, 32 s apart (RFC 2131, section 4.1); a later question is a new power-on.
FIRMWARE_GAP = timedelta(seconds=60)
LOADER_GAP = timedelta(minutes=5)  # a slow machine may take long over its loader
# The clocks of one host agree; the log is read up to a second after a machine has asked for its script.
_SAME_BOOT_BEFORE = timedelta(minutes=5)


class Place(Enum):
    """What to do with a sighting."""

    IGNORE = "ignore"
    JOIN = "join"
    START = "start"  # a new boot; the open one, if any, ends here


@dataclass(frozen=True, slots=True)
class OpenBoot:
    """What decides of a machine's open boot."""

    stage: str
    last_event_at: datetime
    scripted_at: datetime | None  # its first script request
    is_pi: bool = False  # its kernel asks for an address too, and that is the first sign that it runs


def place(boot: OpenBoot | None, sighting: Sighting) -> Place:
    """Whether a sighting starts a boot, joins the open one, or tells nothing."""
    if sighting.sign is Sign.SYSTEM:
        runs = Stage.TFTP if boot is not None and boot.is_pi else Stage.INSTALLER
        late = boot is not None and STAGE_ORDER[boot.stage] >= STAGE_ORDER[runs]
        return Place.JOIN if late else Place.IGNORE
    if boot is None:
        # A system that runs may fetch boot files too (an installer its packages): that is no power-on.
        return Place.IGNORE if sighting.stage == Stage.INSTALLER else Place.START
    if sighting.sign is Sign.PART:
        return Place.JOIN
    return Place.START if _is_new_power_on(boot, sighting) else Place.JOIN


def _is_new_power_on(boot: OpenBoot, sighting: Sighting) -> bool:
    if boot.scripted_at is not None:
        # Read late, but seen before the script was asked for: the beginning of that same boot.
        return not (boot.scripted_at - _SAME_BOOT_BEFORE <= sighting.at <= boot.scripted_at)
    if STAGE_ORDER[boot.stage] >= STAGE_ORDER[Stage.SCRIPT]:
        return True
    after_loader = sighting.sign is Sign.LOADER and boot.stage == Stage.TFTP
    return sighting.at - boot.last_event_at > (LOADER_GAP if after_loader else FIRMWARE_GAP)
