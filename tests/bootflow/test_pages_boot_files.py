"""The page of the files that a Pi's firmware fetches: as they are made, and without the secret."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow.models import BootPlan
from bootflow.services import register_profile
from devices.models import Device, DeviceState
from images.models import BootFile, BootFiles, Export, Layer, StorageNode
from images.services import create_image
from tests.bootflow.test_pages_kernel_sets import PI_4, blob

MAC = "dc:a6:32:00:00:01"


@pytest.fixture
def pi(node: StorageNode) -> Device:
    create_image(image_id="kiosk", name="Kiosk", size_bytes=2**30, device_type="raspi")
    return register_profile(mac=MAC, device_type="raspi", name="signage", image_id="kiosk")


def read(**facts: object) -> None:
    """As the storage node reads the disk's boot partition."""
    now = timezone.now()
    told = {"cmdline": "console=tty1 root=PARTUUID=1-02 quiet", "config": "arm_64bit=1\n", **facts}
    BootFiles.objects.all().delete()
    row = BootFiles.objects.create(
        layer=Layer.objects.get(), wanted_at=now, read_at=now, state="ready", facts=told
    )
    for path in (*PI_4, "initramfs8", "overlays/disable-bt.dtbo", "pieeprom.upd"):
        BootFile.objects.create(boot_files=row, path=path, blob=blob("e", 2048))


def page_of(client: Client, mac: str = MAC) -> str:
    answer = client.get(f"/devices/{mac}/boot-files/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_lines_of_a_device_are_shown_with_its_secret_masked(viewer_client: Client, pi: Device) -> None:
    read(initramfs=[{"file": "initramfs8", "iscsi": "added"}])
    page = page_of(viewer_client)
    assert "root=PARTUUID=1-02" in page
    assert "iscsi_target_name=iqn.2026-02.local.netboot:kiosk" in page
    assert "iscsi_password=***" in page
    assert Export.objects.get().chap_secret not in page


def test_the_secret_is_masked_where_dracut_has_it_in_an_address(viewer_client: Client, pi: Device) -> None:
    read(initramfs=[{"file": "initramfs8", "iscsi": "dracut"}])
    page = page_of(viewer_client)
    assert "netroot=iscsi:" in page
    assert Export.objects.get().chap_secret not in page


def test_its_own_additions_stand_at_the_end_of_config_txt(operator_client: Client, pi: Device) -> None:
    read()
    BootPlan.objects.update(config_additions=[{"name": "gpu_mem", "value": "64"}])
    config = page_of(operator_client).split("<h3>config.txt</h3>")[1].split("</pre>")[0]
    assert config.index("arm_64bit=1") < config.index("gpu_mem=64")


def test_all_other_files_are_listed_but_not_what_rewrites_a_bootloader(
    operator_client: Client, pi: Device
) -> None:
    read()
    page = page_of(operator_client)
    assert "initramfs8" in page
    assert "disable-bt.dtbo" in page
    assert "2 KiB" in page
    assert "pieeprom.upd" not in page


def test_files_that_rewrite_its_bootloader_are_told_while_they_are_there(
    operator_client: Client, pi: Device
) -> None:
    read()
    BootPlan.objects.update(bootloader_update=True)
    assert "rewrites its bootloader from pieeprom.upd" in page_of(operator_client)


def test_a_device_whose_disk_is_still_to_be_read_says_so(operator_client: Client, pi: Device) -> None:
    assert "The boot partition of its disk is being read." in page_of(operator_client)


def test_a_disabled_pi_is_served_nothing(operator_client: Client, pi: Device) -> None:
    read()
    Device.objects.update(state=DeviceState.DISABLED)
    assert "signage is disabled: it has no tree of boot files." in page_of(operator_client)


def test_a_pc_has_no_such_page(operator_client: Client, pi: Device) -> None:
    register_profile(mac="52:54:00:00:00:01", device_type="x64", name="pc")
    assert operator_client.get("/devices/52:54:00:00:00:01/boot-files/").status_code == 404


def test_the_page_takes_as_many_queries_whatever_the_number_of_files_and_of_pis(
    operator_client: Client, pi: Device
) -> None:
    def queries() -> int:
        page_of(operator_client)
        with CaptureQueriesContext(connection) as seen:
            page_of(operator_client)
        return len(seen)

    read()
    before = queries()
    row = BootFiles.objects.get()
    for number in range(40):
        BootFile.objects.create(boot_files=row, path=f"overlays/o{number}.dtbo", blob=blob("a"))
        mac = f"dc:a6:32:00:01:{number:02x}"
        register_profile(mac=mac, device_type="raspi", name=f"pi-{number}")
    assert queries() == before
    assert before <= 16
