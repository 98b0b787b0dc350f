"""Who may call the REST API: a bearer token, or a signed-in session with its CSRF token."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser, User
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import HttpError
from ninja.security import HttpBearer, SessionAuth

from netboot_site.models import ApiToken
from netboot_site.roles import may_write

TOKEN_BYTES = 32
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_LAST_USED_STEP = timedelta(minutes=1)  # a row is not rewritten at each request


def token_digest(token: str) -> str:
    """SHA-256 of a token; tokens are long random strings, so no salt and no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_token(*, user: User, name: str, scope: str, token: str = "") -> tuple[ApiToken, str]:
    """Create a token for a person and return its row and its text, which is shown this once."""
    text = token or secrets.token_urlsafe(TOKEN_BYTES)
    row = ApiToken.objects.create(
        user=user, name=name, scope=scope, prefix=text[:4], digest=token_digest(text)
    )
    return row, text


def _refuse_writing(request: HttpRequest) -> None:
    if request.method not in _READING:
        raise HttpError(403, "This account or token may only read.")


class TokenAuth(HttpBearer):
    """`Authorization: Bearer TOKEN`."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        """The live token of an active person; a read-only one is refused (403) for anything but reading."""
        row = (
            ApiToken.objects.select_related("user")
            .filter(digest=token_digest(token), revoked_at=None, user__is_active=True)
            .first()
        )
        if row is None:
            return None
        if row.scope != ApiToken.Scope.FULL or not may_write(row.user):
            _refuse_writing(request)
        self._note_use(row)
        request.user = row.user
        return row

    @staticmethod
    def _note_use(row: ApiToken) -> None:
        now = timezone.now()
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _LAST_USED_STEP)
        if row.last_used_at is None or row.last_used_at < now - _LAST_USED_STEP:
            ApiToken.objects.filter(stale, pk=row.pk).update(last_used_at=now)


class SignedInAuth(SessionAuth):
    """The browser's session; writing needs the CSRF token and an operator's account."""

    def _get_key(self, request: HttpRequest) -> str | None:
        """Whoever has no session is a stranger (401), not a forged request (403)."""
        return super()._get_key(request) if self.param_name in request.COOKIES else None

    def authenticate(self, request: HttpRequest, key: str | None) -> AbstractBaseUser | None:
        """The signed-in person, or None."""
        if not request.user.is_authenticated:
            return None
        if not may_write(request.user):
            _refuse_writing(request)
        return request.user


API_AUTH = [TokenAuth(), SignedInAuth()]
