"""Pages of lists of devices: upload one, see what it would do, import it; and the way back, export."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from bootflow.export_list import COLUMNS, csv_answer, csv_lines
from bootflow.import_rows import MOST_BYTES, NEEDED, Fate, counted, decoded, read_rows
from bootflow.importing import try_import
from bootflow.lists import get_list, import_list, keep_list, lines_of
from bootflow.models import DeviceList
from bootflow.overview import search_devices
from bootflow.views.device_table import filter_of
from netboot_site.errors import NotFoundError, ValidationError
from netboot_site.pages import REFUSED, attempt, posted, saved
from netboot_site.roles import operator_required

ROWS_SHOWN = 500
_BYTE_ORDER_MARK = "\ufeff"  # without it a spreadsheet takes UTF-8 for something else


class ListForm(forms.Form):
    """A CSV file, and what becomes of devices that are registered."""

    file = forms.FileField(
        label="CSV file", widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
        help_text=f"UTF-8, at most {MOST_BYTES // 2**20} MiB.",
        error_messages={"required": "Choose a file.", "empty": "This file is empty."},
    )  # fmt: skip
    changes_known = forms.BooleanField(
        required=False, label="Change devices that are registered already",
        help_text="Else a line about one of them is refused.",
    )  # fmt: skip

    def clean_file(self) -> str:
        """Its text, if it is a list of devices at all."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        try:
            text = decoded(file.read(MOST_BYTES + 1))
            rows, refused = read_rows(lines_of(text))
        except ValidationError as error:
            raise forms.ValidationError(str(error)) from error
        if not rows and not refused:
            raise forms.ValidationError("This file has no line below its first one.")
        return text


@operator_required
def list_new(request: HttpRequest) -> HttpResponse:
    """Upload a list; nothing is imported yet."""
    form = ListForm(posted(request), request.FILES if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        row = keep_list(
            file_name=getattr(request.FILES["file"], "name", "") or "list", text=form.cleaned_data["file"],
            changes_known=form.cleaned_data["changes_known"],
        )  # fmt: skip
        return redirect(f"/devices/import/{row.pk}/")
    context = {"form": form, "needed": NEEDED, "more": COLUMNS[len(NEEDED) :]}
    return render(request, "devices/import.html", context, status=REFUSED if form.errors else 200)


@operator_required
def list_import(request: HttpRequest, number: str) -> HttpResponse:
    """What an uploaded list would do, line by line; confirmed, all of it is imported."""
    row = _list(number)
    form = forms.Form(posted(request))
    if request.method == "POST" and row.imported_at is None:
        fates: list[Fate] = []
        if attempt(form, lambda: fates.extend(import_list(device_list=row))):
            return saved(request, to="/devices/", done=_done(fates))
        row.refresh_from_db()
    return _preview(request, row, form)


def _list(number: str) -> DeviceList:
    try:
        return get_list(number=number)
    except NotFoundError as error:
        raise Http404(str(error)) from error


def _preview(request: HttpRequest, row: DeviceList, form: forms.Form) -> HttpResponse:
    fates = [] if row.imported_at else try_import(lines=lines_of(row.text), changes_known=row.changes_known)
    counts = counted(fates)
    shown = sorted(fates, key=lambda fate: (fate.fate != "refused", fate.line))[:ROWS_SHOWN]
    context = {
        "list": row, "fates": shown, "counts": counts, "more": len(fates) - len(shown), "form": form,
        "will_change": counts["new"] + counts["changed"],
    }  # fmt: skip
    return render(request, "devices/import_preview.html", context, status=REFUSED if form.errors else 200)


def _done(fates: list[Fate]) -> str:
    counts = counted(fates)
    said = f"{counts['new']} device{'s are' if counts['new'] != 1 else ' is'} registered"
    return f"{said}, {counts['changed']} changed, {counts['same']} stay as they were."


def list_export(request: HttpRequest) -> StreamingHttpResponse:
    """What the table of devices shows, all its pages."""
    return csv_answer(csv_lines(search_devices(filter_of(request))), mark=_BYTE_ORDER_MARK)
