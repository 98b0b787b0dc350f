"""Answers compared with their promise, field by field; what differs is told in words."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from tests.conftest import Api

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


def is_time(value: Any) -> bool:
    """ISO 8601, in UTC."""
    return (
        isinstance(value, str)
        and UTC_TIME.fullmatch(value) is not None
        and datetime.fromisoformat(value).utcoffset() == timedelta(0)
    )


def is_a(value: Any, promised: Any) -> bool:
    """Whether a value is of a promised kind: a type, `"time"`, None, or a tuple of them."""
    if isinstance(promised, tuple):
        return any(is_a(value, one) for one in promised)
    if promised == "time":
        return is_time(value)
    if promised is None or isinstance(value, bool):
        return value is None or promised is bool
    return isinstance(value, promised)


def differences(shown: dict[str, Any], promise: dict[str, Any]) -> dict[str, Any]:
    """The promised fields that are missing or of another kind, with what stands there instead."""
    return {
        name: shown.get(name, "missing")
        for name, promised in promise.items()
        if name not in shown or not is_a(shown[name], promised)
    }


def complaint(answer: HttpResponse, *statuses: int) -> str | None:
    """What is wrong with a refusal; None if it is as promised."""
    text = answer.content.decode()
    if answer.status_code not in statuses:
        return f"{answer.status_code} {text[:200]}"
    if not answer["Content-Type"].startswith("application/json"):
        return f"{answer['Content-Type']}: {text[:200]}"
    if any(
        sign in text for sign in (str(settings.DATA_PATH), str(settings.IMAGES_PATH), "Traceback", 'File "')
    ):
        return f"tells of the server's inside: {text[:300]}"
    return _detail_complaint(answer.json()["detail"])


def _detail_complaint(detail: Any) -> str | None:
    if isinstance(detail, str):
        return None if len(detail.split()) >= 2 else f"no sentence: {detail!r}"
    whole = isinstance(detail, list) and detail and all({"type", "loc", "msg"} <= set(one) for one in detail)
    return None if whole else f"neither a sentence nor a list of type, loc, msg: {detail!r}"


def ask(
    api: Api, method: str, path: str, data: bytes, content_type: str = "application/json"
) -> HttpResponse:
    """Send any bytes as the body; a 500 is an answer and no exception."""
    from django.test import Client

    headers = {"Authorization": f"Bearer {api.token}"}
    client = Client(raise_request_exception=False)
    return client.generic(method, path, data, content_type=content_type, headers=headers)
