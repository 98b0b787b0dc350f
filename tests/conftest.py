"""What every test may ask for: people with roles, an API client, devices and images."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.http import HttpResponse
from django.test import Client, override_settings
from hypothesis import settings as hypothesis_settings

from bootflow.models import KernelSet
from netboot_site.auth import create_token
from netboot_site.doctor.doctor import local_doctor
from tests.browser import believable_doctor
from tests.images.tgtd import Namespace, Tgtd

# How long one example takes says nothing where other programs share the processors.
hypothesis_settings.register_profile("netboot", hypothesis_settings(), deadline=None)
hypothesis_settings.load_profile("netboot")


@receiver(post_migrate)
def _rows_of_migrations(app_config: AppConfig, **_: Any) -> None:
    """After a test that commits, every table is emptied; what migrations had put there is put back."""
    if app_config.label == "bootflow":
        KernelSet.objects.get_or_create(name="default", defaults={"is_default": True})


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Django's own hasher takes a third of a second for each person, on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session", autouse=True)
def doctor_at_rest() -> None:
    """A page that any test opens starts no examination of this machine."""
    local_doctor._examine = believable_doctor.examine


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_user("operator", password="correct horse", is_staff=True, is_superuser=True)


@pytest.fixture
def viewer(db: None) -> User:
    return User.objects.create_user("viewer", password="correct horse")


@pytest.fixture
def operator_client(operator: User) -> Client:
    """An operator's browser."""
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def viewer_client(viewer: User) -> Client:
    """A viewer's browser."""
    client = Client()
    client.force_login(viewer)
    return client


@dataclass
class Api:
    """A REST client that speaks JSON with one bearer token."""

    token: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        data = b"" if body is None else json.dumps(body).encode()
        return Client().generic(
            method, path, data, content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}", **headers},
        )  # fmt: skip

    def get(self, path: str) -> HttpResponse:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> HttpResponse:
        return self.call("POST", path, body)

    def put(self, path: str, body: Any = None) -> HttpResponse:
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any = None) -> HttpResponse:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> HttpResponse:
        return self.call("DELETE", path)


@pytest.fixture
def make_api() -> Callable[..., Api]:
    def make(user: User, scope: str = "full") -> Api:
        return Api(create_token(user=user, name="test", scope=scope)[1])

    return make


@pytest.fixture
def api(operator: User, make_api: Callable[..., Api]) -> Api:
    """An operator's client."""
    return make_api(operator)


REAL_PROGRAMS = {
    "real_tgtd": "tgtd",
    "real_qemu_storage": "qemu-storage-daemon",
    "real_dnsmasq": "dnsmasq",
    "qemu": "QEMU",
    "chromium": "Chromium",
}


def real_program_counts(passed: Iterable[pytest.TestReport]) -> str:
    """How many of the passed tests ran with each real program, told by their markers."""
    marks = [report.keywords for report in passed if report.when == "call"]
    counts = {name: sum(mark in keywords for keywords in marks) for mark, name in REAL_PROGRAMS.items()}
    return "Tests with real programs: " + ", ".join(f"{name} {count}" for name, count in counts.items())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(real_program_counts(terminalreporter.stats.get("passed", [])))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is left alone with one of them at the end.

    A worker is told tests by name: of two that share one, only the first would run, and nobody would notice.
    """
    twice = [name for name, count in Counter(item.nodeid for item in items).items() if count > 1]
    if twice:
        raise pytest.UsageError(f"Several tests have the same name: {', '.join(twice)}")
    items.sort(key=lambda item: "system" not in item.path.parts)


@pytest.fixture(scope="session")
def namespace() -> Iterator[Namespace]:
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    made = Namespace()
    yield made
    made.remove()


@pytest.fixture
def tgtd(namespace: Namespace) -> Iterator[Tgtd]:
    daemon = Tgtd(namespace)
    yield daemon
    daemon.remove()


@pytest.fixture(scope="session", autouse=True)
def _plain_static_files() -> Iterator[None]:
    """Pages are tested without collecting static files first; one test collects them for real."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
        yield


def refuse_skip(report: pytest.TestReport) -> None:
    """Where CI=true, a test that is left out has failed: what it would have shown was not shown."""
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, and with CI=true that is a failure: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if os.environ.get("CI") == "true":
        refuse_skip(report)
    return report
