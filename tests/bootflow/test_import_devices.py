"""`manage.py import_devices`: all of a CSV file, or none and the line of each mistake."""

from __future__ import annotations

import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from devices.models import Device, DeviceState, Group
from images.models import Export, Image, StorageNode
from images.services import create_image
from tests.images.rows import publish, settle

pytestmark = pytest.mark.django_db
HEAD = "mac,name,device_type,group,image\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "devices.csv"


def run(file: Path, text: str | bytes) -> str:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    out = StringIO()
    call_command("import_devices", str(file), stdout=out)
    return out.getvalue()


def test_devices_come_in_with_their_group_and_disk(file: Path, node: StorageNode) -> None:
    Image.objects.create(id="d", name="D", size_bytes=1, device_type="x64", node=node, state="ready")
    text = f"{HEAD}52-54-00-00-00-01,pc 1,x64,Room 1,d\n525400000002,pc 2,x86,,\n"
    assert run(file, text) == "2 devices imported.\n"
    first, second = Device.objects.order_by("mac")
    assert (first.name, first.device_type, first.state) == ("pc 1", "x64", DeviceState.ENROLLED)
    assert (str(first.group), second.group) == ("Room 1", None)
    assert Export.objects.get().device == first


def test_the_last_two_columns_may_miss_and_a_byte_order_mark_may_stand_before(file: Path) -> None:
    run(file, b"\xef\xbb\xbfmac,name,device_type\r\n525400000001,pc,x64\r\n")
    assert Device.objects.count() == 1


def test_a_discovered_device_becomes_known(file: Path) -> None:
    Device.objects.create(
        mac="52:54:00:00:00:01", device_type="x86", state=DeviceState.DISCOVERED, facts={"serial": "1"}
    )
    run(file, f"{HEAD}525400000001,pc,x64,,\n")
    device = Device.objects.get()
    assert (device.state, device.name, device.facts) == (DeviceState.ENROLLED, "pc", {"serial": "1"})


def test_a_serial_comes_in_with_its_device_and_one_that_was_told_stays_without(file: Path) -> None:
    Device.objects.create(
        mac="dc:a6:32:00:00:02", device_type="raspi", state=DeviceState.DISCOVERED, serial="1c2d3e4f"
    )
    rows = "b827eb6c4c16,pi 1,raspi,0xB66C4C16\ndca632000002,pi 2,raspi,\n525400000001,pc,x64,any 5CG1\n"
    run(file, f"mac,name,device_type,serial\n{rows}")
    serials = dict(Device.objects.values_list("name", "serial"))
    assert serials == {"pi 1": "b66c4c16", "pi 2": "1c2d3e4f", "pc": "any 5CG1"}
    run(file, "mac,name,device_type,serial\ndca632000003,pi 3,raspi,00000000deadbeef\n")
    assert Device.objects.get(name="pi 3").serial == "00000000deadbeef"


@pytest.mark.parametrize("serial", ["b66c4c1", "zz6c4c16", "00000000", "b6000000"])
def test_a_serial_that_is_none_of_this_board_refuses_the_whole(file: Path, serial: str) -> None:
    with pytest.raises(CommandError, match=r"line 2: .*serial"):
        run(file, f"mac,name,device_type,serial\nb827eb6c4c16,pi,raspi,{serial}\n")
    assert not Device.objects.exists()


def test_every_bad_line_is_named_and_nothing_comes_in(file: Path) -> None:
    Device.objects.create(mac="52:54:00:00:00:07", device_type="x64", name="old")
    text = (
        f"{HEAD}525400000001,good,x64,Room,\nhello,pc,x64,,\n525400000003,,x64,,\n525400000004,pc,toaster,,\n"
        "52:54:00:00:00:01,twice,x64,,\n525400000007,taken,x64,,\n525400000008,a,x64,b,c,d\n"
    )
    with pytest.raises(CommandError) as refused:
        run(file, text)
    said = str(refused.value)
    for line in (3, 4, 5, 6, 7, 8):
        assert f"line {line}:" in said
    assert "line 2:" not in said
    assert "stands in line 2 already" in said
    assert Device.objects.count() == 1
    assert not Group.objects.exists()


@pytest.mark.parametrize("image", ["none", "d"])
def test_a_disk_that_cannot_be_given_refuses_the_whole(file: Path, node: StorageNode, image: str) -> None:
    Image.objects.create(id="d", name="D", size_bytes=1, device_type="x64", node=node, state="ready")
    rows = f"525400000001,pc 1,x64,,{image}\n525400000002,pc 2,x64,,{image}\n"
    with pytest.raises(CommandError, match="line 3:"):
        run(file, HEAD + rows)
    assert not Device.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "hello\n", "mac,name\n", "mac,name,device_type,color\n", b"\xff\xfe\x00", "\0"]
)
def test_a_file_that_is_no_list_of_devices_is_refused(file: Path, text: str | bytes) -> None:
    with pytest.raises(CommandError):
        run(file, text)


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(CommandError, match=r"devices\.csv"):
        call_command("import_devices", str(file))


def test_ten_thousand_devices_come_in_within_seconds(file: Path) -> None:
    rows = "".join(f"52540{n:07x},pc-{n},x64,room {n % 7},\n" for n in range(10_000))
    began = time.monotonic()
    run(file, HEAD + rows)
    assert Device.objects.count() == 10_000
    assert time.monotonic() - began < 15


DISKS = "mac,name,device_type,image,mode,persistence,version\n"


@pytest.fixture
def lab(node: StorageNode) -> Image:
    image = create_image(image_id="lab", name="Lab", size_bytes=2**30, device_type="x64")
    settle()
    publish(image)
    return image


def test_a_classroom_comes_in_with_its_overlays(file: Path, lab: Image) -> None:
    text = f"{DISKS}525400000001,a,x64,lab,overlay,reset,latest\n525400000002,b,x64,lab,overlay,,1\n"
    assert run(file, f"{text}525400000003,c,x64,lab,,,\n") == "3 devices imported.\n"
    shown = Export.objects.order_by("device__mac").values_list("mode", "persistence", "follows")
    assert list(shown) == [
        ("overlay", "reset", "latest"), ("overlay", "keep", "pinned"), ("exclusive", "keep", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("disk", "why"),
    [("lab,shared,,", "A mode is one of"), ("lab,overlay,often,", "A persistence is one of"),
     ("lab,overlay,,9", "no version 9"), ("lab,,reset,", "say mode=overlay"),
     (",overlay,,", "name its image"),
     ("lab,overlay,,x\0", "A version is a number")],
)  # fmt: skip
def test_a_disk_that_cannot_be_given_names_its_line(file: Path, lab: Image, disk: str, why: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(file, f"{DISKS}525400000001,a,x64,lab,overlay,,\n525400000002,b,x64,{disk}\n")
    assert "line 3: " in str(refused.value)
    assert why in str(refused.value)
    assert (Device.objects.count(), Export.objects.count()) == (0, 0)
