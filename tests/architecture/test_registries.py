"""The house's rules, held by asking the running code: every route's auth, every task's limits."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin

from netboot_site.api import api
from netboot_site.celery import app as celery_app

OPEN_ROUTES = {"/health", "/api/v1/boot/check-in"}


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    schema = api.get_openapi_schema()
    return [
        (path, verb, operation)
        for path, verbs in schema["paths"].items()
        for verb, operation in verbs.items()
    ]


def test_every_route_but_the_open_ones_asks_who_calls() -> None:
    open_routes = {path for path, _, operation in _operations() if not operation.get("security")}
    assert open_routes <= OPEN_ROUTES


def test_every_route_says_what_it_does() -> None:
    silent = [f"{verb} {path}" for path, verb, operation in _operations() if not operation.get("description")]
    assert silent == []


def test_every_task_ends_before_its_message_is_handed_out_again() -> None:
    celery_app.loader.import_default_modules()
    ours = {name: task for name, task in celery_app.tasks.items() if not name.startswith("celery.")}
    assert ours
    longest = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    for name, task in ours.items():
        assert task.time_limit, f"{name} has no time limit"
        assert task.soft_time_limit < task.time_limit < longest, name


@pytest.mark.parametrize("label", ["netboot_site", "devices", "images", "bootflow"])
def test_every_model_is_in_the_admin(label: str) -> None:
    models = apps.get_app_config(label).get_models()
    assert [m.__name__ for m in models if not admin.site.is_registered(m)] == []
