"""What the rows say after a round."""

from __future__ import annotations

import pytest

from images.convergence.facts import Desired
from images.convergence.verdict import judge
from images.models import ExportState, ImageState
from images.ports import Login
from tests.images.test_plan import ACCESS, OTHER, PORTAL, PREFIX, right, wanted, world


def test_a_disk_that_is_there_as_it_should_be_is_ready() -> None:
    want = wanted()
    verdict = judge(want, Desired(PREFIX, PORTAL, (want,)), world(right(want)), {}, "")
    assert (verdict.state, verdict.export_state, verdict.export_error) == (
        ImageState.READY, ExportState.READY, "",
    )  # fmt: skip


def test_a_disk_whose_content_is_being_uploaded_is_not_booted() -> None:
    want = wanted(state=ImageState.IMPORTING)
    verdict = judge(want, Desired(PREFIX, PORTAL, (want,)), world(right(want)), {}, "")
    assert verdict.state == ImageState.IMPORTING
    assert (verdict.export_state, verdict.export_error) == (
        ExportState.PENDING, "Its content is being uploaded.",
    )  # fmt: skip


@pytest.mark.parametrize("error", ["No room is left on the storage node.", "tgtd refused"])
def test_what_went_wrong_with_a_disk_keeps_it_from_being_booted(error: str) -> None:
    want = wanted()
    verdict = judge(want, Desired(PREFIX, PORTAL, (want,)), world(right(want)), {"disk1": error}, "")
    assert (verdict.error, verdict.export_state, verdict.export_error) == (error, ExportState.PENDING, error)


def test_a_disk_that_goes_to_another_device_says_whom_it_waits_for() -> None:
    want = wanted(access=OTHER)
    held = right(wanted(), logins=(Login("1", ACCESS.initiator_name),))
    desired = Desired(PREFIX, PORTAL, (want, wanted("disk10", access=ACCESS)))
    verdict = judge(want, desired, world(held), {}, "")
    assert (verdict.export_state, verdict.export_error) == (
        ExportState.WAITING, "waiting for lab1-07 to log out",
    )  # fmt: skip
