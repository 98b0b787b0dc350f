"""Who may change things: the one rule that pages and the REST API share."""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

View = Callable[..., HttpResponse]


def may_write(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Staff are operators and may change things; every other account only looks."""
    return bool(getattr(user, "is_staff", False))


def operator_required(view: View) -> View:
    """A page that only operators may see or send: everybody else gets a 403."""

    @functools.wraps(view)
    def checked(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        require_operator(request)
        return view(request, *args, **kwargs)

    return checked


def require_operator(request: HttpRequest) -> None:
    """Raise PermissionDenied unless an operator asks."""
    if not may_write(request.user):
        raise PermissionDenied("Your account may look, and not change anything.")
