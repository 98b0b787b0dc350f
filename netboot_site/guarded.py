"""Django admin that cannot do what the services forbid: it looks, or it goes through a service."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from netboot_site.errors import OrchestratorError
from netboot_site.roles import may_write


class LinkedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that operators may see, with a way to the page where they are worked with.

    `page_path` is that page's address, with the row as `{0}`.
    """

    actions = None  # "delete selected" would go round the services
    page_path = ""

    def path_of(self, obj: Any) -> str:
        """The address of a row's page; empty: it has none."""
        return self.page_path.format(obj)

    def get_list_display(self, request: HttpRequest) -> Any:
        """The columns, with the way to the page if rows have one."""
        columns = [*super().get_list_display(request)]
        return [*columns, "page"] if self.page_path and "page" not in columns else columns

    def view_on_site(self, obj: Any) -> str | None:
        """The address behind the button of the same name."""
        return self.path_of(obj) or None

    @admin.display(description="page")
    def page(self, obj: Any) -> SafeString:
        """A link to the row's own page."""
        return format_html('<a href="{}">Open</a>', self.path_of(obj))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Operators see what the pages show them, too."""
        return may_write(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Operators see what the pages show them, too."""
        return may_write(request.user)


class ReadOnlyAdmin(LinkedAdmin):
    """Rows to search and look at; they are changed elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never here."""
        return False


class ServiceAdmin(LinkedAdmin):
    """Rows whose changes go through services; a refusal stands in the form, and nothing is half done."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may do it on the pages."""
        return may_write(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may do it on the pages."""
        return may_write(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may do it on the pages."""
        return may_write(request.user)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form; after a refusal one that tells it and keeps what was typed."""
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, "refusal", "")
        return _refused(form, refusal) if refusal else form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form, sent or not; a service's refusal is an error of it."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except OrchestratorError as error:
            request.refusal = str(error)  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The confirmation; a service's refusal leads back to the row."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except OrchestratorError as error:
            self.message_user(request, str(error), "ERROR")
            return redirect("../change/")


class ShownInline(admin.TabularInline):  # type: ignore[type-arg]
    """Rows of another model beside their row, to look at."""

    can_delete = False
    extra = max_num = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever sees the row sees them, too."""
        return may_write(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never here."""
        return False


def _refused(form: type[ModelForm[Any]], refusal: str) -> type[ModelForm[Any]]:
    class Refused(form):  # type: ignore[misc, valid-type]
        """The same form with the sentence of whoever refused it."""

        def clean(self) -> Any:
            self.add_error(None, refusal)
            return super().clean()

    return Refused


def rows_link(model: type[models.Model], label: str, **wanted: object) -> tuple[str, str]:
    """Address and label of the list of a model's rows that have what is wanted (`q` searches)."""
    opts = model._meta
    return f"{reverse(f'admin:{opts.app_label}_{opts.model_name}_changelist')}?{urlencode(wanted)}", label


def links(pairs: list[tuple[str, str]]) -> SafeString:
    """Links in a row."""
    return format_html_join(" · ", '<a href="{}">{}</a>', pairs)
