"""When an overlay is made anew, by whom it is asked for, and what is never thrown away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from images import services
from images.convergence.facts import Following
from images.convergence.refresh import REQUEST_LIFE, Verdict, decide
from images.models import Export, Layer
from tests.images.fakes import FakeTargetServer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ASKED = NOW - timedelta(seconds=1)
LONG_AGO = NOW - REQUEST_LIFE - timedelta(seconds=1)


def following(
    persistence: str = "reset", *, base: int = 1, asked: datetime | None = None, handed_out: bool = False
) -> Following:
    return Following(7, persistence, "latest", None, base, asked, handed_out)


@pytest.mark.parametrize(
    ("case", "followed", "used", "in_use", "expected"),
    [
        (following(asked=ASKED), 1, True, False, Verdict(version=1)),
        (following(asked=ASKED, handed_out=True), 1, False, False, Verdict(version=1)),
        (following(asked=ASKED), 1, False, False, Verdict(drop_request=True)),
        (following(asked=ASKED), 1, True, True, Verdict()),
        (following(asked=LONG_AGO), 1, True, False, Verdict(drop_request=True)),
        (following(), 1, True, False, Verdict()),
        (following("keep", asked=ASKED), 1, True, False, Verdict(drop_request=True)),
        (following("keep", asked=ASKED), 2, True, False, Verdict(version=2)),
        (following("keep"), 2, True, False, Verdict(stale=True)),
        (following("keep"), 2, False, False, Verdict(version=2)),
        (following("keep", handed_out=True), 2, False, False, Verdict(stale=True)),
        (following("keep"), 2, False, True, Verdict(stale=True)),
        (following("keep"), None, False, False, Verdict()),
        (following(asked=ASKED), None, True, False, Verdict(version=1)),
    ],
)
def test_an_overlay_is_made_anew_when_that_was_asked_for_or_costs_nothing(
    case: Following, followed: int | None, used: bool, in_use: bool, expected: Verdict
) -> None:
    assert decide(case, followed, NOW, used=used, in_use=in_use) == expected


@pytest.fixture
def ready(overlay: Export, converge: Callable[[], None]) -> Export:
    """Its files are there, too."""
    Layer.objects.update(state="creating", observed_frozen_at=None)
    converge()
    converge()
    return Export.objects.select_related("image", "device", "layer").get(pk=overlay.pk)


def now(export: Export) -> Export:
    return Export.objects.select_related("image", "device", "layer").get(pk=export.pk)


def test_an_unused_overlay_moves_to_a_new_version_by_itself(
    ready: Export, converge: Callable[[], None]
) -> None:
    second = services.publish_version(image=ready.image)
    converge()
    converge()
    layer = now(ready).layer
    assert layer is not None
    assert layer.base_version_id == second.pk
    assert (now(ready).observed_state, now(ready).observed_stale) == ("ready", False)


def test_a_used_overlay_is_stale_until_its_machine_boots_and_its_changes_are_kept_aside(
    ready: Export, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    server.log_in(ready.iqn, ready.initiator_name)
    converge()
    second = services.publish_version(image=ready.image)
    server.log_out(ready.iqn)
    converge()
    converge()
    assert (now(ready).layer_id, now(ready).observed_stale) == (ready.layer_id, True)
    Export.objects.update(refresh_requested_at=timezone.now())
    converge()
    layer = now(ready).layer
    assert layer is not None
    assert layer.base_version_id == second.pk
    kept = Layer.objects.get(pk=ready.layer_id)
    assert (kept.state, kept.device_id) == ("ready", ready.device_id)


def test_a_login_marks_the_layer_that_it_can_write_to(
    ready: Export, converge: Callable[[], None], server: FakeTargetServer
) -> None:
    server.log_in(ready.iqn, ready.initiator_name)
    converge()
    assert [layer.pk for layer in Layer.objects.exclude(used_at=None)] == [ready.layer_id]
