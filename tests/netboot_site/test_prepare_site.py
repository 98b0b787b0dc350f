"""`manage.py prepare_site`: the first administrator, the token, the storage node; safe to run again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from images.models import StorageNode
from netboot_site.heartbeat import beat
from netboot_site.management.commands.prepare_site import ensure_administrator, ensure_token
from netboot_site.models import ApiToken, Heartbeat
from tests.conftest import Api

pytestmark = pytest.mark.django_db
TOKEN = "a token that was chosen by a person"


@pytest.fixture
def site(settings: Any, tmp_path: Path) -> Any:
    settings.STATIC_ROOT = tmp_path
    settings.ADMIN_USERNAME, settings.ADMIN_PASSWORD = "boss", "correct horse"
    settings.ADMIN_API_TOKEN = TOKEN
    return settings


def prepare() -> str:
    said = io.StringIO()
    call_command("prepare_site", stdout=said)
    return said.getvalue()


def test_the_first_start_makes_an_administrator_a_token_and_the_node(site: Any) -> None:
    assert prepare() == "administrator created\n"
    boss = User.objects.get()
    assert (boss.username, boss.is_superuser, boss.check_password("correct horse")) == ("boss", True, True)
    assert Api(TOKEN).get("/api/v1/devices").status_code == 200
    assert StorageNode.objects.get().portal_address == site.BOOT_ADDRESS
    assert any(site.STATIC_ROOT.iterdir()), "no static files were collected"


def test_the_second_start_changes_nobodys_password_and_makes_nothing_twice(site: Any) -> None:
    prepare()
    site.ADMIN_PASSWORD, site.BOOT_ADDRESS = "another one", "10.66.0.77"
    assert prepare() == ""
    assert User.objects.get().check_password("correct horse")
    assert ApiToken.objects.count() == 1
    assert StorageNode.objects.get().portal_address == "10.66.0.77", "devices would log in at the old address"


def test_heartbeats_of_an_earlier_run_are_forgotten_and_other_hosts_keep_theirs(site: Any) -> None:
    for name in ("control", "recorder", "dnsmasq", f"storage.{site.STORAGE_NODE}", "storage.other"):
        beat(name)
    prepare()
    assert [row.name for row in Heartbeat.objects.all()] == ["storage.other"]


@pytest.mark.parametrize(
    ("there", "superuser", "password"),
    [("boss", True, "x"), ("boss", False, "x"), ("other", True, "x"), ("", False, "")],
)
def test_no_administrator_is_made_beside_one_that_is_there(
    there: str, superuser: bool, password: str
) -> None:
    if there:
        User.objects.create_user(there, password="kept", is_superuser=superuser)
    before = list(User.objects.values_list("username", "password", "is_superuser"))
    assert ensure_administrator("boss", password) is False
    assert list(User.objects.values_list("username", "password", "is_superuser")) == before


def test_a_revoked_token_stays_revoked_though_the_environment_still_has_it(operator: User) -> None:
    ensure_token("operator", TOKEN)
    ApiToken.objects.update(revoked_at=timezone.now())
    ensure_token("operator", TOKEN)
    assert Api(TOKEN).get("/api/v1/devices").status_code == 401


def test_the_token_belongs_to_the_eldest_administrator_where_the_named_one_is_gone(operator: User) -> None:
    User.objects.create_superuser("younger")
    ensure_token("nobody", TOKEN)
    assert ApiToken.objects.get().user == operator
