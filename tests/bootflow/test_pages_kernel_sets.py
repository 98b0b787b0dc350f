"""Pages of kernel sets: what they hold, where it comes from, and what a person may do to them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow.models import BootPlan, KernelSet, KernelSetFile
from bootflow.services import register_profile
from devices.models import Device
from images.models import Blob, BootFile, BootFiles, Image, Layer, StorageNode
from images.services import create_image
from images.services.blobs import store_blob

MAC = "dc:a6:32:00:00:01"


def blob(letter: str, size_bytes: int = 1024) -> Blob:
    return Blob.objects.get_or_create(sha256=letter * 64, defaults={"size_bytes": size_bytes})[0]


def own_set(name: str, *paths: str) -> KernelSet:
    kernel_set = KernelSet.objects.create(name=name)
    for number, path in enumerate(paths):
        KernelSetFile.objects.create(kernel_set=kernel_set, path=path, blob=blob("abcdef"[number % 6]))
    return kernel_set


def image_set(node: StorageNode, name: str, *paths: str, state: str = "ready") -> KernelSet:
    image = create_image(image_id=name, name=f"Image {name}", size_bytes=2**30, device_type="raspi")
    layer = Layer.objects.get(image=image)
    now = timezone.now()
    read = BootFiles.objects.create(
        layer=layer, wanted_at=now, read_at=now, state=state, last_error="" if paths else "It has no kernel.",
        facts={"warnings": ["There is a swap partition."]},
    )  # fmt: skip
    for path in paths:
        BootFile.objects.create(boot_files=read, path=path, blob=blob("e", 9 * 2**20))
    return KernelSet.objects.create(name=name, image=image, is_of_image=True)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_tells_how_much_is_in_each_set_and_where_it_comes_from(
    operator_client: Client, node: StorageNode
) -> None:
    own_set("rpi-6.12", "start4.elf", "kernel8.img", "overlays/vc4.dtbo")
    image_set(node, "pi-os", "kernel8.img")
    page = text_of(operator_client, "/kernel-sets/")
    assert "uploaded" in page
    assert "3.0 KiB" in page or "3 KiB" in page
    assert "Image pi-os" in page
    assert "9 MiB" in page


def test_the_default_set_comes_first_and_is_marked(operator_client: Client, db: None) -> None:
    own_set("a-set")
    page = text_of(operator_client, "/kernel-sets/")
    assert page.index("/kernel-sets/default/") < page.index("/kernel-sets/a-set/")
    assert page.count("the default set") == 1


def test_a_set_lists_its_files_by_folder(operator_client: Client, db: None) -> None:
    own_set("rpi", "start4.elf", "overlays/vc4.dtbo", "overlays/README")
    page = text_of(operator_client, "/kernel-sets/rpi/")
    assert "start4.elf" in page
    assert "a" * 64 in page
    folder = page.split("overlays/</span>")[1]
    assert "2 files" in folder
    assert "vc4.dtbo" in folder


def test_a_set_of_an_image_shows_what_was_read_of_it_and_has_a_command_line_of_its_own(
    operator_client: Client, node: StorageNode
) -> None:
    image_set(node, "pi-os", "kernel8.img")
    page = text_of(operator_client, "/kernel-sets/pi-os/")
    assert 'href="/images/pi-os/"' in page
    assert "There is a swap partition." in page
    assert "/kernel-sets/pi-os/upload/" not in page
    assert "/kernel-sets/pi-os/delete/" not in page
    assert operator_client.post("/kernel-sets/pi-os/delete/").status_code == 422
    assert operator_client.post("/kernel-sets/pi-os/edit/", {"cmdline": "quiet"}).status_code == 302
    assert KernelSet.objects.get(name="pi-os").cmdline == "quiet"
    assert "Command line changed from none to quiet" in text_of(operator_client, "/kernel-sets/pi-os/")


def test_a_partition_that_cannot_be_read_says_why(operator_client: Client, node: StorageNode) -> None:
    image_set(node, "pi-os", state="failed")
    page = text_of(operator_client, "/kernel-sets/pi-os/")
    assert "Cannot be read" in page
    assert "It has no kernel." in page


def test_of_an_image_the_newest_partition_that_could_be_read_is_shown(
    operator_client: Client, node: StorageNode
) -> None:
    image_set(node, "pi-os", "kernel8.img")
    image = Image.objects.get()
    newer = Layer.objects.create(image=image, number=9, size_bytes=2**30, format="raw")
    BootFiles.objects.create(layer=newer, wanted_at=timezone.now() + timedelta(days=1))
    assert "kernel8.img" in text_of(operator_client, "/kernel-sets/pi-os/")


def test_a_set_names_the_devices_that_chose_it(operator_client: Client, db: None) -> None:
    own_set("rpi")
    device = register_profile(mac=MAC, device_type="raspi", name="kiosk", kernel_set="rpi")
    page = text_of(operator_client, "/kernel-sets/rpi/")
    assert f"/devices/{device.mac}/" in page
    assert "1 device<" in page


def test_a_set_of_an_image_names_the_devices_that_boot_it(operator_client: Client, node: StorageNode) -> None:
    image_set(node, "pi-os", "kernel8.img")
    register_profile(mac=MAC, device_type="raspi", name="kiosk", image_id="pi-os")
    page = text_of(operator_client, "/kernel-sets/pi-os/")
    assert f"/devices/{MAC}/" in page
    assert "1 device<" in page


@pytest.mark.parametrize("path", ["/kernel-sets/", "/kernel-sets/set-1/", "/kernel-sets/image-1/"])
def test_fifty_sets_take_as_many_queries_as_one(
    operator_client: Client, node: StorageNode, path: str
) -> None:
    def make(number: int) -> None:
        own_set(f"set-{number}", *[f"file-{n}" for n in range(number)])
        image_set(node, f"image-{number}", "kernel8.img", "config.txt")
        mac = f"dc:a6:32:00:00:{number:02x}"
        register_profile(mac=mac, device_type="raspi", name=f"pi-{number}", kernel_set="set-1")

    def queries() -> int:
        operator_client.get(path)
        with CaptureQueriesContext(connection) as seen:
            text_of(operator_client, path)
        return len(seen)

    make(1)
    one = queries()
    for number in range(2, 25):
        make(number)
    assert queries() == one
    assert one <= 12, f"{path} takes {one} queries"


def test_a_set_is_made_changed_and_deleted(operator_client: Client, db: None) -> None:
    answer = operator_client.post("/kernel-sets/_new/", {"name": "nfs", "cmdline": "root=/dev/nfs ip=dhcp"})
    assert (answer.status_code, answer["Location"]) == (302, "/kernel-sets/nfs/")
    assert KernelSet.objects.get(name="nfs").cmdline == "root=/dev/nfs ip=dhcp"
    operator_client.post("/kernel-sets/nfs/edit/", {"cmdline": "root=/dev/nfs rw"})
    assert KernelSet.objects.get(name="nfs").cmdline == "root=/dev/nfs rw"
    assert "The files" in text_of(operator_client, "/kernel-sets/nfs/delete/")
    assert operator_client.post("/kernel-sets/nfs/delete/").status_code == 302
    assert not KernelSet.objects.filter(name="nfs").exists()


def test_what_cannot_be_stands_beside_the_form_with_what_was_typed(operator_client: Client, db: None) -> None:
    own_set("nfs")
    for path, form in (
        ("/kernel-sets/_new/", {"name": "a/b", "cmdline": "kept"}),
        ("/kernel-sets/_new/", {"name": "nfs", "cmdline": "kept"}),
        ("/kernel-sets/nfs/edit/", {"cmdline": "kept ${x}"}),
        ("/kernel-sets/nfs/edit/", {"cmdline": "kept", "kernel_url": "two words"}),
    ):
        answer = operator_client.post(path, form)
        assert answer.status_code == 422, form
        assert "kept" in answer.content.decode()
    assert KernelSet.objects.get(name="nfs").cmdline == ""


def test_the_default_passes_on_and_keeps_the_rest_of_both_sets(operator_client: Client, db: None) -> None:
    KernelSet.objects.filter(name="default").update(cmdline="quiet")
    own_set("rpi")
    KernelSet.objects.filter(name="rpi").update(cmdline="console=tty1")
    operator_client.post("/kernel-sets/rpi/default/")
    assert list(KernelSet.objects.order_by("name").values_list("name", "is_default", "cmdline")) == [
        ("default", False, "quiet"), ("rpi", True, "console=tty1"),
    ]  # fmt: skip


def test_a_set_that_a_device_has_is_not_deleted(operator_client: Client, db: None) -> None:
    own_set("rpi")
    device = register_profile(mac=MAC, device_type="raspi", name="kiosk")
    BootPlan.objects.filter(device=device).update(kernel_set="rpi")
    answer = operator_client.post("/kernel-sets/rpi/delete/")
    assert answer.status_code == 422
    assert "is used by 1 device" in answer.content.decode()
    assert Device.objects.get().boot_plan.kernel_set_id == "rpi"


@pytest.mark.parametrize("path", ["edit", "default", "delete", "_new"])
def test_a_viewer_changes_nothing(viewer_client: Client, path: str) -> None:
    own_set("rpi", "start4.elf")
    address = "/kernel-sets/_new/" if path == "_new" else f"/kernel-sets/rpi/{path}/"
    assert viewer_client.post(address, {"name": "x", "cmdline": "y"}).status_code == 403
    assert "Save" not in text_of(viewer_client, "/kernel-sets/rpi/")
    assert KernelSet.objects.filter(is_default=True).get().name == "default"


@pytest.mark.parametrize("name", ["none", "%00", "a%0Ab", "x" * 300])
def test_a_set_that_is_not_there_is_404(operator_client: Client, name: str) -> None:
    assert operator_client.get(f"/kernel-sets/{name}/").status_code == 404


PI_4 = ("start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb", "kernel8.img", "config.txt")


def models_of(page: str) -> dict[str, str]:
    """What the page says of each model that lacks something, and under `Boots` those that do not."""
    rows = page.split('id="models-title"')[1].split("</dl>")[0].split("<dt>")[1:]
    return {row.split("</dt>")[0]: row for row in rows}


def test_a_set_says_which_models_it_boots_and_what_others_lack_by_name(
    operator_client: Client, db: None
) -> None:
    own_set("rpi", *PI_4)
    models = models_of(text_of(operator_client, "/kernel-sets/rpi/"))
    assert "Raspberry Pi 4<" in models["Boots"]
    assert "Raspberry Pi 4" not in models
    assert "bcm2711-rpi-400.dtb" in models["Raspberry Pi 400"]
    assert "bootcode.bin" in models["Raspberry Pi 3"]
    page = text_of(operator_client, "/kernel-sets/")
    assert '<span class="model">Pi 4</span>' in page
    assert '<span class="model">Pi 400</span>' not in page


def test_a_set_that_boots_nothing_yet_tells_what_is_nearest(operator_client: Client, db: None) -> None:
    own_set("rpi", *PI_4[1:])
    row = text_of(operator_client, "/kernel-sets/").split("/kernel-sets/rpi/")[1].split("</tr>")[0]
    assert "<strong>Pi 4</strong> lacks" in row
    assert "start4.elf" in row
    assert "Files are missing" in row


def test_what_config_txt_asks_for_counts(operator_client: Client, db: None) -> None:
    digest = store_blob(source=b"[pi4]\nkernel=mine.img\n")
    own_set("rpi", *PI_4[:-1])
    KernelSetFile.objects.create(kernel_set_id="rpi", path="config.txt", blob_id=digest)
    models = models_of(text_of(operator_client, "/kernel-sets/rpi/"))
    assert "mine.img" in models["Raspberry Pi 4"], models
    assert "mine.img" not in models["Raspberry Pi 5"]


def test_a_disk_can_only_be_reached_with_an_initramfs(operator_client: Client, node: StorageNode) -> None:
    image_set(node, "pi-os", *PI_4)
    models = models_of(text_of(operator_client, "/kernel-sets/pi-os/"))
    assert "initramfs8" in models["Raspberry Pi 4"]
