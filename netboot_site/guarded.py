"""Django admin that cannot do what the services forbid: it looks, or it goes through a service."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from netboot_site.errors import OrchestratorError


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to search and look at; they are changed elsewhere."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never here."""
        return False


class ServiceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows whose changes go through services; a refusal is a message, and nothing is half done."""

    actions = None  # "delete selected" would go round the services

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form; a service's refusal leads back to it."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except OrchestratorError as error:
            messages.error(request, str(error))
            return redirect(request.get_full_path())

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The confirmation; a service's refusal leads back to the row."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except OrchestratorError as error:
            messages.error(request, str(error))
            return redirect("../change/")


def page_link(path: str, text: str = "Open") -> SafeString:
    """A link to the row's own page."""
    return format_html('<a href="{}">{}</a>', path, text)
