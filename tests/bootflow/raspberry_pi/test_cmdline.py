"""The command line of a Raspberry Pi: one line, whatever its disk says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.cmdline import (
    FILE_MAX_BYTES,
    LINE_MAX_BYTES,
    Ours,
    Target,
    escape,
    is_ours,
    masked,
    render_cmdline,
    render_plain,
    words,
)
from netboot_site.errors import ValidationError

TARGET = Target(
    iqn="iqn.2026-02.local.netboot:pi-os", address="10.66.0.1", port=3260,
    initiator="iqn.2026-02.local.netboot:device.b827eb6c4c16", username="pi-os.a1b2c3",
    secret="Sesam0123456789a",
)  # fmt: skip
OURS = Ours("http://10.66.0.1:8080/boot/", "b8:27:eb:6c:4c:16")
STOCK = (
    "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes rootwait"
)
ISCSI = (
    "ip=dhcp iscsi_initiator=iqn.2026-02.local.netboot:device.b827eb6c4c16 "
    "iscsi_target_name=iqn.2026-02.local.netboot:pi-os iscsi_target_ip=10.66.0.1 iscsi_target_port=3260 "
    "iscsi_target_group=1 iscsi_username=pi-os.a1b2c3 iscsi_password=Sesam0123456789a"
)
SEGMENT = "boot=netboot netboot.url=http://10.66.0.1:8080/boot/ netboot.mac=b8:27:eb:6c:4c:16"
HOSTILE = st.text(
    st.sampled_from('ab=."\n\r\0 \tipboot-_,:netroot\u2028\x85é') | st.characters(codec="utf-8"), max_size=300
)
WORDS = st.lists(
    st.sampled_from(
        ["ip=off", "boot=local", 'x="a b"', 'x="y boot=nfs"', "--", "ISCSI_TARGET_IP=6.6.6.6", "quiet",
         "netroot=iscsi:x", "rd.iscsi.firmware=1", "root=/dev/nfs", "root=LABEL=x", '"', "netboot.url=x",
         "init=/usr/lib/raspberrypi-sys-mods/firstboot", "a\nb", "root=iscsi:u:p@1.2.3.4::3260:0:iqn.x"]
    )
).map(" ".join)  # fmt: skip


def rendered(base: str, *initramfs: str, root: str = "") -> str:
    return render_cmdline(base, TARGET, initramfs=initramfs, ours=OURS, root=root)


def test_a_stock_line_keeps_its_console_and_root_and_gains_the_disk() -> None:
    assert rendered(STOCK, "added") == f"{STOCK} {ISCSI} {SEGMENT}"


def test_an_image_with_open_iscsi_is_not_given_our_script() -> None:
    assert rendered(STOCK, "open-iscsi") == f"{STOCK} {ISCSI}"


def test_dracut_has_names_of_its_own() -> None:
    assert rendered(STOCK, "dracut") == (
        f"{STOCK} ip=dhcp netroot=iscsi:pi-os.a1b2c3:Sesam0123456789a@10.66.0.1::3260:1:"
        "iqn.2026-02.local.netboot:pi-os rd.iscsi.initiator=iqn.2026-02.local.netboot:device.b827eb6c4c16 "
        "rd.iscsi.param=node.session.timeo.replacement_timeout=86400 rd.neednet=1"
    )


@pytest.mark.parametrize(
    "word",
    ["ip=dhcp", "ip=10.0.0.1::::eth0:off", "nfsroot=10.0.0.1:/x,vers=3", "boot=live", "iscsi_auto",
     "ISCSI_USERNAME=x", "iscsi_target_ip=6.6.6.6", "netroot=iscsi:x", "rd.iscsi.firmware=1",
     "rd.iscsi.initiator=x", "rd.neednet=1", "init=/usr/lib/raspi-config/init_resize.sh",
     "init=/usr/lib/raspberrypi-sys-mods/firstboot", "netboot.url=http://6.6.6.6/", "netboot.mac=x",
     "root=/dev/nfs", "root=iscsi:6.6.6.6::3260:0:iqn.x", "Rd.Iscsi.Firmware=1", "rd.iscsi-firmware",
     'x="y boot=local"', '"boot=local"', "BOOTIF=01-aa"],
)  # fmt: skip
def test_what_would_lead_elsewhere_goes(word: str) -> None:
    assert is_ours(word)
    assert rendered(f"quiet {word} splash", "added") == f"quiet splash {ISCSI} {SEGMENT}"


@pytest.mark.parametrize(
    "word",
    ["console=ttyAMA0,115200", "root=LABEL=writable", "root=PARTUUID=0a-02", "rootfstype=ext4", "quiet",
     "init=/bin/systemd", "cfg80211.ieee80211_regdom=DE", "plymouth.ignore-serial-consoles", "bootdelay=3",
     'dyndbg="file x +p"', "ipv6.disable=1", "resize", "iscsifoo=1"],
)  # fmt: skip
def test_everything_else_stays(word: str) -> None:
    assert rendered(word, "added") == f"{word} {ISCSI} {SEGMENT}"


@pytest.mark.parametrize("end", ["--", '"--"', '" -- "'])
def test_what_is_meant_for_init_goes_or_ours_would_be_init_s_too(end: str) -> None:
    assert rendered(f"quiet {end} 3 single", "added") == f"quiet {ISCSI} {SEGMENT}"


@pytest.mark.parametrize(
    ("base", "root", "expected"),
    [
        ("root=/dev/mmcblk0p2 rw", "PARTUUID=4e-02", "rw root=PARTUUID=4e-02"),
        ("root=LABEL=x rw", "PARTUUID=4e-02", "root=LABEL=x rw"),
        ("rw", "LABEL=writable", "rw root=LABEL=writable"),
        ("root=/dev/mmcblk0p2", "", "root=/dev/mmcblk0p2"),
        ("root=/dev/mmcblk0p2", "/dev/sda2 init=/bin/sh", "root=/dev/mmcblk0p2"),
    ],
)
def test_a_root_named_by_its_device_becomes_one_that_is_found_anywhere(
    base: str, root: str, expected: str
) -> None:
    assert rendered(base, "added", root=root) == f"{expected} {ISCSI} {SEGMENT}"


def test_a_line_that_a_kernel_would_cut_is_refused_and_the_longest_is_not() -> None:
    room = LINE_MAX_BYTES - len(rendered("", "added").encode()) - 1
    longest = rendered("x" * room, "added")
    assert len(longest.encode()) + 1 == FILE_MAX_BYTES == 2048
    with pytest.raises(ValidationError, match=r"2048 bytes, and a kernel reads 2047: shorten"):
        rendered("x" * (room + 1), "added")


@pytest.mark.parametrize("value", ["", "a b", "a\nb", 'a"b', "é", "\0", "\x7f"])
def test_a_value_of_ours_that_would_end_its_word_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        escape(value)


def test_the_secret_is_masked_wherever_it_stands() -> None:
    line = rendered(STOCK, "added", "dracut")
    assert line.count(TARGET.secret) == 2
    shown = masked(line, TARGET.secret)
    assert (shown.count("***"), TARGET.secret in shown) == (2, False)
    assert masked(line, "") == line


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a  b\tc\nd", ["a", "b", "c", "d"]),
        ('x="a b" y', ['x="a b"', "y"]),
        ('x="a b', ["x=", "a", "b"]),
        ("caf\u00e9 ok", ["ok"]),
        ("\ufeffconsole=tty1", ["console=tty1"]),
        ("", []),
    ],
)
def test_a_line_is_taken_apart_as_a_kernel_does(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_without_a_disk_the_kernel_set_s_own_line_stands() -> None:
    nfs = "root=/dev/nfs nfsroot=10.0.0.1:/export/a,vers=3 ip=dhcp rw"
    assert render_plain(f" {nfs}\n") == nfs


@given(HOSTILE | WORDS)
def test_no_disk_makes_a_second_line_or_overrides_ours(base: str) -> None:
    line = rendered(base, "added")
    assert line.isascii()
    assert line.isprintable()
    assert line.endswith(f"{ISCSI} {SEGMENT}")
    before = line.removesuffix(f"{ISCSI} {SEGMENT}")
    assert before.count('"') % 2 == 0
    assert not [part for part in before.replace('"', " ").split() if is_ours(part)]
    assert "--" not in before.replace('"', " ").split()


@given(HOSTILE | WORDS)
def test_to_render_a_line_again_changes_nothing(base: str) -> None:
    once = rendered(base, "added", "dracut", root="PARTUUID=4e-02")
    assert rendered(once, "added", "dracut", root="PARTUUID=4e-02") == once
    plain = render_plain(base)
    assert render_plain(plain) == plain
