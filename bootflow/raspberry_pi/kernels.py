"""What a device's config.txt is to say of the kernel of its set. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bootflow.raspberry_pi.config import Kernel, effective
from bootflow.raspberry_pi.models import KERNELS_32, KERNELS_64


def kernel_of(
    config: str, paths: Collection[str], facts: Mapping[str, Any], *, urls: tuple[str, str], over_iscsi: bool
) -> Kernel:
    """What is to be said of the kernel after a set's own config.txt."""
    kernel, initramfs = (_named(url, paths) for url in urls)
    asks = over_iscsi and not {"initramfs", "auto_initramfs"} & effective(config).keys()
    bits = {int(one.get("bits") or 0) for one in facts.get("kernels", ())}
    return Kernel(_is_64bit([kernel] if kernel else paths, bits), kernel, initramfs, auto_initramfs=asks)


def _named(url: str, paths: Collection[str]) -> str:
    """A kernel_url that is a file of the set: `kernel8.img`, `/kernel8.img`."""
    return url.lstrip("/") if url.lstrip("/") in paths else ""


def _is_64bit(kernels: Collection[str], bits: Collection[int]) -> bool | None:
    """Also where there is a 32-bit one besides. None: not known, so what the set says stays."""
    if 64 in bits or any(name in KERNELS_64 for name in kernels):
        return True
    return False if 32 in bits or any(name in KERNELS_32 for name in kernels) else None
