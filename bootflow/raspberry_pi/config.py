"""config.txt of a device: its kernel set's own text, then a block of ours. Pure functions.

Properties and their ranges: raspberrypi/documentation, config_txt/*.adoc. A line has at most 98 characters;
the firmware ignores what is beyond.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netboot_site.errors import ValidationError

LINE_MAX = 98
VALUE_MAX = 80
ADDITIONS_MAX = 60
_NAME = re.compile(r"[a-z0-9_]{1,40}")
_SECTION = re.compile(r"\[([^\]]*)\]")
_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/?")
_OVERLAY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# What decides which files are fetched, or is written into the chip for ever: the tree's own business.
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("kernel", "initramfs", "auto_initramfs", "ramfsfile", "ramfsaddr", "cmdline", "os_prefix",
         "overlay_prefix", "include", "start_file", "fixup_file", "start_x", "start_debug", "start_cd",
         "device_tree", "device_tree_address", "device_tree_end", "arm_64bit", "armstub", "upstream_kernel",
         "boot_ramdisk", "tryboot", "tryboot_a_b", "boot_partition", "kernel_old", "kernel_address",
         "disable_commandline_tags", "dt_blob", "boot_load_flags", "enable_rp1_uart_boot"),
        "it decides which files the Pi fetches, and the kernel set does that",
    ),
    **dict.fromkeys(
        ("recovery", "bootloader_update", "program_usb_boot_mode", "program_usb_boot_timeout",
         "program_gpio_bootmode", "program_pubkey", "program_rpiboot_gpio", "revoke_devkey",
         "eeprom_write_protect", "recovery_wait", "recovery_reboot"),
        "it changes the Pi's bootloader or writes into the chip for ever",
    ),
}  # fmt: skip
_RANGES: Mapping[str, tuple[int, int]] = {
    "gpu_mem": (16, 944), "gpu_mem_256": (16, 192), "gpu_mem_512": (16, 448), "gpu_mem_1024": (16, 944),
    "total_mem": (128, 65536), "hdmi_group": (0, 2), "hdmi_mode": (1, 107), "hdmi_drive": (1, 2),
    "config_hdmi_boost": (0, 11), "display_rotate": (0, 0x30003), "lcd_rotate": (0, 3),
    "framebuffer_width": (16, 4096), "framebuffer_height": (16, 4096), "framebuffer_depth": (8, 32),
    "max_framebuffers": (0, 3), "arm_freq": (100, 3500), "arm_freq_min": (100, 3500),
    "gpu_freq": (100, 1200), "core_freq": (100, 1200), "core_freq_min": (100, 1200),
    "over_voltage": (-16, 8), "over_voltage_delta": (0, 200_000), "temp_limit": (40, 85),
    "initial_turbo": (0, 60), "boot_delay": (0, 60), "boot_delay_ms": (0, 60_000),
    "init_uart_baud": (300, 4_000_000), "audio_pwm_mode": (0, 2), "uart_2ndstage": (0, 1),
    "overscan_left": (-512, 512), "overscan_right": (-512, 512), "overscan_top": (-512, 512),
    "overscan_bottom": (-512, 512), "usb_max_current_enable": (0, 1),
    "hdmi_pixel_freq_limit": (10_000_000, 1_200_000_000),
}  # fmt: skip
_SWITCHES = frozenset(
    ("arm_boost", "avoid_warnings", "camera_auto_detect", "display_auto_detect", "disable_fw_kms_setup",
     "disable_overscan", "disable_splash", "enable_jtag_gpio", "enable_tvout", "enable_uart", "force_turbo",
     "hdmi_blanking", "hdmi_edid_file", "hdmi_force_hotplug", "hdmi_force_edid_audio", "hdmi_ignore_cec",
     "hdmi_ignore_cec_init", "hdmi_ignore_edid_audio", "hdmi_ignore_hotplug", "hdmi_enable_4kp60",
     "ignore_lcd", "overscan_scale", "disable_poe_fan", "disable_l2cache", "force_eeprom_read")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Addition:
    """One line that a device's config.txt gets besides its kernel set's."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """What our block says of the kernel; None: what the set's own text says stays."""

    arm_64bit: bool | None = None
    file: str = ""
    initramfs: str = ""
    auto_initramfs: bool = False


def escape(text: str) -> str:
    """A value as it stands in config.txt: the only way for text into the file. Raises ValidationError."""
    if not text.isascii() or not text.isprintable() or not 0 < len(text) <= VALUE_MAX:
        raise ValidationError(
            f"A value for config.txt is one line of 1 to {VALUE_MAX} printable ASCII characters."
        )
    if "#" in text or text != text.strip():
        raise ValidationError("A value for config.txt holds no '#' and neither begins nor ends with a space.")
    return text


def line(name: str, value: str) -> str:
    """`name=value`. Raises ValidationError if the firmware could not read it whole."""
    if not _NAME.fullmatch(name):
        raise ValidationError("A property of config.txt has 1 to 40 small letters, digits or underscores.")
    made = f"{name}={escape(value)}"
    if len(made) > LINE_MAX:
        raise ValidationError(
            f"{name} is too long: the firmware reads {LINE_MAX} characters of a line of config.txt."
        )
    return made


def known_properties() -> list[str]:
    """Names whose values we know how to check."""
    return sorted({*_RANGES, *_SWITCHES, "dtoverlay", "dtparam"})


def parse_additions(given: object) -> list[dict[str, str]]:
    """Additions as a row keeps them: [{"name": ..., "value": ...}]. Raises ValidationError."""
    if not isinstance(given, list) or len(given) > ADDITIONS_MAX:
        raise ValidationError(f"Additions to config.txt are a list of at most {ADDITIONS_MAX} properties.")
    made = [_addition(entry) for entry in given]
    return [{"name": one.name, "value": one.value} for one in made]


def check_addition(name: str, value: str, overlays: Collection[str] | None = None) -> Addition:
    """Raises ValidationError for what would break the tree, or what the property cannot be.

    `overlays` are the names in the kernel set's folder of overlays; None: they are not known yet.
    """
    line(name, value)
    if name in REFUSED:
        raise ValidationError(f"{name} cannot be added to config.txt here: {REFUSED[name]}.")
    if name in _RANGES:
        _check_number(name, value, *_RANGES[name])
    elif name in _SWITCHES and value not in {"0", "1"}:
        raise ValidationError(f"{name} is 0 or 1, not {value!r}.")
    elif name == "dtoverlay":
        _check_overlay(value, overlays)
    return Addition(name, value)


def overlay_names(paths: Iterable[str], prefix: str = "") -> set[str]:
    """What `dtoverlay` can name: overlays/vc4-kms-v3d.dtbo is vc4-kms-v3d."""
    folder = f"{prefix}overlays/"
    return {
        path.removeprefix(folder).removesuffix(".dtbo")
        for path in paths
        if path.startswith(folder) and path.endswith(".dtbo") and "/" not in path.removeprefix(folder)
    }


def render_config(base: str, kernel: Kernel, additions: Iterable[Addition] = (), prefix: str = "") -> str:
    """The whole file. The last word on a property counts, so ours stand at the end, for all models."""
    ours = ["", "[all]", "# Added by Netboot Orchestrator for this device."]
    if {"cmdline", "include"} & set(effective(base)):
        ours.append("cmdline=cmdline.txt")
    if prefix:
        ours.append(line("os_prefix", prefix))
    if kernel.arm_64bit is not None:
        ours.append(f"arm_64bit={int(kernel.arm_64bit)}")
    if kernel.file:
        ours.append(line("kernel", kernel.file))
    if kernel.initramfs:
        ours.append(f"initramfs {escape(kernel.initramfs)} followkernel")
    elif kernel.auto_initramfs:
        ours.append("auto_initramfs=1")
    ours += [line(one.name, one.value) for one in additions]
    return "\n".join([*_own_lines(base), *ours]) + "\n"


def effective(text: str, sections: Collection[str] | None = None) -> dict[str, str]:
    """What a config.txt says to a board whose conditional sections these are; None: under any condition.

    Of conditions that only the running board knows (a display, a pin) none is taken as met.
    """
    settings: dict[str, str] = {}
    met = True
    for entry in _lines(text):
        found = _SECTION.fullmatch(entry)
        if found:
            met = sections is None or found[1].lower() in {"all", *sections}
        elif met:
            name, sign, value = entry.partition("=")
            if not sign:
                name, _, value = entry.partition(" ")  # initramfs NAME ADDRESS
            settings[name.strip()] = value.strip()
    return settings


def os_prefix(text: str) -> str:
    """The folder that a config.txt takes its kernel from, if that is a plain name; empty: none."""
    prefix = effective(text).get("os_prefix", "")
    return prefix if _PREFIX.fullmatch(prefix) and ".." not in prefix else ""


def _own_lines(text: str) -> list[str]:
    """As they stand, with line ends and signs that are text."""
    lines = re.split(r"\r\n|\r|\n", text.rstrip())
    return ["".join(sign for sign in one if sign.isprintable() or sign == "\t") for one in lines]


def _lines(text: str) -> list[str]:
    """Without comments and empty lines, as far as the firmware reads each."""
    stripped = (one.strip() for one in _own_lines(text))
    return [one[:LINE_MAX] for one in stripped if one and not one.startswith("#")]


def _addition(entry: Any) -> Addition:
    if not isinstance(entry, dict) or set(entry) != {"name", "value"}:
        raise ValidationError('An addition to config.txt is written {"name": "gpu_mem", "value": "64"}.')
    name, value = entry["name"], entry["value"]
    if not isinstance(name, str) or not isinstance(value, str | int):
        raise ValidationError("The name of an addition to config.txt is a text, its value a text or number.")
    return check_addition(name, str(int(value) if isinstance(value, bool) else value))


def _check_number(name: str, value: str, lowest: int, highest: int) -> None:
    if not re.fullmatch(r"-?[0-9]{1,10}", value) or not lowest <= int(value) <= highest:
        raise ValidationError(f"{name} is a number from {lowest} to {highest}, not {value!r}.")


def _check_overlay(value: str, overlays: Collection[str] | None) -> None:
    name = value.partition(",")[0].partition(":")[0]
    if not _OVERLAY.fullmatch(name):
        raise ValidationError("dtoverlay names an overlay, then its parameters: vc4-kms-v3d,cma-256.")
    if overlays is not None and name not in overlays:
        raise ValidationError(f"The kernel set has no overlay {name!r}: there is no overlays/{name}.dtbo.")
