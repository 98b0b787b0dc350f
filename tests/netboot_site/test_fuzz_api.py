"""The REST API under its own schema: whatever is sent, no answer is a 5xx and none leaves the schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core import signals
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation

from netboot_site.auth import create_token
from netboot_site.wsgi import application

# /health answers 503 where no service runs, as in a test: that is its job.
schema = schemathesis.openapi.from_wsgi("/openapi.json", application).exclude(path="/health")
# By ourselves: all tests that schemathesis makes have one name, and a worker is told tests by name.
OPERATIONS = [found.ok() for found in schema.get_all_operations()]
pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """The handler closes its connection around a request, and with it would go the test's transaction."""
    ends = (signals.request_started, signals.request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.fixture
def token(operator: User) -> str:
    return create_token(user=operator, name="fuzz", scope="full")[1]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@given(data=st.data())
@settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_call_makes_the_server_fail(data: st.DataObject, operation: APIOperation, token: str) -> None:
    case = data.draw(operation.as_strategy())
    answer = case.call(headers={"Authorization": f"Bearer {token}"})
    case.validate_response(answer, checks=[not_a_server_error])
