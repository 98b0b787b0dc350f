"""The files that a Pi's firmware fetched in a boot, as the page draws them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bootflow.fetched import Fetches, fetches_of
from bootflow.models import Boot, BootEvent, Stage

START = datetime(2026, 2, 14, 8, 0, tzinfo=UTC)
BOOT = Boot(mac="dc:a6:32:00:00:01", started_at=START, last_event_at=START, stage=Stage.FIRMWARE)


def event(
    after: float, file: str, kind: str = "file", stage: str = Stage.FIRMWARE, **facts: Any
) -> BootEvent:
    facts = {"file": file, **facts} if file else facts
    return BootEvent(
        stage=stage, kind=kind, at=START + timedelta(seconds=after), detail=f"about {file}", facts=facts
    )


def drawn(*events: BootEvent) -> Fetches:
    found = fetches_of(BOOT, events)
    assert found is not None
    return found


def test_a_pc_that_fetches_its_loader_has_no_list_of_firmware() -> None:
    assert fetches_of(BOOT, [event(1, "snponly.efi", stage=Stage.TFTP)]) is None


def test_files_are_listed_without_the_pis_own_folder() -> None:
    found = drawn(event(1, "bootcode.bin"), event(2, "9ffefdef/start.elf"), event(3, "9ffefdef/config.txt"))
    assert found.folder == "9ffefdef/"
    assert [row.file for row in found.files] == ["bootcode.bin", "start.elf", "config.txt"]


def test_a_pi_that_took_the_common_files_has_no_folder_of_its_own() -> None:
    found = drawn(
        event(1, "9ffefdef/start4.elf", "file-probed", absent=True), event(2, "start4.elf"),
        event(3, "overlays/vc4.dtbo"), event(4, "overlays/dwc2.dtbo"),
    )  # fmt: skip
    assert found.folder == ""
    assert [row.file for row in found.files] == ["start4.elf", "overlays/vc4.dtbo", "overlays/dwc2.dtbo"]
    assert found.absent == ["9ffefdef/start4.elf"]


def test_a_folder_by_mac_address_is_left_out_too() -> None:
    assert drawn(event(1, "dc-a6-32-00-00-01/config.txt")).files[0].file == "config.txt"


def test_a_file_began_before_it_had_been_sent() -> None:
    row = drawn(event(2.5, "start4.elf", bytes=2_000_000, seconds=0.5)).files[0]
    assert (row.after_seconds, row.lasted_seconds, row.size_bytes) == (2.0, 0.5, 2_000_000)
    assert (row.left, row.width) == (0, 100)


def test_what_is_rightly_not_there_is_named_once_and_stands_in_no_row() -> None:
    found = drawn(
        event(1, "9ffefdef/config.txt"), event(2, "9ffefdef/recovery.elf", "file-probed", absent=True),
        event(3, "9ffefdef/recovery.elf", "file-probed", absent=True),
        event(4, "bootsig.bin", "file-probed", absent=True),
    )  # fmt: skip
    assert found.absent == ["bootsig.bin", "recovery.elf"]
    assert [row.file for row in found.files] == ["config.txt"]


def test_a_file_that_was_only_looked_at_before_it_was_read_is_one_row() -> None:
    found = drawn(
        event(1, "9ffefdef/kernel8.img", "file-probed"), event(2, "9ffefdef/kernel8.img", bytes=9, count=2)
    )
    assert [(row.file, row.count) for row in found.files] == [("kernel8.img", 2)]
    assert found.absent == []


def test_a_file_that_should_be_there_and_is_not_is_a_failed_row() -> None:
    row = drawn(event(1, "9ffefdef/start4.elf", "file-missing")).files[0]
    assert (row.status, row.detail) == ("failed", "about 9ffefdef/start4.elf")
    assert row.lasted_seconds is None


def test_all_files_together_have_a_size_and_a_time() -> None:
    found = drawn(
        event(1, "9ffefdef/start4.elf", bytes=3_000_000, seconds=1.0),
        event(9, "9ffefdef/kernel8.img", stage=Stage.TFTP, bytes=9_000_000, seconds=3.0),
    )
    assert (found.size_bytes, found.lasted_seconds) == (12_000_000, 9.0)


def test_a_transfer_that_names_no_file_is_told_by_its_detail() -> None:
    row = drawn(event(1, "config.txt"), event(2, "", "file-aborted")).files[1]
    assert row.file == "about "


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 60)), min_size=1, max_size=20))
def test_no_bar_leaves_the_drawing(spans: list[tuple[float, float]]) -> None:
    for row in drawn(*[event(at, f"9ffefdef/{at}", seconds=lasted) for at, lasted in spans]).files:
        assert row.left >= 0
        assert row.width > 0
        assert row.left + row.width <= 100.01
