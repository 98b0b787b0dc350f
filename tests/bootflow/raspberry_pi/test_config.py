"""config.txt of a Raspberry Pi: its kernel set's text, then ours; typed and escaped."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.config import (
    LINE_MAX,
    REFUSED,
    VALUE_MAX,
    Addition,
    Kernel,
    check_addition,
    effective,
    escape,
    line,
    os_prefix,
    overlay_names,
    parse_additions,
    render_config,
)
from netboot_site.errors import ValidationError

STOCK = (
    "# For more options see http://rptl.io/configtxt\ndtparam=audio=on\ncamera_auto_detect=1\n"
    "auto_initramfs=1\n[cm4]\notg_mode=1\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n[all]\n"
)
HEAD = "\n[all]\n# Added by Netboot Orchestrator for this device.\n"


def test_the_set_s_own_text_stands_first_and_ours_counts_for_every_model() -> None:
    made = render_config(STOCK, Kernel(arm_64bit=True), [Addition("gpu_mem", "64")])
    assert made == f"{STOCK}{HEAD}arm_64bit=1\ngpu_mem=64\n"


def test_a_kernel_and_an_initramfs_are_named_where_they_have_names_of_their_own() -> None:
    made = render_config("", Kernel(arm_64bit=True, file="vmlinuz", initramfs="initrd.img"))
    assert made.endswith("arm_64bit=1\nkernel=vmlinuz\ninitramfs initrd.img followkernel\n")
    assert render_config("", Kernel(auto_initramfs=True)).endswith("\nauto_initramfs=1\n")
    assert render_config("", Kernel(arm_64bit=False)).endswith("\narm_64bit=0\n")


@pytest.mark.parametrize("own", ["cmdline=mine.txt", "include usercfg.txt"])
def test_our_command_line_is_the_one_that_is_read(own: str) -> None:
    assert effective(render_config(own, Kernel()))["cmdline"] == "cmdline.txt"
    assert "cmdline" not in effective(render_config("gpu_mem=64", Kernel()))


def test_a_text_without_a_line_end_and_one_from_windows_stay_whole() -> None:
    assert render_config("gpu_mem=32", Kernel()).startswith("gpu_mem=32\n\n[all]\n")
    assert render_config("a=1\r\nb=2\r\n", Kernel()).startswith("a=1\nb=2\n\n[all]\n")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_property_that_would_break_the_tree_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"{name} cannot be added to config.txt here: it "):
        check_addition(name, "1")


@pytest.mark.parametrize(
    ("name", "value"),
    [("gpu_mem", "16"), ("gpu_mem", "944"), ("over_voltage", "-16"), ("enable_uart", "1"),
     ("hdmi_force_hotplug", "0"), ("dtparam", "i2c_arm=on,spi=on"), ("dtoverlay", "vc4-kms-v3d,cma-256"),
     ("gpio", "4=op,dh"), ("hdmi_cvt", "1024 600 60 3 0 0 0"), ("hdmi_edid_filename", "x" * 40)],
)  # fmt: skip
def test_what_a_property_can_be_is_taken(name: str, value: str) -> None:
    assert check_addition(name, value, {"vc4-kms-v3d"}) == Addition(name, value)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("gpu_mem", "15", "from 16 to 944"),
        ("gpu_mem", "945", "from 16 to 944"),
        ("gpu_mem", "64M", "from 16 to 944"),
        ("gpu_mem", "٦٤", "ASCII"),
        ("gpu_mem", "9" * 30, "from 16 to 944"),
        ("enable_uart", "yes", "is 0 or 1"),
        ("hdmi_mode", "108", "from 1 to 107"),
        ("dtoverlay", "../x", "names an overlay"),
        ("dtoverlay", "missing", "no overlays/missing.dtbo"),
        ("Gpu_mem", "64", "small letters"),
        ("", "64", "small letters"),
        ("a" * 41, "1", "small letters"),
        ("gpu_mem\n", "64", "small letters"),
        ("x", "a\nkernel=evil", "one line"),
        ("x", "a\rb", "one line"),
        ("x", "a # b", "holds no '#'"),
        ("x", " a", "neither begins"),
        ("x", "", "1 to 80"),
        ("x", "a" * 81, "1 to 80"),
        ("x", "é", "ASCII"),
        ("a" * 40, "b" * 80, "98 characters"),
    ],
)
def test_what_a_property_cannot_be_is_refused_with_a_sentence(name: str, value: str, why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)):
        check_addition(name, value, {"vc4-kms-v3d"})


def test_an_overlay_is_taken_on_trust_while_the_set_is_not_known() -> None:
    assert check_addition("dtoverlay", "anything") == Addition("dtoverlay", "anything")


def test_additions_come_as_a_list_of_names_and_values() -> None:
    given_ = [{"name": "gpu_mem", "value": 64}, {"name": "enable_uart", "value": True}]
    kept = [{"name": "gpu_mem", "value": "64"}, {"name": "enable_uart", "value": "1"}]
    assert parse_additions(given_) == kept
    assert parse_additions(kept) == kept


@pytest.mark.parametrize(
    "given_",
    [None, {}, "gpu_mem=64", ["gpu_mem=64"], [{"name": "gpu_mem"}], [{"name": 1, "value": "1"}],
     [{"name": "x", "value": None}], [{"name": "x", "value": 1.5}], [{"name": "x", "value": ["1"]}],
     [{"name": "x", "value": "1", "more": "2"}], [{"name": "x", "value": "1"}] * 61],
)  # fmt: skip
def test_other_additions_are_refused(given_: object) -> None:
    with pytest.raises(ValidationError):
        parse_additions(given_)


def test_conditions_are_heeded() -> None:
    text = "gpu_mem=32\n[pi4]\ngpu_mem=64\n[pi5]\ngpu_mem=16\n[EDID=x]\ngpu_mem=99\n[all]\nenable_uart=1\n"
    assert effective(text, ("pi4",)) == {"gpu_mem": "64", "enable_uart": "1"}
    assert effective(text, ("pi3",)) == {"gpu_mem": "32", "enable_uart": "1"}
    assert effective(text, ("pi5",))["gpu_mem"] == "16"


def test_only_a_plain_folder_counts_as_prefix() -> None:
    assert os_prefix("os_prefix=current/") == "current/"
    assert [os_prefix(f"os_prefix={bad}") for bad in ("../x/", "/etc/", "a/b/", "..", "a..b/", "")] == [
        ""
    ] * 6
    assert effective(render_config("os_prefix=a/", Kernel(), prefix="a/"))["os_prefix"] == "a/"


def test_the_overlays_of_a_set_are_named_without_folder_and_ending() -> None:
    paths = [
        "overlays/vc4-kms-v3d.dtbo",
        "overlays/README",
        "overlays/x/y.dtbo",
        "x.dtbo",
        "current/overlays/z.dtbo",
    ]
    assert overlay_names(paths) == {"vc4-kms-v3d"}
    assert overlay_names(paths, "current/") == {"z"}


@given(st.text())
def test_no_value_leaves_its_line(text: str) -> None:
    try:
        made = line("x", text)
    except ValidationError:
        return
    assert made == f"x={escape(text)}"
    assert len(made) <= LINE_MAX
    assert len(text) <= VALUE_MAX
    assert made.splitlines() == [made]
    assert effective(render_config("", Kernel(), [Addition("x", text)])) == {"x": text}


@given(st.text())
def test_no_text_of_a_disk_undoes_our_block(text: str) -> None:
    made = render_config(text, Kernel(arm_64bit=True, file="vmlinuz"), [Addition("gpu_mem", "64")])
    for sections in ((), ("pi3",), ("pi4", "cm4"), ("pi5",)):
        found = effective(made, sections)
        assert (found["arm_64bit"], found["kernel"], found["gpu_mem"]) == ("1", "vmlinuz", "64")
