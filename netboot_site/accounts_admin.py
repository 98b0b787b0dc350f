"""Django admin of accounts: people, who signed in, who is locked out. For superusers alone.

One active superuser always stays: without one, nobody could let anybody in any more.
"""

from __future__ import annotations

from typing import Any

from axes.admin import AccessAttemptAdmin
from axes.models import AccessAttempt, AccessAttemptExpiration, AccessFailureLog, AccessLog
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from netboot_site.guarded import ReadOnlyAdmin, links, rows_link
from netboot_site.locks import wait_for_turn
from netboot_site.models import ApiToken, Change

LAST = "This is the last active superuser, and one has to stay: make another one first."


def is_last_superuser(user: Any) -> bool:
    """Whether nobody else could manage accounts."""
    if not (user and user.pk):
        return False
    able = User.objects.filter(is_active=True, is_superuser=True, is_staff=True)
    return able.filter(pk=user.pk).exists() and not able.exclude(pk=user.pk).exists()


class SuperuserOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that let people in: no permission but a superuser's opens them."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers only."""
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers only."""
        return _is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers only."""
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers only."""
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers only."""
        return _is_superuser(request)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))


class AccountForm(UserChangeForm):  # type: ignore[type-arg]
    """An account; the last superuser stays one."""

    def clean(self) -> dict[str, Any]:
        """What would lock everybody out is refused."""
        data = super().clean() or self.cleaned_data
        wait_for_turn("superusers")  # two superusers who take each other's rights away at once
        stays = all(data.get(right) for right in ("is_active", "is_staff", "is_superuser"))
        if is_last_superuser(self.instance) and not stays:
            raise forms.ValidationError(LAST)
        return data


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """A new password; the last superuser keeps one."""

    def clean(self) -> dict[str, Any]:
        """An account without a password signs nobody in."""
        data = super().clean() or self.cleaned_data
        if data.get("set_usable_password") is False and is_last_superuser(self.user):
            self.add_error("usable_password", LAST)
        return data


class AccountAdmin(SuperuserOnly, UserAdmin):  # type: ignore[type-arg]
    """People. Staff are operators, all others only look."""

    form = AccountForm
    change_password_form = PasswordForm
    list_display = ["username", "is_active", "is_staff", "is_superuser", "last_login", "date_joined"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    readonly_fields = ["last_login", "date_joined", "related"]
    fieldsets = [
        (None, {"fields": ("username", "password", "related")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never the last superuser."""
        return super().has_delete_permission(request, obj) and not is_last_superuser(obj)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Two superusers may do this to each other at once."""
        wait_for_turn("superusers")
        if is_last_superuser(obj):
            raise PermissionDenied(LAST)
        super().delete_model(request, obj)

    @admin.display(description="rows")
    def related(self, user: User) -> str:
        """What belongs to a person."""
        return links([
            rows_link(ApiToken, "API tokens", user__id__exact=user.pk),
            rows_link(Change, "changes", q=user.username),
            rows_link(AccessLog, "sign-ins", q=user.username),
        ])  # fmt: skip


class RightsAdmin(SuperuserOnly, GroupAdmin):
    """Sets of Django's own permissions; the pages go by staff and not by these."""


class LockOutAdmin(SuperuserOnly, AccessAttemptAdmin):  # type: ignore[misc]  # axes has no types
    """Failed sign-ins; deleting one lets its person try again at once."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only failing makes one."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It stays as it was, or goes."""
        return False


class SuperuserReads(ReadOnlyAdmin):
    """Rows that a superuser may look at."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers only."""
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers only."""
        return _is_superuser(request)


class SignInAdmin(SuperuserReads):
    """Who signed in, and out."""

    date_hierarchy = "attempt_time"
    list_display = ["attempt_time", "username", "ip_address", "user_agent", "logout_time"]
    list_filter = [("logout_time", admin.EmptyFieldListFilter)]
    search_fields = ["username", "ip_address"]


class FailedSignInAdmin(SuperuserReads):
    """Who could not sign in."""

    date_hierarchy = "attempt_time"
    list_display = ["attempt_time", "username", "ip_address", "user_agent", "locked_out"]
    list_filter = ["locked_out"]
    search_fields = ["username", "ip_address"]


class ExpirationAdmin(SuperuserReads):
    """When failed sign-ins are forgotten."""

    list_display = ["access_attempt", "expires_at"]
    list_select_related = ["access_attempt"]
    search_fields = ["access_attempt__username"]


class SessionAdmin(SuperuserReads):
    """Who is signed in. A session's key is a credential: it is in no list and no address."""

    list_display = ["person", "expire_date"]
    list_display_links = None
    date_hierarchy = "expire_date"
    ordering = ["-expire_date"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list with its people, read at once."""
        found = super().get_changelist_instance(request)
        keys = {row.pk: row.get_decoded().get("_auth_user_id") for row in found.result_list}
        people = User.objects.in_bulk([int(key) for key in keys.values() if key])
        for row in found.result_list:
            row.person = people.get(int(keys[row.pk] or 0))
        return found

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        """None: its data is nobody's to read."""
        raise Http404

    @admin.display(description="person")
    def person(self, session: Any) -> str:
        """Whose it is; empty: nobody's yet."""
        return str(session.person or "")


class LogEntryAdmin(SuperuserReads):
    """What was done in this administration."""

    date_hierarchy = "action_time"
    list_display = ["action_time", "user", "action_flag", "content_type", "object_repr"]
    list_filter = ["action_flag"]
    list_select_related = ["user", "content_type"]
    search_fields = ["object_repr", "user__username"]


class PermissionAdmin(SuperuserReads):
    """Django's own permissions."""

    list_display = ["name", "content_type", "codename"]
    list_select_related = ["content_type"]
    search_fields = ["name", "codename"]


class ContentTypeAdmin(SuperuserReads):
    """Django's list of models."""

    list_display = ["app_label", "model"]
    list_filter = ["app_label"]
    search_fields = ["app_label", "model"]


apps.get_app_config("axes").verbose_name = "Signing in"
# The apps that these come from have registered their own already.
admin.site.unregister([User, Group, AccessAttempt, AccessLog, AccessFailureLog])
admin.site.register(User, AccountAdmin)
admin.site.register(Group, RightsAdmin)
admin.site.register(AccessAttempt, LockOutAdmin)
admin.site.register(AccessAttemptExpiration, ExpirationAdmin)
admin.site.register(AccessLog, SignInAdmin)
admin.site.register(AccessFailureLog, FailedSignInAdmin)
admin.site.register(Session, SessionAdmin)
admin.site.register(LogEntry, LogEntryAdmin)
admin.site.register(Permission, PermissionAdmin)
admin.site.register(ContentType, ContentTypeAdmin)
