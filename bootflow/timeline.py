"""The stages of a boot as a person sees them: marks on a track. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bootflow.models import Boot, Outcome, Stage
from bootflow.raspberry_pi.identity import is_pi_mac

ORDER = [Stage.DHCP, Stage.FIRMWARE, Stage.TFTP, Stage.SCRIPT, Stage.INSTALLER, Stage.ISCSI, Stage.OS]
ALWAYS = {Stage.DHCP, Stage.TFTP, Stage.SCRIPT, Stage.ISCSI, Stage.OS}  # the others where they apply
SHORT = {Stage.OS: "OS"}
# Of a Pi the firmware is a stage, the kernel and the initramfs come last, and it has no script.
PI_ALWAYS = ALWAYS | {Stage.FIRMWARE}
PI_LABELS = {**SHORT, Stage.TFTP: "Kernel", Stage.SCRIPT: "Check-in"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One stage of a boot: whether it was reached, when, and how it looks."""

    stage: str
    label: str
    status: str  # done, now, failed, skipped, ahead
    after_seconds: float | None


def marks_of(boot: Boot, firsts: Mapping[str, datetime]) -> list[Mark]:
    """The track of a boot, from the time of the first event of each stage."""
    is_pi = is_of_pi(boot, firsts)
    always, labels = (PI_ALWAYS, PI_LABELS) if is_pi else (ALWAYS, SHORT)
    stages = [stage for stage in ORDER if stage in always or stage in firsts]
    return [_mark(boot, stage, firsts, labels.get(stage, stage.label)) for stage in stages]


def is_of_pi(boot: Boot, firsts: Mapping[str, datetime]) -> bool:
    """Whether a Raspberry Pi boots: it fetched firmware, or its address is one of theirs."""
    return Stage.FIRMWARE in firsts or is_pi_mac(boot.mac)


def _mark(boot: Boot, stage: Stage, firsts: Mapping[str, datetime], label: str) -> Mark:
    at = firsts.get(stage)
    after = None if at is None else max(0.0, (at - boot.started_at).total_seconds())
    return Mark(stage, label, _status(boot, stage, reached=at is not None), after)


def _status(boot: Boot, stage: Stage, *, reached: bool) -> str:
    here = ORDER.index(Stage(boot.stage))
    if ORDER.index(stage) < here:
        return "done" if reached else "skipped"
    if ORDER.index(stage) > here:
        return "ahead" if boot.finished_at is None else "skipped"
    if boot.outcome == Outcome.FAILED:
        return "failed"
    return "now" if boot.finished_at is None and stage != Stage.OS else "done"
