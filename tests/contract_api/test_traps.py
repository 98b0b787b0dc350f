"""SPEC "Traps the original fell into", one by one, where no test of one room alone holds them.

Held elsewhere: signals, wildcard portals and false backing files in tests/images/test_tgtd_faults.py and
tests/contracts; `dnsmasq --test` and host files in test_converge_dnsmasq.py and test_dnsmasq_config.py; the
Pi's client architecture in test_dnsmasq_config.py; a "boot once" that was seen in recorder/test_sweep.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client

from bootflow import firmware
from bootflow.services import set_boot_once
from devices.models import Device
from images import tgt
from images.convergence.round import converge_node
from images.models import Export, Image, StorageNode
from netboot_site import system
from netboot_site.errors import ConflictError, OrchestratorError, UnavailableError
from tests.conftest import Api
from tests.contract_api.answers import complaint
from tests.contract_api.conftest import MAC, SPARE, STRANGER, log_in, rows
from tests.images.fake_layers import FakeLayerStore
from tests.images.fakes import FakeTargetServer

ASK = f"/boot/script?mac={MAC}&arch=x86_64&platform=efi"
NOT_OURS = re.compile(r"localhost|127\.|0\.0\.0\.0|172\.17\.|testserver|evil")


@pytest.fixture
def ready(house: Export, monkeypatch: pytest.MonkeyPatch) -> Export:
    """The device's disk is there, and its address is known to be its own."""
    Export.objects.update(observed_state="ready")
    monkeypatch.setattr(firmware, "owns_address", lambda **_: True)
    house.refresh_from_db()
    return house


def script(path: str = ASK, **headers: Any) -> str:
    answer = Client(raise_request_exception=False).get(path, **headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8"), answer.content
    assert answer.content.startswith(b"#!ipxe\n")
    return answer.content.decode()


WAYS = [
    ("PUT", f"/api/v1/images/disk1/assign?mac={SPARE}", None),
    ("PUT", f"/api/v1/images/disk1/assign?mac={SPARE}&mode=exclusive", None),
    ("PATCH", f"/api/v1/devices/{SPARE}", {"image_id": "disk1"}),
    ("PUT", f"/api/v1/devices/{SPARE}", {"device_type": "x64", "name": "x", "image_id": "disk1"}),
    (
        "POST",
        "/api/v1/devices",
        {"mac": "525400000009", "device_type": "x64", "name": "x", "image_id": "disk1"},
    ),
    ("POST", f"/api/v1/unknown-devices/{STRANGER}/approve", {"image_id": "disk1"}),
]


@pytest.mark.parametrize(("method", "path", "body"), WAYS)
def test_no_way_leads_two_devices_to_one_disk(
    api: Api, house: Export, method: str, path: str, body: Any
) -> None:
    before = rows()
    answer = api.call(method, path, body)
    assert complaint(answer, 409) is None
    assert "pc-1" in answer.json()["detail"]
    assert rows() == before


def test_not_even_a_row_written_by_hand_gives_a_disk_to_two(house: Export) -> None:
    other = Device.objects.get(mac=SPARE)
    with pytest.raises(IntegrityError, match="image_has_one_exclusive_writer"), transaction.atomic():
        Export.objects.create(image=house.image, device=other, chap_username="x", chap_secret="y" * 16)


def test_a_disk_taken_from_one_device_is_told_to_the_next_alone(api: Api, ready: Export) -> None:
    Device.objects.filter(mac=SPARE).update(state="enrolled")
    api.put("/api/v1/images/disk1/unassign")
    api.put(f"/api/v1/images/disk1/assign?mac={SPARE}")
    assert "iscsi:" not in script()
    assert Client().get(f"/api/v1/boot/check-in?mac={MAC}").json()["action"] == "boot_default"
    assert Client().get(f"/api/v1/boot/check-in?mac={SPARE}").json()["image_id"] == "disk1"


@pytest.mark.parametrize("gone", ["disk1", "disk10"])
def test_deleting_one_disk_leaves_its_namesake_though_the_server_counts_anew(
    api: Api, house: Export, node: StorageNode, images_path: Path, tmp_path: Path, gone: str
) -> None:
    server, store = FakeTargetServer(), FakeLayerStore(tmp_path / "layers")
    (kept,) = {"disk1", "disk10"} - {gone}
    Image.objects.update(state="creating")
    api.put("/api/v1/images/disk1/unassign")
    converge_node(node, server, store)
    with (images_path / kept / "head-1.raw").open("r+b") as disk:
        disk.write(b"mine")
    stale = server.named(f"{settings.IQN_PREFIX}:{gone}").tid
    assert api.delete(f"/api/v1/images/{gone}").status_code == 202
    survivor = server.named(f"{settings.IQN_PREFIX}:{kept}")
    server.restart()
    server.create_target(stale, survivor.iqn)  # the number of the deleted disk is now the other's
    converge_node(node, server, store)
    converge_node(node, server, store)
    assert {target.iqn for target in server.observe().targets} == {survivor.iqn}
    with (images_path / kept / "head-1.raw").open("rb") as disk:
        assert disk.read(4) == b"mine"
    assert not (images_path / gone).exists()
    assert [image.id for image in Image.objects.all()] == [kept]


def test_a_session_on_disk1_does_not_hold_disk10(api: Api, house: Export) -> None:
    log_in(house)
    for path in ("disk1", "disk", "disk1%20"):
        assert api.delete(f"/api/v1/images/{path}").status_code in {404, 409}
    assert api.put(f"/api/v1/images/disk10/assign?mac={SPARE}").status_code == 200
    assert api.put("/api/v1/images/disk10/unassign").status_code == 200
    assert api.delete("/api/v1/images/disk10").status_code == 202
    assert Image.objects.get(id="disk1").state == "ready"


def test_the_disk_is_lun_1_and_its_ibft_stays(ready: Export) -> None:
    (command,) = re.findall(r"^sanboot .*iscsi:.*$", script(), re.MULTILINE)
    assert re.search(rf"iscsi:10\.66\.0\.1::(3260)?:1:{re.escape(ready.iqn)} ", command)
    assert "--no-describe" not in command
    assert ":1:" in Client().get(f"/api/v1/boot/check-in?mac={MAC}").json()["root_path"]


@pytest.mark.parametrize(
    "spelling",
    ["52-54-00-12-34-56", "525400123456", "5254.0012.3456", "52:54:00:12:34:56", "52-54-00-AA-BB-CC"],
)
def test_no_spelling_makes_a_second_device(house: Export, spelling: str) -> None:
    count = Device.objects.count()
    for text in (spelling, spelling.upper(), spelling.lower()):
        script(f"/boot/script?mac={text}")
        Client().get(f"/api/v1/boot/check-in?mac={text}")
        Client().get(f"/boot/online?mac={text}")
    assert Device.objects.count() == count


def test_a_disabled_device_gets_no_disk_anywhere(api: Api, ready: Export) -> None:
    assert "sanboot iscsi:" in script()
    api.patch(f"/api/v1/devices/{MAC}", {"enabled": False})
    told = script()
    assert "disabled" in told
    assert not {"iscsi:", "password", "menu "} & {
        word for word in ("iscsi:", "set password", "menu ") if word in told
    }
    assert Client().get(f"/api/v1/boot/check-in?mac={MAC}").json() == {"action": "disabled"}
    api.patch(f"/api/v1/devices/{MAC}", {"enabled": True})
    assert "sanboot iscsi:" in script()


def every_script() -> Iterator[str]:
    """A script of each kind that a machine can meet."""
    yield script("/boot/boot.ipxe")
    yield script()
    yield script(f"/boot/script?mac={STRANGER}")
    yield script(f"/boot/script?mac={STRANGER}&retry=5000")
    yield script("/boot/script?mac=nonsense")
    yield script(f"/boot/report?mac={MAC}&event=sanboot-failed&error=1")
    yield script(f"/boot/report?mac={MAC}&event=local")
    device = Device.objects.get(mac=MAC)
    for boot_once, installer in (("menu", None), ("installer", "debian"), ("local", None), ("", None)):
        set_boot_once(device=device, boot_once=boot_once, installer=installer)
        yield script()
    Export.objects.update(observed_state="pending")
    yield script()
    Export.objects.all().delete()
    yield script()


def test_every_menu_and_every_prompt_ends_by_itself(ready: Export) -> None:
    waiting = [
        line for text in every_script() for line in text.splitlines() if line.startswith(("choose", "prompt"))
    ]
    assert len(waiting) > 5
    assert [line for line in waiting if not re.search(r"--timeout [1-9]\d{3,5} ", line)] == []
    assert [line for line in waiting if line.startswith("choose") and "--default" not in line] == []


def test_an_assigned_device_sees_no_menu(ready: Export) -> None:
    told = script()
    assert "sanboot iscsi:" in told
    assert not re.search(r"^(menu|item|choose|prompt .*menu)", told, re.MULTILINE)


def test_every_address_in_a_script_is_one_that_the_machine_reaches(ready: Export) -> None:
    base = f"http://{settings.BOOT_ADDRESS}:{settings.BOOT_HTTP_PORT}/boot/"
    urls = [url for text in every_script() for url in re.findall(r"https?://\S+", text)]
    assert urls
    assert [url for url in urls if not url.startswith(base)] == []


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "evil.example", "172.17.0.2:8080"])
def test_no_name_that_the_request_brought_along_gets_into_an_answer(
    ready: Export, settings: Any, host: str
) -> None:
    settings.BOOT_ADDRESS = "10.66.0.1"
    for path in ("/boot/boot.ipxe", ASK, f"/api/v1/boot/check-in?mac={MAC}"):
        brought = {"Host": host, "X-Forwarded-Host": host, "X-Forwarded-For": host, "X-Real-IP": host}
        answer = Client(raise_request_exception=False).get(path, headers=brought)
        assert answer.status_code == 200
        assert not NOT_OURS.search(answer.content.decode())


def test_asking_as_often_as_one_likes_does_not_spend_boot_once(api: Api, ready: Export) -> None:
    api.put(f"/api/v1/devices/{MAC}/boot-once", {"action": "installer", "installer": "debian"})
    for retry in range(5):
        assert "installer debian" in script(f"{ASK}&retry={retry}")
        assert Client().get(f"/api/v1/boot/check-in?mac={MAC}").json()["installer"] == "debian"
    assert api.get(f"/api/v1/devices/{MAC}").json()["boot_once"] == "installer"


@pytest.mark.parametrize(
    "path",
    ["/boot/", "/boot/script/", "/boot/script%0a", "/boot/nothing", "/boot/..%2flogin/", "/boot/%ff",
     "/boot/script?mac=%ff%00&next=/login/", "/boot/files/none", "/boot/report", "/boot/online"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_no_page_and_no_redirect_ever_reaches_a_boot_loader(house: Export, method: str, path: str) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    answer = client.generic(method, path, headers={"Accept": "text/html", "HX-Request": "true"})
    assert answer.status_code in {200, 404, 405}
    assert answer["Content-Type"].startswith("text/plain")
    assert "Location" not in answer
    assert b"<" not in answer.content


@pytest.mark.parametrize(
    ("exit_code", "said", "error", "told"),
    [(107, "tgtadm: can't connect", UnavailableError, "does not answer"),
     (22, "tgtadm: this target already exists", ConflictError, "this target already exists"),
     (22, "tgtadm: can't send the request to the tgt daemon", UnavailableError, "does not answer"),
     (22, "tgtadm: this target is still active", ConflictError, "in use")],
)  # fmt: skip
def test_tgtadms_exit_code_is_told_by_its_words(
    monkeypatch: pytest.MonkeyPatch, exit_code: int, said: str, error: type[OrchestratorError], told: str
) -> None:
    done = system.Completed(argv=(), exit_code=exit_code, stdout="", stderr=said)
    monkeypatch.setattr(system, "run", lambda *_, **__: done)
    with pytest.raises(error, match=told):
        tgt.TgtServer(Path("/none")).delete_target(1)


@pytest.mark.parametrize("path", ["", "-5", "-", "head-1.raw", "/", "/none"])
def test_no_backing_file_that_tgtadm_would_take_by_mistake_reaches_it(
    monkeypatch: pytest.MonkeyPatch, path: str, make_disk: Callable[[str], Any]
) -> None:
    monkeypatch.setattr(system, "run", lambda *_, **__: pytest.fail("tgtadm was asked"))
    with pytest.raises(ConflictError, match="not there"):
        tgt.TgtServer(Path("/none")).create_disk(1, 1, make_disk(path))


@pytest.fixture
def make_disk() -> Callable[[str], Any]:
    return lambda path: tgt.Disk(path=path, vendor_id="V", product_id="P", scsi_id="I", serial="S")
