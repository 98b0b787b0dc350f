"""Django admin of tokens and heartbeats."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from netboot_site.accounts_admin import SuperuserOnly
from netboot_site.auth import create_token
from netboot_site.guarded import ReadOnlyAdmin
from netboot_site.models import ApiToken, Change, Heartbeat, HostFacts

admin.site.site_header = "Netboot Orchestrator"
admin.site.site_title = "Netboot Orchestrator"
admin.site.index_title = "Administration"
admin.site.disable_action("delete_selected")  # it would go round the services


@admin.register(ApiToken)
class ApiTokenAdmin(SuperuserOnly):
    """Tokens are made here; their text is shown once, and only their digest is kept."""

    list_display = ["name", "user", "scope", "prefix", "created_at", "last_used_at", "revoked_at"]
    list_filter = ["scope", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["name", "user__username", "prefix"]
    readonly_fields = ["prefix", "created_at", "last_used_at", "revoked_at"]
    actions = ["revoke"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whose it is and what it may do; once it is made, what became of it. Never the digest."""
        fields = ["user", "name", "scope"]
        return fields if obj is None else [*fields, *self.readonly_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A token never passes to another person."""
        return self.readonly_fields if obj is None else ["user", *self.readonly_fields]

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Make the token and show its text, or save what may change."""
        if change:
            super().save_model(request, obj, form, change)
            return
        row, text = create_token(user=obj.user, name=obj.name, scope=obj.scope)
        obj.pk, obj.prefix, obj.digest, obj.created_at = row.pk, row.prefix, row.digest, row.created_at
        messages.warning(request, f"The token is {text} - copy it now, it is not shown again.")

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        """From now on they open nothing."""
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        messages.success(request, f"{count} tokens are revoked.")


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """When services were last seen at work."""

    list_display = ["name", "beat_at", "last_error"]
    search_fields = ["name", "last_error"]


@admin.register(HostFacts)
class HostFactsAdmin(ReadOnlyAdmin):
    """What workers see of their hosts, for the doctor."""

    list_display = ["name", "observed_at"]
    search_fields = ["name"]


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    """The journal: who changed what."""

    date_hierarchy = "at"
    list_display = ["at", "person", "kind", "key", "text"]
    list_filter = ["kind"]
    search_fields = ["person", "key", "text"]
