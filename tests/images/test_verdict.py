"""What the rows say after a round."""

from __future__ import annotations

import pytest

from images.convergence.verdict import Seen, judge_door, judge_image
from images.models import ExportState, ImageState
from images.ports import Login
from tests.images.test_plan import ACCESS, OTHER, Case, desired_of, right, wanted, world


def door_verdict(case: Case, seen: Seen) -> tuple[ExportState, str]:
    return judge_door(case.door, case.want, seen)


def test_a_disk_that_is_there_as_it_should_be_is_ready() -> None:
    case = wanted()
    seen = Seen(desired_of(case), world(right(case)))
    assert judge_image(case.want, seen).state == ImageState.READY
    assert door_verdict(case, seen) == (ExportState.READY, "")


def test_a_disk_whose_content_is_being_uploaded_is_not_booted() -> None:
    case = wanted(state=ImageState.IMPORTING)
    seen = Seen(desired_of(case), world(right(case)))
    assert judge_image(case.want, seen).state == ImageState.IMPORTING
    assert door_verdict(case, seen) == (ExportState.PENDING, "Its content is being uploaded.")


@pytest.mark.parametrize("error", ["No room is left on the storage node.", "tgtd refused"])
def test_what_went_wrong_with_a_disk_keeps_it_from_being_booted(error: str) -> None:
    case = wanted()
    seen = Seen(desired_of(case), world(right(case)), {"disk1": error})
    assert judge_image(case.want, seen).error == error
    assert door_verdict(case, seen) == (ExportState.PENDING, error)


def test_a_disk_that_goes_to_another_device_says_whom_it_waits_for() -> None:
    case = wanted(access=OTHER)
    held = right(wanted(), logins=(Login("1", ACCESS.initiator_name),))
    seen = Seen(desired_of(case, wanted("disk10", access=ACCESS)), world(held))
    assert door_verdict(case, seen) == (ExportState.WAITING, "waiting for lab1-07 to log out")
