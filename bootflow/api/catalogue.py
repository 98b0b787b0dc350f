"""REST calls of kernel sets and installers."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status

from bootflow import catalogue
from bootflow.models import Installer, KernelSet
from bootflow.schemas import (
    InstallerChange,
    InstallerIn,
    InstallerOut,
    InstallerReplace,
    KernelSetChange,
    KernelSetIn,
    KernelSetOut,
    KernelSetReplace,
    installer_out,
    kernel_set_out,
)
from netboot_site.errors import ValidationError

router = Router()


@router.get("/kernel-sets", response=dict[str, KernelSetOut])
def list_kernel_sets(request: HttpRequest) -> dict[str, KernelSetOut]:
    """All kernel sets by name; `default` is always there."""
    return {row.name: kernel_set_out(row) for row in KernelSet.objects.all()}


@router.post("/kernel-sets", response={201: KernelSetOut})
def add_kernel_set(request: HttpRequest, body: KernelSetIn) -> Status[KernelSetOut]:
    """Create a kernel set."""
    row = catalogue.create_kernel_set(name=body.name, **_kernel_set_fields(body))
    return Status(201, kernel_set_out(row))


@router.get("/kernel-sets/{name}", response=KernelSetOut)
def show_kernel_set(request: HttpRequest, name: str) -> KernelSetOut:
    """One kernel set."""
    return kernel_set_out(catalogue.get_kernel_set(name=name))


@router.put("/kernel-sets/{name}", response=KernelSetOut)
def replace_kernel_set(request: HttpRequest, name: str, body: KernelSetReplace) -> KernelSetOut:
    """Replace what a kernel set holds."""
    kernel_set = catalogue.get_kernel_set(name=name)
    _check_same_name(name, body.name)
    return kernel_set_out(catalogue.update_kernel_set(kernel_set=kernel_set, **_kernel_set_fields(body)))


@router.delete("/kernel-sets/{name}", response={204: None})
def remove_kernel_set(request: HttpRequest, name: str) -> Status[None]:
    """Delete a kernel set; refused for the default one and while a device uses it."""
    catalogue.delete_kernel_set(kernel_set=catalogue.get_kernel_set(name=name))
    return Status(204, None)


@router.get("/os-installers", response=list[InstallerOut])
def list_installers(request: HttpRequest) -> list[InstallerOut]:
    """All installers by name."""
    return [installer_out(row) for row in Installer.objects.all()]


@router.post("/os-installers", response={201: InstallerOut})
def add_installer(request: HttpRequest, body: InstallerIn) -> Status[InstallerOut]:
    """Add an installer whose files lie below the boot files."""
    return Status(201, installer_out(catalogue.create_installer(name=body.name, files=_files(body))))


@router.get("/os-installers/{name}", response=InstallerOut)
def show_installer(request: HttpRequest, name: str) -> InstallerOut:
    """One installer."""
    return installer_out(catalogue.get_installer(name=name))


@router.put("/os-installers/{name}", response=InstallerOut)
def replace_installer(request: HttpRequest, name: str, body: InstallerReplace) -> InstallerOut:
    """Replace what an installer holds."""
    installer = catalogue.get_installer(name=name)
    _check_same_name(name, body.name)
    return installer_out(catalogue.update_installer(installer=installer, files=_files(body)))


@router.delete("/os-installers/{name}", response={204: None})
def remove_installer(request: HttpRequest, name: str) -> Status[None]:
    """Forget an installer; its files stay."""
    catalogue.delete_installer(installer=catalogue.get_installer(name=name))
    return Status(204, None)


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
