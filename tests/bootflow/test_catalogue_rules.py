"""What may stand in a kernel set or an installer: one line, below the boot files, harmless in a script."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow import ipxe
from bootflow.catalogue import (
    InstallerFiles,
    KernelSetFields,
    check_cmdline,
    check_path,
    check_slug,
    check_url,
    create_installer,
    create_kernel_set,
    delete_installer,
    delete_kernel_set,
    get_installer,
    get_kernel_set,
    update_installer,
    update_kernel_set,
)
from bootflow.decision import Files, Situation, decide
from bootflow.models import Installer, KernelSet
from bootflow.services import register_profile, set_boot_once, update_profile
from devices.models import Device
from netboot_site.errors import ConflictError, NotFoundError, ValidationError
from tests.bootflow.conftest import MAC
from tests.bootflow.ipxe_grammar import faults

FILES = InstallerFiles("debian/12", "linux", "initrd.gz", "auto=true", "x64")
SET: KernelSetFields = {"kernel_url": "/k", "initramfs_url": None, "cmdline": "quiet", "is_default": False}

GOOD: list[tuple[Any, str]] = [
    (check_slug, "a"), (check_slug, "debian-12.5_x"), (check_slug, "x" * 100),
    (check_path, "linux"), (check_path, "a/b c/d"), (check_path, "..a/b.."), (check_path, "\u00fcber/linux"),
    (check_path, "x" * 300),
    (check_url, ""), (check_url, "http://h/k?x=1&y=2"), (check_url, "/k"), (check_url, "x" * 500),
    (check_cmdline, ""), (check_cmdline, "a=b c & d | e $f"), (check_cmdline, "x" * 2000),
]  # fmt: skip
BAD: list[tuple[Any, str]] = [
    (check_slug, ""), (check_slug, "-a"), (check_slug, ".a"), (check_slug, "a b"), (check_slug, "a/b"),
    (check_slug, "a\n"), (check_slug, "x" * 101), (check_slug, "\u00fc"), (check_slug, "${a}"),
    (check_path, ""), (check_path, "/a"), (check_path, "a/../b"), (check_path, ".."), (check_path, "./a"),
    (check_path, "a\\b"), (check_path, "a\tb"), (check_path, "${a}"), (check_path, "x" * 301),
    (check_url, "a b"), (check_url, "a\n"), (check_url, "\u00fc"), (check_url, "${x}"), (check_url, "a\\b"),
    (check_url, "http://h/../k"), (check_url, "x" * 501), (check_url, "\x7f"),
    (check_cmdline, "a\nb"), (check_cmdline, "a\tb"), (check_cmdline, "\u00fc"), (check_cmdline, "${x}"),
    (check_cmdline, "a && b"), (check_cmdline, "a||b"), (check_cmdline, "a\\"), (check_cmdline, "x" * 2001),
]  # fmt: skip


def call(check: Any, text: str) -> Any:
    return check(text, "kernel") if check is check_path else check(text)


@pytest.mark.parametrize(("check", "text"), GOOD)
def test_what_may_be_is_kept_as_it_is(check: Any, text: str) -> None:
    assert call(check, text) == text


@pytest.mark.parametrize(("check", "text"), BAD)
def test_what_may_not_be_is_refused_in_words(check: Any, text: str) -> None:
    with pytest.raises(ValidationError, match=r"^(A|An|The) .*\.$"):
        call(check, text)


def accepted(check: Any, text: str) -> str:
    try:
        return str(call(check, text))
    except ValidationError:
        return "ok"


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_what_is_accepted_reaches_a_script_without_a_fault_and_unchanged(
    path: str, kernel: str, cmdline: str
) -> None:
    line = accepted(check_cmdline, cmdline)
    files = Files("x", accepted(check_path, path), accepted(check_path, kernel), "", line)
    now = Situation(MAC, "enrolled", boot_once="installer", installer=files)
    script = ipxe.render(ipxe.Server("http://10.66.0.1:8080/boot/", MAC), now, decide(now), None)
    assert faults(script) == []
    assert " ".join(line.split()) in script, "the kernel's command line is not the one that was typed"


@pytest.mark.django_db
def test_one_kernel_set_at_a_time_is_the_default_whatever_is_done() -> None:
    for name in ("a", "b"):
        create_kernel_set(name=name, **{**SET, "is_default": True})
        assert list(KernelSet.objects.filter(is_default=True).values_list("name", flat=True)) == [name]
    first = get_kernel_set(name="a")
    with pytest.raises(ConflictError, match="make another one the default"):
        update_kernel_set(kernel_set=get_kernel_set(name="b"), **SET)
    update_kernel_set(kernel_set=first, **{**SET, "is_default": True, "initramfs_url": ""})
    assert get_kernel_set(name="a").initramfs_url is None
    delete_kernel_set(kernel_set=get_kernel_set(name="b"))
    for name in ("a", "default"):
        with pytest.raises(ConflictError, match="is the default one and stays"):
            delete_kernel_set(kernel_set=get_kernel_set(name=name))


@pytest.mark.django_db
def test_a_refused_kernel_set_leaves_no_half_of_it() -> None:
    for wrong in ({"kernel_url": "a b"}, {"cmdline": "${x}"}, {"initramfs_url": "\\"}):
        with pytest.raises(ValidationError):
            create_kernel_set(name="half", **{**SET, "is_default": True, **wrong})  # type: ignore[typeddict-item]
        assert list(KernelSet.objects.values_list("name", "is_default")) == [("default", True)]


@pytest.mark.django_db
def test_a_kernel_set_in_use_tells_by_how_many_and_goes_when_nobody_uses_it() -> None:
    used = create_kernel_set(name="used", **SET)
    devices = [
        register_profile(mac=f"5254000000{n:02x}", device_type="x64", name=f"pc-{n}", kernel_set="used")
        for n in range(3)
    ]
    with pytest.raises(ConflictError, match="is used by 3 devices"):
        delete_kernel_set(kernel_set=used)
    for device in devices:
        update_profile(device=device, kernel_set="default")
    delete_kernel_set(kernel_set=used)
    assert not KernelSet.objects.filter(name="used").exists()


@pytest.mark.django_db
def test_an_installer_that_is_to_be_started_stays_until_it_has_been(device: Device) -> None:
    installer = create_installer(name="deb", files=FILES)
    set_boot_once(device=device, boot_once="installer", installer="deb")
    with pytest.raises(ConflictError, match=r"The next boot of pc-07 .* 'deb'"):
        delete_installer(installer=installer)
    set_boot_once(device=device, boot_once="menu")
    delete_installer(installer=installer)
    assert not Installer.objects.exists()


@pytest.mark.django_db
def test_an_installer_is_replaced_as_a_whole_or_not_at_all() -> None:
    installer = create_installer(name="deb", files=FILES)
    with pytest.raises(ConflictError, match="exists already"):
        create_installer(name="deb", files=FILES)
    with pytest.raises(ValidationError):
        update_installer(installer=installer, files=InstallerFiles("new", "new", "../etc", "", "x64"))
    assert get_installer(name="deb").path == "debian/12"
    update_installer(installer=installer, files=InstallerFiles("new", "k", "", "", "raspi"))
    kept = get_installer(name="deb")
    assert (kept.path, kept.kernel, kept.initrd, kept.kernel_cmdline, kept.device_type) == (
        "new", "k", "", "", "raspi",
    )  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "none", "a b", "\0", "x" * 500, "../x", "default\n"])
def test_what_is_not_there_is_not_found(name: str) -> None:
    for get in (get_kernel_set, get_installer):
        with pytest.raises(NotFoundError) as error:
            get(name=name)
        assert len(str(error.value)) < 600
