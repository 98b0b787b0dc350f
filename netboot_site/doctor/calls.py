"""GET /api/v1/doctor."""

from __future__ import annotations

from django.http import HttpRequest

from netboot_site.doctor.doctor import local_doctor
from netboot_site.doctor.told import DoctorOut, doctor_out
from netboot_site.errors import UnavailableError


def show_doctor(request: HttpRequest) -> DoctorOut:
    """What is wrong, why it matters and which command mends it: an examination of this minute."""
    report = local_doctor.fresh()
    if report is None:
        raise UnavailableError("The doctor has not come to an end yet; ask again in a moment.")
    return doctor_out(report)
