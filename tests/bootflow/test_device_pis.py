"""What the REST API says of Raspberry Pis, and takes: serial, additions, tree, bootloader update."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent, BootPlan, KernelSetFile
from bootflow.raspberry_pi.keeping import TreeKeeper
from devices.models import Device
from images.models import Image
from images.services.blobs import store_blob
from tests.bootflow.raspberry_pi.conftest import (  # noqa: F401
    MAC,
    SERIAL,
    STOCK_FILES,
    clock,
    give,
    keeper,
    make_image,
    make_pi,
)
from tests.conftest import Api

PATH = f"/api/v1/devices/{MAC}"
BODY: dict[str, Any] = {"mac": MAC, "device_type": "raspi", "name": "pi"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("B66C4C16", "b66c4c16"), ("0xb66c4c16", "b66c4c16"), ("10000000B66C4C16", "10000000b66c4c16"),
     ("00000000b66c4c16", "00000000b66c4c16"), (" b66c4c16 ", "b66c4c16"), ("", "")],
)  # fmt: skip
def test_a_serial_has_one_spelling(api: Api, given: str, kept: str) -> None:
    answer = api.post("/api/v1/devices", {**BODY, "serial": given})
    assert (answer.status_code, answer.json()["serial"]) == (201, kept)
    assert api.patch(PATH, {"serial": given}).json()["serial"] == kept


@pytest.mark.parametrize(
    "bad", ["b66c4c1", "b66c4c160", "g66c4c16", "b6 6c4c16", "00000000", "x" * 300, "b66c4c16\n", "٣٣٣٣٣٣٣٣",
            "b6000000", 5],
)  # fmt: skip
def test_what_is_no_serial_of_this_board_is_refused(api: Api, bad: object) -> None:
    assert api.post("/api/v1/devices", {**BODY, "serial": bad}).status_code == 422
    assert not Device.objects.exists()


def test_a_pc_s_serial_is_any_text(api: Api) -> None:
    body = {"mac": "52:54:00:00:00:01", "device_type": "x64", "name": "pc", "serial": "5CG1234ABC/x"}
    assert api.post("/api/v1/devices", body).json()["serial"] == "5CG1234ABC/x"


def test_a_serial_that_was_learnt_outlives_a_body_without_one(api: Api) -> None:
    api.post("/api/v1/devices", {**BODY, "serial": SERIAL})
    assert api.put(PATH, BODY).json()["serial"] == SERIAL
    assert api.patch(PATH, {"name": "other"}).json()["serial"] == SERIAL
    assert api.patch(PATH, {"serial": ""}).json()["serial"] == ""


def test_additions_are_kept_checked_and_replaced(api: Api) -> None:
    additions = [{"name": "gpu_mem", "value": 64}, {"name": "dtparam", "value": "i2c_arm=on"}]
    kept = [{"name": "gpu_mem", "value": "64"}, {"name": "dtparam", "value": "i2c_arm=on"}]
    made = api.post("/api/v1/devices", {**BODY, "config_additions": additions}).json()
    assert made["config_additions"] == kept
    assert api.patch(PATH, {"name": "other"}).json()["config_additions"] == kept
    assert api.put(PATH, BODY).json()["config_additions"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("kernel", "x"), ("gpu_mem", "8"), ("x", "a\nkernel=y"), ("X", "1"), ("recovery", "1"), ("x", "")],
)
def test_additions_that_would_break_the_tree_are_refused(api: Api, name: str, value: str) -> None:
    answer = api.post("/api/v1/devices", {**BODY, "config_additions": [{"name": name, "value": value}]})
    assert answer.status_code == 422, answer.content
    assert not Device.objects.exists()


def test_an_overlay_must_be_in_the_set(
    api: Api,
    make_pi: Callable[..., Device],  # noqa: F811
    make_image: Callable[..., Image],  # noqa: F811
) -> None:
    give(make_image(), make_pi(MAC, SERIAL))
    good, bad = ({"config_additions": [{"name": "dtoverlay", "value": name}]} for name in
                 ("vc4-kms-v3d,cma-256", "nothing"))  # fmt: skip
    assert api.patch(PATH, good).status_code == 200
    answer = api.patch(PATH, bad)
    assert (answer.status_code, "no overlays/nothing.dtbo" in answer.json()["detail"]) == (422, True)


def test_a_pc_reads_no_config_txt(api: Api) -> None:
    body = {"mac": "52:54:00:00:00:01", "device_type": "x64", "name": "pc",
            "config_additions": [{"name": "gpu_mem", "value": "64"}]}  # fmt: skip
    assert api.post("/api/v1/devices", body).status_code == 422


def test_a_device_shows_its_model_and_its_tree(
    api: Api,
    keeper: TreeKeeper,  # noqa: F811
    make_pi: Callable[..., Device],  # noqa: F811
    make_image: Callable[..., Image],  # noqa: F811
) -> None:
    make_pi(MAC, SERIAL, "Raspberry Pi 3 Model B Rev 1.2")
    assert api.get(PATH).json()["pi_tree"] is None
    give(make_image(), Device.objects.get())
    keeper.round()
    told = api.get(PATH).json()
    assert told["model"] == "Raspberry Pi 3 Model B Rev 1.2"
    assert told["pi_tree"] == {
        "state": "ready", "names": [SERIAL, "b8-27-eb-6c-4c-16"], "boots": "pi-os over iSCSI", "missing": [],
        "last_error": "",
    }  # fmt: skip
    assert api.get("/api/v1/devices").json()[0] == told


def test_the_texts_that_a_pi_fetches_are_shown_without_the_secret(
    api: Api,
    keeper: TreeKeeper,  # noqa: F811
    make_pi: Callable[..., Device],  # noqa: F811
    make_image: Callable[..., Image],  # noqa: F811
) -> None:
    export = give(make_image(), make_pi(MAC, SERIAL))
    keeper.round()
    answer = api.get(f"{PATH}/pi-tree")
    told = answer.json()
    assert export.chap_secret not in answer.content.decode()
    assert f"iscsi_username={export.chap_username} iscsi_password=*** boot=netboot" in told["cmdline_txt"]
    assert told["config_txt"] == (keeper.folder.root / SERIAL / "config.txt").read_text()
    assert "overlays/vc4-kms-v3d.dtbo" in told["files"]
    assert "pieeprom.upd" not in told["files"]
    assert (told["state"], told["waits"]) == ("ready", "")


def test_a_device_without_a_tree_says_why(api: Api, make_pi: Callable[..., Device]) -> None:  # noqa: F811
    make_pi(MAC, SERIAL)
    told = api.get(f"{PATH}/pi-tree").json()
    assert (told["state"], told["waits"][:19]) == ("waiting", "No disk is assigned")
    api.patch(PATH, {"enabled": False})
    assert api.get(f"{PATH}/pi-tree").status_code == 409
    api.post("/api/v1/devices", {"mac": "52:54:00:00:00:01", "device_type": "x64", "name": "pc"})
    assert api.get("/api/v1/devices/52:54:00:00:00:01/pi-tree").status_code == 422
    assert api.get("/api/v1/devices/52:54:00:00:00:02/pi-tree").status_code == 404


def prepared(api: Api, pi: Device) -> None:
    for path in ("start4.elf", "pieeprom.upd", "pieeprom.sig"):
        KernelSetFile.objects.create(
            kernel_set_id="default", path=path, blob_id=store_blob(source=path.encode())
        )
    answer = api.put(f"{PATH}/bootloader-update")
    assert (answer.status_code, answer.json()["status"]) == (200, "prepared")
    assert answer.json()["files"] == ["pieeprom.sig", "pieeprom.upd"]
    assert "rewrites its bootloader" in answer.json()["warning"]


def test_a_bootloader_is_updated_on_demand_and_can_be_left_alone(
    api: Api,
    keeper: TreeKeeper,  # noqa: F811
    make_pi: Callable[..., Device],  # noqa: F811
) -> None:
    pi = make_pi(MAC, SERIAL)
    refused = api.put(f"{PATH}/bootloader-update")
    assert (refused.status_code, "pieeprom.upd" in refused.json()["detail"]) == (409, True)
    prepared(api, pi)
    keeper.round()
    update = keeper.folder.root / SERIAL / "pieeprom.upd"
    assert update.read_bytes() == b"pieeprom.upd"
    assert api.delete(f"{PATH}/bootloader-update").status_code == 204
    keeper.round()
    assert not update.exists()


def test_the_files_are_taken_back_once_the_device_has_booted_again_after_it_fetched_them(
    api: Api,
    keeper: TreeKeeper,  # noqa: F811
    make_pi: Callable[..., Device],  # noqa: F811
) -> None:
    pi, now = make_pi(MAC, SERIAL), timezone.now()

    def boot(at: Any, *files: str) -> None:
        Boot.objects.filter(mac=MAC).update(finished_at=at)
        made = Boot.objects.create(mac=MAC, started_at=at, last_event_at=at, stage="firmware")
        for file in files:
            BootEvent.objects.create(boot=made, at=at, stage="firmware", kind="file", facts={"file": file})

    boot(now - timedelta(days=1), f"{SERIAL}/pieeprom.upd")
    prepared(api, pi)
    for minute, file, stays in ((1, "start4.elf", True), (2, "pieeprom.upd", True), (3, "start4.elf", False)):
        boot(now + timedelta(minutes=minute), f"{SERIAL}/{file}")
        keeper.round()
        assert BootPlan.objects.get(device=pi).bootloader_update is stays, (minute, file)
    assert not (keeper.folder.root / SERIAL / "pieeprom.upd").exists()
