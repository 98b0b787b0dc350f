"""What the REST API takes as a body: one JSON object that can be read in one way only."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser

from netboot_site.errors import ValidationError


class ObjectParser(Parser):
    """Stricter than Python's: it would take any document, NaN, and the last of two equal keys."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The body's object. Raises ValidationError."""
        try:
            body = json.loads(request.body, object_pairs_hook=_object, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ValidationError("This body is nested too deeply.") from error
        except ValueError as error:
            raise ValidationError(f"This body is no JSON: {error}.") from error
        if not isinstance(body, dict):
            raise ValidationError('This body is no JSON object; write it like {"name": "value"}.')
        return body


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259, section 4: what two equal names mean is left open, so neither is believed."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValidationError(f"This body names {name[:100]!r} twice.")
        found[name] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValidationError(f"{name} is no number of JSON.")
