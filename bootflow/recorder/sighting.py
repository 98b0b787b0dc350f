"""One thing seen of a machine, whoever saw it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any


class Sign(Enum):
    """What a sighting says of the power-on that it belongs to."""

    FIRMWARE = "firmware"  # the firmware's first question: a new power-on, or the same one asking again
    LOADER = "loader"  # iPXE's first question: follows the firmware's, or starts a boot where iPXE is the ROM
    PART = "part"  # belongs to a boot that has begun
    SYSTEM = "system"  # the operating system's own: never starts a boot


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen, when, of whom. The MAC is empty where only the address is known."""

    at: datetime
    stage: str
    kind: str
    detail: str
    sign: Sign
    mac: str = ""
    address: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def moment(epoch_seconds: float) -> datetime:
    """A log's time of day."""
    return datetime.fromtimestamp(epoch_seconds, UTC)
