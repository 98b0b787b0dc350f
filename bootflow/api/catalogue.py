"""REST calls of kernel sets and installers."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from ninja import Query, Router, Status

from bootflow import catalogue
from bootflow.installer_overview import installers_shown
from bootflow.kernel_set_files import delete_file, receive_file
from bootflow.kernel_set_overview import overviews_of
from bootflow.models import Installer, KernelSet, KernelSetFile
from bootflow.schemas import (
    InstallerChange,
    InstallerIn,
    InstallerOut,
    InstallerReplace,
    KernelSetChange,
    KernelSetFileOut,
    KernelSetIn,
    KernelSetOut,
    KernelSetReplace,
    installer_out,
    kernel_set_out,
)
from images.services.blobs import blob_pieces
from netboot_site.errors import NotFoundError, ValidationError
from netboot_site.history import ChangeOut, history_of

router = Router()
Limit = Annotated[int, Query(ge=0, le=1000)]
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@router.get("/kernel-sets", response=dict[str, KernelSetOut])
def list_kernel_sets(request: HttpRequest) -> dict[str, KernelSetOut]:
    """All kernel sets by name; `default` is always there."""
    rows = overviews_of(KernelSet.objects.all())
    return {row.kernel_set.name: kernel_set_out(row) for row in rows}


@router.post("/kernel-sets", response={201: KernelSetOut})
def add_kernel_set(request: HttpRequest, body: KernelSetIn) -> Status[KernelSetOut]:
    """Create a kernel set."""
    row = catalogue.create_kernel_set(name=body.name, **_kernel_set_fields(body))
    return Status(201, _shown(row))


@router.get("/kernel-sets/{name}", response=KernelSetOut)
def show_kernel_set(request: HttpRequest, name: str) -> KernelSetOut:
    """One kernel set."""
    return _shown(catalogue.get_kernel_set(name=name))


@router.put("/kernel-sets/{name}", response=KernelSetOut)
def replace_kernel_set(request: HttpRequest, name: str, body: KernelSetReplace) -> KernelSetOut:
    """Replace what a kernel set holds."""
    kernel_set = catalogue.get_kernel_set(name=name)
    _check_same_name(name, body.name)
    return _shown(catalogue.update_kernel_set(kernel_set=kernel_set, **_kernel_set_fields(body)))


@router.get("/kernel-sets/{name}/history", response=list[ChangeOut])
def list_kernel_set_changes(request: HttpRequest, name: str, limit: Limit = 100) -> list[ChangeOut]:
    """Who changed what of a kernel set, the newest first; also of one that is gone."""
    found = history_of("kernel set", name.replace("\0", ""), limit=limit)
    if not found:
        catalogue.get_kernel_set(name=name)
    return found


@router.delete("/kernel-sets/{name}", response={204: None})
def remove_kernel_set(request: HttpRequest, name: str) -> Status[None]:
    """Delete a kernel set; refused for the default one and while a device uses it."""
    catalogue.delete_kernel_set(kernel_set=catalogue.get_kernel_set(name=name))
    return Status(204, None)


@router.get("/kernel-sets/{name}/files", response=list[KernelSetFileOut])
def list_kernel_set_files(request: HttpRequest, name: str) -> list[KernelSetFileOut]:
    """The files of a kernel set: those that people put into it, or its image's boot partition."""
    return _shown(catalogue.get_kernel_set(name=name)).files


@router.put(
    "/kernel-sets/{name}/files/{path:path}",
    response={200: KernelSetFileOut, 201: KernelSetFileOut},
    openapi_extra={"requestBody": {"required": True, "content": _BYTES}},
)
def put_kernel_set_file(request: HttpRequest, name: str, path: str) -> Status[KernelSetFileOut]:
    """Put a file into a kernel set, at most 128 MiB: the body is its bytes. 201 if it is new."""
    row, is_new = receive_file(
        kernel_set=catalogue.get_kernel_set(name=name), path=path, stream=request,
        content_length=request.headers.get("Content-Length", ""),
    )  # fmt: skip
    return Status(201 if is_new else 200, _file_out(row))


@router.get(
    "/kernel-sets/{name}/files/{path:path}",
    openapi_extra={"responses": {200: {"description": "The file.", "content": _BYTES}}},
)
def get_kernel_set_file(request: HttpRequest, name: str, path: str) -> HttpResponseBase:
    """The bytes of a file of a kernel set."""
    files = _shown(catalogue.get_kernel_set(name=name)).files
    found = next((file for file in files if file.path == path), None)
    if found is None:
        raise NotFoundError(f"The kernel set {name!r} has no file {path[:200]!r}.")
    headers = {"Content-Length": str(found.size_bytes), "Content-Disposition": "attachment"}
    pieces = blob_pieces(sha256=found.sha256)
    return StreamingHttpResponse(pieces, content_type="application/octet-stream", headers=headers)


@router.delete("/kernel-sets/{name}/files/{path:path}", response={204: None})
def remove_kernel_set_file(request: HttpRequest, name: str, path: str) -> Status[None]:
    """Take a file out of a kernel set."""
    delete_file(kernel_set=catalogue.get_kernel_set(name=name), path=path)
    return Status(204, None)


@router.get("/os-installers", response=list[InstallerOut])
def list_installers(request: HttpRequest) -> list[InstallerOut]:
    """All installers by name."""
    return [installer_out(row) for row in installers_shown(Installer.objects.all())]


@router.post("/os-installers", response={201: InstallerOut})
def add_installer(request: HttpRequest, body: InstallerIn) -> Status[InstallerOut]:
    """Add an installer whose files lie below the boot files."""
    return Status(201, _installer_out(catalogue.create_installer(name=body.name, files=_files(body))))


@router.get("/os-installers/{name}", response=InstallerOut)
def show_installer(request: HttpRequest, name: str) -> InstallerOut:
    """One installer."""
    return _installer_out(catalogue.get_installer(name=name))


@router.put("/os-installers/{name}", response=InstallerOut)
def replace_installer(request: HttpRequest, name: str, body: InstallerReplace) -> InstallerOut:
    """Replace what an installer holds."""
    installer = catalogue.get_installer(name=name)
    _check_same_name(name, body.name)
    return _installer_out(catalogue.update_installer(installer=installer, files=_files(body)))


@router.get("/os-installers/{name}/history", response=list[ChangeOut])
def list_installer_changes(request: HttpRequest, name: str, limit: Limit = 100) -> list[ChangeOut]:
    """Who changed what of an installer, the newest first; also of one that is gone."""
    found = history_of("installer", name.replace("\0", ""), limit=limit)
    if not found:
        catalogue.get_installer(name=name)
    return found


@router.delete("/os-installers/{name}", response={204: None})
def remove_installer(request: HttpRequest, name: str) -> Status[None]:
    """Forget an installer; its files stay."""
    catalogue.delete_installer(installer=catalogue.get_installer(name=name))
    return Status(204, None)


def _shown(row: KernelSet) -> KernelSetOut:
    return kernel_set_out(overviews_of([row])[0])


def _installer_out(row: Installer) -> InstallerOut:
    return installer_out(installers_shown([row])[0])


def _file_out(row: KernelSetFile) -> KernelSetFileOut:
    return KernelSetFileOut(path=row.path, size_bytes=row.blob.size_bytes, sha256=row.blob_id)


def _check_same_name(path: str, body: str | None) -> None:
    if body is not None and body != path:
        raise ValidationError("The name in the body is not the one in the path; it cannot be changed.")


def _kernel_set_fields(body: KernelSetChange) -> catalogue.KernelSetFields:
    return {
        "kernel_url": body.kernel_url,
        "initramfs_url": body.initramfs_url,
        "cmdline": body.cmdline,
        "is_default": body.is_default,
    }


def _files(body: InstallerChange) -> catalogue.InstallerFiles:
    return catalogue.InstallerFiles(
        path=body.path,
        kernel=body.kernel,
        initrd=body.initrd,
        kernel_cmdline=body.kernel_cmdline,
        device_type=body.device_type,
    )
