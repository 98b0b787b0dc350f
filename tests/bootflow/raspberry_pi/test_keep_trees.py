"""Trees under the TFTP root, made from rows in a real folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow.models import BootPlan, KernelSet, KernelSetFile, PiTree
from bootflow.raspberry_pi.keeping import GRACE_SECONDS, LOOK_PERIOD_SECONDS, TreeKeeper
from bootflow.services import delete_profile, update_profile
from devices.models import Device
from images.models import BootFiles, Export, Image, Layer, StorageNode
from images.services import unassign_image
from images.services.blobs import store_blob
from tests.bootflow.raspberry_pi.conftest import (
    MAC,
    SERIAL,
    STOCK_FILES,
    Time,
    give,
    head_of,
    read_partition,
    tree_of,
)
from tests.images.rows import publish, settle, write

MakePi = Callable[..., Device]
MakeImage = Callable[..., Image]
PI_3, PI_4 = "Raspberry Pi 3 Model B Rev 1.2", "Raspberry Pi 4 Model B Rev 1.4"


def names_in(keeper: TreeKeeper) -> list[str]:
    return sorted(path.name for path in keeper.folder.root.iterdir() if not path.name.startswith("."))


def line_of(keeper: TreeKeeper, name: str) -> str:
    return (keeper.folder.root / name / "cmdline.txt").read_text()


def upload(name: str, **files: bytes) -> KernelSet:
    kernel_set, _ = KernelSet.objects.get_or_create(name=name)
    for path, data in files.items():
        KernelSetFile.objects.update_or_create(
            kernel_set=kernel_set, path=path, defaults={"blob_id": store_blob(source=data)}
        )
    return kernel_set


def test_a_pi_is_served_by_its_serial_and_its_mac(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    pi = make_pi(MAC, SERIAL, PI_3)
    give(make_image(), pi)
    keeper.round()
    assert names_in(keeper) == [SERIAL, "b8-27-eb-6c-4c-16", "bootcode.bin"]
    for name in (SERIAL, "b8-27-eb-6c-4c-16"):
        tree = keeper.folder.root / name
        assert (tree / "kernel8.img").read_bytes() == STOCK_FILES["kernel8.img"]
        assert (tree / "overlays/vc4-kms-v3d.dtbo").read_bytes() == b"vc4"
        assert (tree / "config.txt").read_text().endswith("\n[all]\n# Added by Netboot Orchestrator "
                                                          "for this device.\narm_64bit=1\n")  # fmt: skip
    row = tree_of(pi)
    assert (row.state, row.names, row.missing, row.last_error) == (
        "ready", [SERIAL, "b8-27-eb-6c-4c-16"], [], "")  # fmt: skip
    assert row.boots == "pi-os over iSCSI"


def test_its_command_line_leads_to_its_disk_and_is_closed_to_others(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    export = give(make_image(), make_pi(MAC, SERIAL))
    keeper.round()
    line = line_of(keeper, SERIAL)
    for word in (
        "root=PARTUUID=4e-02", f"iscsi_target_name={export.iqn}", f"iscsi_initiator={export.initiator_name}",
        "iscsi_target_ip=10.66.0.1", "iscsi_target_port=3260", f"iscsi_username={export.chap_username}",
        f"iscsi_password={export.chap_secret}", "boot=netboot", f"netboot.mac={MAC}",
        "netboot.url=http://10.66.0.1:8080/boot/",
    ):  # fmt: skip
        assert word in line.split(), word
    assert line.count("\n") == 1
    tree = (keeper.folder.root / SERIAL).resolve()
    assert [oct((tree / name).stat().st_mode & 0o777) for name in ("cmdline.txt", "config.txt")] == [
        "0o640", "0o640"]  # fmt: skip
    holders = [path for path in keeper.folder.root.rglob("*") if path.is_file() and not path.is_symlink()
               and export.chap_secret.encode() in path.read_bytes()]  # fmt: skip
    assert holders == [tree / "cmdline.txt"]


def test_a_new_secret_is_served_at_once(keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage) -> None:
    export = give(make_image(), make_pi(MAC, SERIAL))
    keeper.round()
    Export.objects.filter(pk=export.pk).update(chap_secret="Neu0123456789abc")
    keeper.round()
    assert "iscsi_password=Neu0123456789abc" in line_of(keeper, SERIAL)
    assert export.chap_secret not in line_of(keeper, SERIAL)


@pytest.mark.parametrize("way", ["disabled", "deleted", "another type"])
def test_a_device_that_is_gone_loses_its_names_and_its_secret_at_once(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage, way: str
) -> None:
    pi = make_pi(MAC, SERIAL)
    give(make_image(), pi)
    keeper.round()
    if way == "disabled":
        update_profile(device=pi, enabled=False)
    elif way == "deleted":
        delete_profile(device=pi)
    else:
        unassign_image(image=Image.objects.get(), device=pi)
        update_profile(device=pi, device_type="x64")
    keeper.round()
    assert names_in(keeper) == ["bootcode.bin"]
    assert list((keeper.folder.root / ".trees").iterdir()) == []
    assert not PiTree.objects.exists()


def test_a_device_that_is_only_discovered_has_no_tree(keeper: TreeKeeper, make_pi: MakePi) -> None:
    pi = make_pi(MAC, SERIAL)
    Device.objects.filter(pk=pi.pk).update(state="discovered")
    keeper.round()
    assert (names_in(keeper), PiTree.objects.count()) == ([], 0)


def test_two_devices_with_one_serial_both_say_so_and_neither_gets_its_name(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    one, other = make_pi(MAC, SERIAL), make_pi("dc:a6:32:11:22:33", f"10000000{SERIAL}")
    for number, pi in enumerate((one, other)):
        give(make_image(f"disk-{number}"), pi)
    keeper.round()
    assert names_in(keeper) == ["b8-27-eb-6c-4c-16", "bootcode.bin", "dc-a6-32-11-22-33"]
    assert [tree_of(pi).state for pi in (one, other)] == ["conflict", "conflict"]
    assert f"Its serial ends in {SERIAL}, as that of {other.name}" in tree_of(one).last_error
    Device.objects.filter(pk=other.pk).update(serial="100000001c2d3e4f")
    keeper.round()
    assert names_in(keeper)[:2] == ["1c2d3e4f", "b66c4c16"]
    assert [tree_of(pi).state for pi in (one, other)] == ["ready", "ready"]


def test_a_tree_waits_until_the_boot_partition_has_been_read(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    pi = make_pi(MAC, SERIAL)
    image = make_image(files={})
    give(image, pi)
    keeper.round()
    assert (names_in(keeper), tree_of(pi).state) == ([], "waiting")
    assert tree_of(pi).last_error == "The boot partition of its disk is being read."
    BootFiles.objects.create(layer=head_of(image), wanted_at=timezone.now(), read_at=timezone.now(),
                             state="failed", last_error="The file system is damaged.")  # fmt: skip
    keeper.round()
    assert tree_of(pi).last_error == "The file system is damaged."
    read_partition(head_of(image), STOCK_FILES)
    keeper.round()
    assert tree_of(pi).state == "ready"


def test_a_partition_that_is_read_again_is_served_anew(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    image, pi = make_image(), make_pi(MAC, SERIAL)
    give(image, pi)
    keeper.round()
    read_partition(head_of(image), {**STOCK_FILES, "kernel8.img": b"a newer kernel"})
    keeper.round()
    assert (keeper.folder.root / SERIAL / "kernel8.img").read_bytes() == b"a newer kernel"


def test_what_is_old_goes_after_a_while_and_not_before(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage, clock: Time
) -> None:
    image = make_image()
    give(image, make_pi(MAC, SERIAL))
    keeper.round()
    read_partition(head_of(image), {**STOCK_FILES, "kernel8.img": b"a newer kernel"})
    keeper.round()
    kept = {name: len(list((keeper.folder.root / name).iterdir())) for name in (".sets", ".trees")}
    assert kept == {".sets": 2, ".trees": 2}
    clock.now += GRACE_SECONDS + 1
    keeper.round()
    kept = {name: len(list((keeper.folder.root / name).iterdir())) for name in (".sets", ".trees")}
    assert kept == {".sets": 1, ".trees": 1}
    contents = {path.read_bytes() for path in (keeper.folder.root / ".store").iterdir()}
    assert STOCK_FILES["kernel8.img"] not in contents
    assert (keeper.folder.root / SERIAL / "kernel8.img").read_bytes() == b"a newer kernel"


def test_a_storage_node_without_an_address_is_waited_for(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage, node: StorageNode
) -> None:
    pi = make_pi(MAC, SERIAL)
    give(make_image(), pi)
    StorageNode.objects.update(portal_address=None)
    keeper.round()
    assert (names_in(keeper), tree_of(pi).state) == (["bootcode.bin"], "waiting")
    assert tree_of(pi).last_error == "The storage node has told no address yet."


def test_missing_files_are_named_before_a_pi_tries(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    pi = make_pi(MAC, SERIAL, PI_4)
    files = {path: data for path, data in STOCK_FILES.items() if path not in {"start4.elf", "initramfs8"}}
    give(make_image(files=files), pi)
    keeper.round()
    assert (tree_of(pi).state, tree_of(pi).missing) == ("incomplete", ["start4.elf", "initramfs8"])
    assert SERIAL in names_in(keeper), "what is there is served all the same"


def test_an_initramfs_that_could_not_be_helped_says_why(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    pi = make_pi(MAC, SERIAL)
    facts = {"initramfs": [{"file": "initramfs8", "iscsi": "missing"}], "warnings": ["It has no modules."]}
    give(make_image(**facts), pi)
    keeper.round()
    assert (tree_of(pi).state, tree_of(pi).last_error) == ("incomplete", "It has no modules.")


def test_a_pi_without_a_disk_has_no_tree_and_says_so(keeper: TreeKeeper, make_pi: MakePi) -> None:
    pi = make_pi(MAC, SERIAL)
    keeper.round()
    row = tree_of(pi)
    assert (names_in(keeper), row.state, row.boots) == ([], "waiting", "The waiting system")
    assert row.last_error.startswith("No disk is assigned")


def test_an_overlay_boots_the_files_of_its_own_layer_once_they_were_read(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    image, pi = make_image(), make_pi(MAC, SERIAL)
    version = publish(image)
    read_partition(Layer.objects.get(pk=version.layer_id), {**STOCK_FILES, "kernel8.img": b"version 1"})
    export = give(image, pi, mode="overlay")
    settle()
    kernel = keeper.folder.root / SERIAL / "kernel8.img"
    keeper.round()
    assert kernel.read_bytes() == b"version 1"
    assert f"iscsi_target_name={export.iqn}" in line_of(keeper, SERIAL)
    layer = Export.objects.get(pk=export.pk).layer
    assert layer is not None
    read_partition(write(layer), {**STOCK_FILES, "kernel8.img": b"its own"})
    keeper.round()
    assert kernel.read_bytes() == b"its own"
    Export.objects.filter(pk=export.pk).update(persistence="reset")
    keeper.round()
    assert kernel.read_bytes() == b"version 1"


def test_an_overlay_that_is_to_move_boots_the_version_that_it_moves_to(
    keeper: TreeKeeper, make_pi: MakePi, make_image: MakeImage
) -> None:
    image, pi = make_image(), make_pi(MAC, SERIAL)
    for number in (1, 2):
        version = publish(image)
        data = f"version {number}".encode()
        read_partition(Layer.objects.get(pk=version.layer_id), {**STOCK_FILES, "kernel8.img": data})
        if number == 1:
            export = give(image, pi, mode="overlay")
            settle()
    keeper.round()
    kernel = keeper.folder.root / SERIAL / "kernel8.img"
    assert kernel.read_bytes() == b"version 1"
    Export.objects.filter(pk=export.pk).update(observed_stale=True)
    keeper.round()
    assert kernel.read_bytes() == b"version 2"


def test_an_image_brings_its_kernel_set_and_takes_it_along(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi
) -> None:
    KernelSet.objects.create(name="taken")
    for name in ("pi-os", "taken", "unread"):
        make_image(name, **({"files": {}} if name == "unread" else {}))
    keeper.round()
    rows = KernelSet.objects.exclude(image=None).values_list("name", "image_id", "is_of_image")
    assert sorted(rows) == [("pi-os", "pi-os", True), ("taken-2", "taken", True)]
    update_profile(device=make_pi(MAC), kernel_set="pi-os")
    Image.objects.all().delete()
    keeper.round()
    assert sorted(KernelSet.objects.values_list("name", flat=True)) == ["default", "pi-os", "taken"]
    update_profile(device=Device.objects.get(), kernel_set="default")
    keeper.round()
    assert sorted(KernelSet.objects.values_list("name", flat=True)) == ["default", "taken"]


def test_a_device_s_own_choice_boots_its_disk_with_that_set_s_kernel(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi
) -> None:
    kernel_set = upload(
        "mine", **{"vmlinuz": b"my kernel", "initrd.img": b"mine", "config.txt": b"gpu_mem=64\n"}
    )
    KernelSet.objects.filter(pk=kernel_set.pk).update(
        kernel_url="/vmlinuz", initramfs_url="initrd.img", cmdline="quiet root=LABEL=x"
    )
    pi = make_pi(MAC, SERIAL, kernel_set="mine")
    give(make_image(), pi)
    keeper.round()
    tree = keeper.folder.root / SERIAL
    assert (tree / "vmlinuz").read_bytes() == b"my kernel"
    config = (tree / "config.txt").read_text()
    assert config.startswith("gpu_mem=64\n")
    assert config.endswith("kernel=vmlinuz\ninitramfs initrd.img followkernel\n")
    assert line_of(keeper, SERIAL).startswith("quiet root=LABEL=x ip=dhcp iscsi_initiator=")
    assert "boot=netboot" not in line_of(keeper, SERIAL)
    assert tree_of(pi).boots == "pi-os over iSCSI, with the kernel set mine"


def test_another_image_s_set_boots_the_device_s_own_root(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi
) -> None:
    make_image("other", cmdline="console=tty3 root=PARTUUID=other-02")
    keeper.round()
    pi = make_pi(MAC, SERIAL, kernel_set="other")
    give(make_image(), pi)
    keeper.round()
    assert line_of(keeper, SERIAL).startswith("console=tty3 root=PARTUUID=4e-02 ip=dhcp")


def test_the_default_set_s_files_boot_a_pi_that_has_no_disk(keeper: TreeKeeper, make_pi: MakePi) -> None:
    upload("default", **STOCK_FILES)
    nfs = "root=/dev/nfs nfsroot=10.0.0.1:/x,vers=3 ip=dhcp rw"
    pi = make_pi(MAC, SERIAL, PI_4)
    keeper.round()
    tree = keeper.folder.root / SERIAL
    assert (tree / "cmdline.txt").read_bytes() == STOCK_FILES["cmdline.txt"]
    KernelSet.objects.filter(name="default").update(cmdline=nfs)
    keeper.round()
    assert line_of(keeper, SERIAL) == f"{nfs}\n"
    assert (tree_of(pi).state, tree_of(pi).boots) == ("ready", "The kernel set default")
    upload("default", **{"kernel8.img": b"replaced"})
    keeper.round()
    assert (tree / "kernel8.img").read_bytes() == b"replaced"
    KernelSetFile.objects.filter(path="kernel8.img").delete()
    keeper.round()
    assert (tree_of(pi).state, tree_of(pi).missing) == ("incomplete", ["kernel8.img"])


def test_a_device_s_additions_are_the_last_word(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi
) -> None:
    pi = make_pi(MAC, SERIAL)
    give(make_image(), pi)
    additions = [{"name": "gpu_mem", "value": "128"}, {"name": "dtoverlay", "value": "vc4-kms-v3d"},
                 {"name": "dtoverlay", "value": "gone"}]  # fmt: skip
    BootPlan.objects.filter(device=pi).update(config_additions=additions)
    keeper.round()
    config = (keeper.folder.root / SERIAL / "config.txt").read_text()
    assert config.endswith("arm_64bit=1\ngpu_mem=128\ndtoverlay=vc4-kms-v3d\n")
    assert "no overlays/gone.dtbo" in tree_of(pi).last_error
    assert tree_of(pi).state == "ready"


def test_bootloader_files_are_linked_for_the_one_device_that_is_to_be_updated(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi
) -> None:
    upload("default", **STOCK_FILES)
    one, other = make_pi(MAC, SERIAL), make_pi("dc:a6:32:11:22:33", "1c2d3e4f")
    BootPlan.objects.update_or_create(device=one, defaults={"bootloader_update": True})
    keeper.round()
    found = sorted(path.relative_to(keeper.folder.root).as_posix() for path in keeper.folder.root.rglob("*")
                   if path.name.startswith(("pieeprom", "recovery")))  # fmt: skip
    folder = (keeper.folder.root / SERIAL).resolve().relative_to(keeper.folder.root)
    assert found == [f"{folder}/{name}" for name in ("pieeprom.sig", "pieeprom.upd", "recovery.bin")]
    assert (keeper.folder.root / SERIAL / "pieeprom.upd").read_bytes() == b"eeprom"
    BootPlan.objects.filter(device=one).update(bootloader_update=False)
    keeper.round()
    assert not (keeper.folder.root / SERIAL / "pieeprom.upd").exists()
    assert other.pi_tree.names == ["1c2d3e4f", "dc-a6-32-11-22-33"]


def test_files_below_a_prefix_have_our_command_line_there_too(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi
) -> None:
    files = {"config.txt": b"", "current/vmlinuz": b"k", "current/cmdline.txt": b"root=LABEL=x",
             "current/overlays/README": b"", "start4.elf": b"s"}  # fmt: skip
    give(make_image(files=files, config="os_prefix=current/\nkernel=vmlinuz\n"), make_pi(MAC, SERIAL))
    keeper.round()
    tree = keeper.folder.root / SERIAL
    assert (tree / "current/cmdline.txt").read_text() == (tree / "cmdline.txt").read_text()
    assert (tree / "current/vmlinuz").read_bytes() == b"k"
    assert (tree / "current/overlays").readlink().parts[:3] == ("..", "..", "..")


def test_names_are_found_in_the_small_letters_that_firmware_asks_for(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi
) -> None:
    give(make_image(files={"START4.ELF": b"s", "Overlays/X.dtbo": b"x"}), make_pi(MAC, SERIAL))
    keeper.round()
    tree = keeper.folder.root / SERIAL
    assert (tree / "start4.elf").read_bytes() == (tree / "START4.ELF").read_bytes() == b"s"
    assert (tree / "overlays/x.dtbo").read_bytes() == b"x"


def test_a_quiet_round_costs_eight_queries_and_changes_nothing(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi, clock: Time
) -> None:
    image = make_image()
    publish(image)
    read_partition(Layer.objects.get(version__isnull=False), STOCK_FILES)
    for number in range(20):
        give(image, make_pi("", f"{number:08x}"), mode="overlay")
    keeper.round()
    clock.now += LOOK_PERIOD_SECONDS
    keeper.round()
    before = list(PiTree.objects.values_list("observed_at", flat=True))
    with CaptureQueriesContext(
        connection,
    ) as seen:
        keeper.round()
    assert len(seen) == 8, [query["sql"][:80] for query in seen]
    assert list(PiTree.objects.values_list("observed_at", flat=True)) == before


def test_nothing_leads_out_of_the_root(
    keeper: TreeKeeper, make_image: MakeImage, make_pi: MakePi, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("outside")
    files = {"../secret": b"a", "/etc/passwd": b"b", "a/../../x": b"c", "kernel8.img": b"k",
             "kernel8.img/x": b"d", "a\n b": b"e", "": b"f"}  # fmt: skip
    give(make_image(files=files), make_pi(MAC, SERIAL))
    keeper.round()
    root = keeper.folder.root.resolve()
    links = [path for path in root.rglob("*") if path.is_symlink()]
    assert links
    assert [link for link in links if root not in link.resolve().parents] == []
    assert sorted(p.name for p in (root / SERIAL).iterdir()) == ["cmdline.txt", "config.txt", "kernel8.img"]
    assert secret.read_text() == "outside"
