"""Marks of a boot's stages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bootflow.models import Boot, Outcome, Stage
from bootflow.timeline import marks_of

START = datetime(2026, 2, 14, 8, 0, tzinfo=UTC)


def firsts(**seconds: float) -> dict[str, datetime]:
    return {stage: START + timedelta(seconds=after) for stage, after in seconds.items()}


def boot(stage: Stage, outcome: str = "") -> Boot:
    ended = START + timedelta(seconds=60) if outcome else None
    return Boot(mac="52:54:00:00:00:01", started_at=START, stage=stage, outcome=outcome, finished_at=ended)


def statuses(*args: object) -> list[str]:
    return [mark.status for mark in marks_of(*args)]  # type: ignore[arg-type]


def test_a_boot_in_progress_has_stages_behind_it_one_now_and_some_ahead() -> None:
    seen = firsts(dhcp=0, tftp=4, script=9)
    assert statuses(boot(Stage.SCRIPT), seen) == ["done", "done", "now", "ahead", "ahead"]


def test_a_failed_boot_shows_where_it_stopped() -> None:
    assert statuses(boot(Stage.TFTP, Outcome.FAILED), firsts(dhcp=0, tftp=4)) == [
        "done", "failed", "skipped", "skipped", "skipped",
    ]  # fmt: skip


def test_a_stage_that_was_left_out_is_told_from_one_that_was_passed() -> None:
    assert statuses(boot(Stage.SCRIPT), firsts(dhcp=0, script=5))[:3] == ["done", "skipped", "now"]


def test_a_stage_that_only_some_boots_have_is_shown_where_it_applies() -> None:
    labels = [mark.label for mark in marks_of(boot(Stage.INSTALLER), firsts(dhcp=0, installer=20))]
    assert labels == ["DHCP", "TFTP", "Script", "Installer", "iSCSI", "OS"]


def test_a_pi_has_firmware_a_kernel_and_a_check_in_where_a_pc_has_a_loader_and_a_script() -> None:
    labels = [mark.label for mark in marks_of(boot(Stage.TFTP), firsts(dhcp=0, firmware=3, tftp=4))]
    assert labels == ["DHCP", "Firmware", "Kernel", "Check-in", "iSCSI", "OS"]


def test_a_pi_is_known_by_its_address_before_it_fetched_anything() -> None:
    row = boot(Stage.DHCP)
    row.mac = "dc:a6:32:00:00:01"
    assert [mark.label for mark in marks_of(row, firsts(dhcp=0))][1:3] == ["Firmware", "Kernel"]
