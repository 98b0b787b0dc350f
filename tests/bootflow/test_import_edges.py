"""Lists of devices as spreadsheets write them, and every mistake with its line."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootflow.importing import SHOWN_MISTAKES, import_devices
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, StorageNode
from netboot_site.errors import OrchestratorError, ValidationError

pytestmark = pytest.mark.django_db
HEAD = "mac,name,device_type"
SPELLINGS = ["52:54:00:ab:cd:01", "52-54-00-AB-CD-01", "5254.00ab.cd01", "525400ABCD01", " 525400abcd01 "]


def run(text: str) -> int:
    return len(import_devices(lines=text.splitlines(keepends=True)))


def refused(text: str) -> str:
    with pytest.raises(ValidationError) as error:
        run(text)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{HEAD}\n", []),
        (f"{HEAD}\r\n525400000001,a,x64\r\n", ["a"]),
        (f"{HEAD}\n\n525400000001,a,x64\n\n\n525400000002,b,x64", ["a", "b"]),
        ("device_type,name,mac\nx86,a,525400000001\n", ["a"]),
        (f'{HEAD}\n525400000001,"a, b",x64\n', ["a, b"]),
        (f'{HEAD}\n525400000001,"say ""a""",x64\n', ['say "a"']),
        (f"{HEAD}\n 52:54:00:00:00:01 ,  a  , x64 \n", ["a"]),
        (f"{HEAD},group\n525400000001,\u00fcber,x64,B\u00fcro\n", ["\u00fcber"]),
        (f"{HEAD},image,group\n525400000001,a,x64\n", ["a"]),
        (f"{HEAD}\n525400000001,{'x' * 200},x64\n", ["x" * 200]),
    ],
)
def test_a_list_comes_in_however_it_is_written(text: str, names: list[str]) -> None:
    assert run(text) == len(names)
    assert list(Device.objects.order_by("mac").values_list("name", flat=True)) == names
    assert set(Device.objects.values_list("state", flat=True)) <= {DeviceState.ENROLLED}


@pytest.mark.parametrize(
    ("first", "second"), [pair for pair in product(SPELLINGS, SPELLINGS) if pair[0] != pair[1]]
)
def test_one_address_in_two_spellings_is_one_too_many(first: str, second: str) -> None:
    said = refused(f"{HEAD}\n{first},a,x64\n\n{second},b,x64\n")
    assert said == "Nothing was imported. line 4: 52:54:00:ab:cd:01 stands in line 2 already."
    assert not Device.objects.exists()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("hello,a,x64", "This is no MAC address"),
        (",a,x64", "This is no MAC address"),
        ("01:00:5e:00:00:01,a,x64", "multicast"),
        ("000000000000,a,x64", "all zeros"),
        ("525400000002,,x64", "A name is needed."),
        ('525400000002,"a\nb",x64', "one line"),
        ("525400000002,${x},x64", "boot scripts"),
        (f"525400000002,{'x' * 201},x64", "at most 200"),
        ("525400000002,a,", "A device type is one of raspi, x86, x64."),
        ("525400000002,a,X64", "A device type is one of"),
        ("525400000002", "A device type is one of"),
        ("525400000002,a,x64,extra", "more fields than there are columns"),
        ("525400000002,a\0b,x64", "one line"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_nothing_comes_in(row: str, said: str) -> None:
    told = refused(f"{HEAD}\n525400000001,good,x64\n{row}\n525400000003,good too,x64\n")
    assert told.startswith("Nothing was imported. line ")
    assert said in told
    assert "line 2:" not in told
    assert not Device.objects.exists()


@pytest.mark.parametrize(
    "head", ["", "mac;name;device_type", "mac,name,device_type,", "Mac,Name,Type", "a,b"]
)
def test_a_first_line_that_names_no_columns_is_refused(head: str) -> None:
    assert "The first line names the columns" in refused(f"{head}\n525400000001,a,x64\n")


def test_of_very_many_mistakes_the_first_are_told_and_the_rest_counted() -> None:
    said = refused(HEAD + "\n" + "bad,a,x64\n" * (SHOWN_MISTAKES + 3))
    assert said.count("line ") == SHOWN_MISTAKES
    assert said.endswith("; and 3 more")
    assert "more" not in refused(HEAD + "\n" + "bad,a,x64\n" * SHOWN_MISTAKES)


def test_a_group_that_is_there_is_used_and_made_once_otherwise() -> None:
    there = Group.objects.create(name="Lab")
    run(f"{HEAD},group\n525400000001,a,x64,Lab\n525400000002,b,x64,New\n525400000003,c,x64, New \n")
    assert list(Group.objects.order_by("name").values_list("name", flat=True)) == ["Lab", "New"]
    assert there.devices.get().name == "a"


@pytest.mark.parametrize("image", ["none", "a\0b", "raspi-disk"])
def test_a_disk_that_cannot_be_given_undoes_groups_and_devices(node: StorageNode, image: str) -> None:
    Image.objects.create(
        id="raspi-disk", name="P", size_bytes=1, device_type="raspi", node=node, state="ready"
    )
    said = refused(f"{HEAD},group,image\n525400000001,a,x64,Lab,{image}\n")
    assert "line 2:" in said
    assert not Device.objects.exists()
    assert not Group.objects.exists()
    assert not Export.objects.exists()


def test_a_device_that_is_registered_stays_as_it_is(device: Device) -> None:
    said = refused(f"{HEAD}\n525400123456,other,raspi\n525400000001,a,x64\n")
    assert said == "Nothing was imported. line 2: 52:54:00:12:34:56 is registered already."
    assert Device.objects.get().name == "pc-07"


cells = st.sampled_from(["525400000001", "mac", "a", "x64", "", '"', "\0", "\n", "\r", ",", "${", "\ud800"])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(cells | st.text(max_size=5), max_size=12))
def test_any_text_is_imported_or_refused_in_words(parts: list[str]) -> None:
    said, before = "", Device.objects.count()
    try:
        run(f"{HEAD}\n{','.join(parts)}\n")
    except OrchestratorError as error:
        said = str(error)
    came = Device.objects.count() - before
    Device.objects.all().delete()
    assert not (said and came), "something came in although the list was refused"
