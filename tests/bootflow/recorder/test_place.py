"""Which boot a sighting belongs to: power-on by power-on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.models import Stage
from bootflow.recorder.place import STAGE_ORDER, OpenBoot, Place, place
from bootflow.recorder.sighting import Sighting, Sign, moment
from tests.bootflow.recorder.lines import START

AT = moment(START)


def sighting(sign: Sign, after: float = 0, stage: str = "dhcp") -> Sighting:
    return Sighting(AT + timedelta(seconds=after), stage, "x", "x", sign)


def open_boot(stage: str, scripted: float | None = None) -> OpenBoot:
    """Last heard of at AT; `scripted` seconds after that, its script was asked for."""
    return OpenBoot(stage, AT, None if scripted is None else AT + timedelta(seconds=scripted))


PLACES: dict[str, tuple[OpenBoot | None, Sighting, Place]] = {
    "firmware, no boot": (None, sighting(Sign.FIRMWARE), Place.START),
    "loader, no boot": (None, sighting(Sign.LOADER), Place.START),
    "a TFTP file, no boot": (None, sighting(Sign.PART, stage="tftp"), Place.START),
    "a file over HTTP, no boot": (None, sighting(Sign.PART, stage="installer"), Place.IGNORE),
    "system, no boot": (None, sighting(Sign.SYSTEM), Place.IGNORE),
    "firmware asks again": (open_boot("dhcp"), sighting(Sign.FIRMWARE, 60), Place.JOIN),
    "firmware after a minute": (open_boot("dhcp"), sighting(Sign.FIRMWARE, 60.001), Place.START),
    "firmware after a minute, loader fetched": (
        open_boot("tftp"), sighting(Sign.FIRMWARE, 60.001), Place.START,
    ),
    "iPXE after its firmware": (open_boot("dhcp"), sighting(Sign.LOADER, 60), Place.JOIN),
    "iPXE as ROM after a minute": (open_boot("dhcp"), sighting(Sign.LOADER, 60.001), Place.START),
    "iPXE after its slow loader": (open_boot("tftp"), sighting(Sign.LOADER, 300), Place.JOIN),
    "iPXE too long after its loader": (open_boot("tftp"), sighting(Sign.LOADER, 300.001), Place.START),
    "firmware after the script": (open_boot("script", 0), sighting(Sign.FIRMWARE, 0.001), Place.START),
    "iPXE after the script": (open_boot("script", 0), sighting(Sign.LOADER, 0.001), Place.START),
    "firmware that we read late": (open_boot("script", 0), sighting(Sign.FIRMWARE, -300), Place.JOIN),
    "firmware of an older power-on": (
        open_boot("script", 0), sighting(Sign.FIRMWARE, -300.001), Place.START,
    ),
    "firmware after the disk": (open_boot("iscsi"), sighting(Sign.FIRMWARE, 1), Place.START),
    "firmware after an installer": (open_boot("installer"), sighting(Sign.FIRMWARE, 1), Place.START),
    "a part, whenever": (open_boot("os", 0), sighting(Sign.PART, 9999), Place.JOIN),
    "a file of the installer": (open_boot("script"), sighting(Sign.PART, 9, "installer"), Place.JOIN),
    "system before its disk": (open_boot("script", 0), sighting(Sign.SYSTEM, 5), Place.IGNORE),
    "system after its disk": (open_boot("iscsi", 0), sighting(Sign.SYSTEM, 5), Place.JOIN),
    "system of an installer": (open_boot("installer", 0), sighting(Sign.SYSTEM, 5), Place.JOIN),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_a_sighting_has_its_place(name: str) -> None:
    boot, one, where = PLACES[name]
    assert place(boot, one) is where


boots = st.builds(
    lambda stage, scripted: open_boot(stage, scripted),
    st.sampled_from(Stage.values), st.none() | st.floats(-1000, 1000),
)  # fmt: skip


@given(st.none() | boots, st.floats(-5000, 5000), st.sampled_from(Stage.values))
def test_an_operating_system_never_starts_a_boot(boot: OpenBoot | None, after: float, stage: str) -> None:
    assert place(boot, sighting(Sign.SYSTEM, after, stage)) is not Place.START


@given(boots, st.floats(-5000, 5000), st.sampled_from(Stage.values))
def test_a_part_never_ends_a_boot(boot: OpenBoot, after: float, stage: str) -> None:
    assert place(boot, sighting(Sign.PART, after, stage)) is Place.JOIN


def test_the_stages_are_in_the_order_of_a_boot() -> None:
    order = ["dhcp", "firmware", "tftp", "script", "installer", "iscsi", "os"]
    assert sorted(STAGE_ORDER, key=lambda stage: STAGE_ORDER[stage]) == order
