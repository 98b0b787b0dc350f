"""Django admin: every model is there, and none of it goes round the services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group as Rights
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bootflow.models import BootNetwork, LogPosition, PiMacPrefix
from images.models import Export
from netboot_site.auth import create_token
from netboot_site.models import HostFacts
from tests.browser.believable import fill

# What may be done there: add, change, delete. Everything else is looked at. Accounts are superusers' alone.
RIGHTS = {
    "devices.Group": "acd", "devices.Device": "c", "bootflow.KernelSet": "acd", "bootflow.Installer": "acd",
    "bootflow.PiMacPrefix": "acd",  # of one that is there nothing is changed
}  # fmt: skip
ACCOUNTS = {
    "auth.User": "vacd", "auth.Group": "vacd", "netboot_site.ApiToken": "vacd", "axes.AccessAttempt": "vd",
    **dict.fromkeys(
        ["axes.AccessAttemptExpiration", "axes.AccessLog", "axes.AccessFailureLog", "sessions.Session",
         "admin.LogEntry", "auth.Permission", "contenttypes.ContentType"], "v",
    ),
}  # fmt: skip
SECRET = "Secret4711Secret"
NOT_FROM_US = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>|\sstyle=[\"']|\son\w+=[\"']")


def address(label: str, page: str, *args: object) -> str:
    return reverse(f"admin:{label.lower().replace('.', '_')}_{page}", args=args)


def rights_of(model: type[models.Model], user: User) -> str:
    request, shown = RequestFactory().get("/"), admin.site.get_model_admin(model)
    request.user = user
    words = {"view": "v", "add": "a", "change": "c", "delete": "d"}
    return "".join(sign for word, sign in words.items() if getattr(shown, f"has_{word}_permission")(request))


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss", password="correct horse")


@pytest.fixture
def client(client: Client, boss: User) -> Client:
    client.force_login(boss)
    return client


def test_every_model_is_there_and_allows_what_is_listed_and_no_more(boss: User) -> None:
    operator = User.objects.create_user("operator", is_staff=True)
    wrong = {}
    for model in apps.get_models():
        label = model._meta.label
        assert admin.site.is_registered(model), label
        wanted = ACCOUNTS.get(label) or f"v{RIGHTS.get(label, '')}"
        told = rights_of(model, boss), rights_of(model, operator)
        if told != (wanted, "" if label in ACCOUNTS else wanted):
            wrong[label] = told
    assert wrong == {}


def _more_rows() -> None:
    """Of what a believable lab has none."""
    now = timezone.now()
    for number in (1, 2):
        user = User.objects.create_user(f"teacher-{number}")
        create_token(user=user, name=f"backup {number}", scope="read")
        Client().force_login(user)
        kind = ContentType.objects.get_for_model(User)
        LogEntry.objects.create(user=user, content_type=kind, object_id="1", object_repr="x", action_flag=1)
        Rights.objects.create(name=f"rights {number}")
        for label in ("AccessAttempt", "AccessLog", "AccessFailureLog"):
            extra = {"failures_since_start": 1} if label == "AccessAttempt" else {}
            apps.get_model("axes", label).objects.create(
                username=user.username, ip_address="10.0.0.1", **extra
            )
        HostFacts.objects.create(name=f"worker {number}", observed_at=now)
        PiMacPrefix.objects.create(prefix=f"aabbc{number}")
        LogPosition.objects.create(source=f"log {number}", inode=1, offset=1)
        BootNetwork.objects.create(
            interface=f"eth{number}", address=f"10.{number}.0.1", prefix_length=24,
            first_address=f"10.{number}.0.10", last_address=f"10.{number}.0.20",
        )  # fmt: skip
    Export.objects.update(chap_secret=SECRET)


def _lists(label: str) -> Iterator[tuple[str, dict[str, str]]]:
    yield "list", {}
    if admin.site.get_model_admin(apps.get_model(label)).search_fields:
        yield "search", {"q": "lab"}


def _queries(client: Client, label: str, rows: int) -> int:
    shown = admin.site.get_model_admin(apps.get_model(label))
    shown.list_per_page, before = rows, shown.list_per_page
    try:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            client.get(address(label, "changelist"))
    finally:
        shown.list_per_page = before
    return len(seen)


def _troubles(client: Client, label: str) -> Iterator[str]:
    """What is wrong with a model's pages."""
    listed = address(label, "changelist")
    for name, query in _lists(label):
        page = client.get(listed, query)
        if page.status_code != 200:
            yield f"{name}: {page.status_code}"
    found = client.get(listed).context_data["cl"]  # type: ignore[attr-defined]
    for spec in found.filter_specs:
        choices = list(spec.choices(found))
        if client.get(listed + choices[-1]["query_string"]).status_code != 200:
            yield f"filter {spec.title}"
    if _queries(client, label, 1) != _queries(client, label, 100):
        yield "more queries for more rows"
    yield from _troubles_of_rows(client, label)


def _troubles_of_rows(client: Client, label: str) -> Iterator[str]:
    row = apps.get_model(label)._default_manager.first()
    paths = [address(label, "changelist")]
    if row is not None and label != "sessions.Session":
        paths += [address(label, "change", row.pk), address(label, "history", row.pk)]
    for path in paths:
        page = client.get(path)
        text = page.content.decode()
        if page.status_code != 200:
            yield f"{path}: {page.status_code}"
        if NOT_FROM_US.search(text):
            yield f"{path}: {NOT_FROM_US.search(text)} is stopped by our policy"
        if SECRET in text:
            yield f"{path}: shows a disk's password"


def test_each_model_is_listed_searched_filtered_and_opened_at_a_fixed_cost(client: Client) -> None:
    fill()
    _more_rows()
    labels = [model._meta.label for model in apps.get_models()]
    wrong = {label: found for label in labels if (found := list(_troubles(client, label)))}
    assert wrong == {}


def test_nothing_is_deleted_in_bulk(client: Client) -> None:
    labels = [model._meta.label for model in apps.get_models()]
    for label in labels:
        page = client.get(address(label, "changelist"))
        assert b"delete_selected" not in page.content, label
    keys = [user.pk for user in User.objects.all()]
    sent = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
    client.post(address("auth.User", "changelist"), sent)
    assert User.objects.count() == len(keys)


def test_a_sessions_key_is_shown_nowhere(client: Client, boss: User) -> None:
    key = Session.objects.get().pk
    page = client.get(address("sessions.Session", "changelist"))
    assert b"boss" in page.content
    assert key.encode() not in page.content
    assert client.get(address("sessions.Session", "change", key)).status_code == 404


def test_an_address_of_a_storage_node_gives_no_warning(
    client: Client, recwarn: pytest.WarningsRecorder
) -> None:
    node = apps.get_model("images.StorageNode")._default_manager.create(name="n1", content_url="http://h/")
    page = client.get(address("images.StorageNode", "change", node.pk))
    assert b"http://h/" in page.content
    assert [str(one.message) for one in recwarn if "RemovedIn" in one.category.__name__] == []


def test_a_row_leads_to_its_page_and_to_its_rows(client: Client, boss: User) -> None:
    device = apps.get_model("devices.Device")._default_manager.create(
        mac="52:54:00:00:00:01", device_type="x64", name="pc"
    )
    page = client.get(address("devices.Device", "change", device.pk)).content.decode()
    for path in (
        "/devices/52:54:00:00:00:01/",
        "/admin/bootflow/boot/?q=52%3A54%3A00%3A00%3A00%3A01",
        f"/admin/images/export/?device__id__exact={device.pk}",
    ):
        assert f'href="{path}"' in page, path
        assert client.get(path).status_code == 200, path


def test_the_admin_has_no_sign_in_page_of_its_own(db: None) -> None:
    client: Any = Client()
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].startswith("/login/?next=%2Fadmin%2F")
    assert client.get("/admin/login/?next=/admin/")["Location"] == "/login/?next=/admin/"


def test_a_viewer_is_not_let_in(viewer_client: Client) -> None:
    assert viewer_client.get("/admin/").status_code in {302, 403}
    assert viewer_client.get(address("devices.Device", "changelist")).status_code in {302, 403}
