"""A report as the REST API and `manage.py doctor` tell it."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema

from netboot_site.doctor.examination import Report
from netboot_site.doctor.findings import State


class FindingOut(Schema):
    """One thing that was looked at; `why` and `command` are empty where it is good."""

    key: str
    group: str
    title: str
    state: State
    what: str
    why: str
    command: str


class DoctorOut(Schema):
    """An examination: the worst state that was found, how many are in each, and all findings."""

    state: State
    examined_at: datetime
    took_seconds: float
    counts: dict[State, int]
    findings: list[FindingOut]


def doctor_out(report: Report) -> DoctorOut:
    """All of it."""
    return DoctorOut(
        state=report.state,
        examined_at=report.at,
        took_seconds=round(report.seconds, 3),
        counts={state: report.count(state) for state in State},
        findings=[FindingOut.model_validate(finding, from_attributes=True) for finding in report.findings],
    )
