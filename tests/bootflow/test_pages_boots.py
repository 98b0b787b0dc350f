"""Pages of boots."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.utils import timezone

from bootflow.models import Boot, BootEvent, Outcome, Stage
from bootflow.services import register_profile
from tests.browser.believable import NO_SCRIPT, boot_of
from tests.browser.believable_pis import pi_boot

MAC = "52:54:00:ab:cd:01"


def test_boots_are_found_by_outcome_and_by_device(operator_client: Client, db: None) -> None:
    now = timezone.now()
    register_profile(mac=MAC, device_type="x64", name="pc-one")
    boot_of(MAC, now - timedelta(hours=1), upto=31.8, outcome=Outcome.OK)
    boot_of("52:54:00:00:00:02", now, upto=4.2, outcome=Outcome.FAILED, reason=NO_SCRIPT)
    boot_of("52:54:00:00:00:03", now, upto=4.2)
    failed = operator_client.get("/boots/?outcome=failed").content.decode()
    assert "not HTTP port 8080" in failed
    assert "pc-one" not in failed
    running = operator_client.get("/boots/?outcome=running").content.decode()
    assert "52:54:00:00:00:03" in running
    assert "52:54:00:00:00:02" not in running
    assert "52:54:00:00:00:03" not in operator_client.get("/boots/?q=pc-one").content.decode()


def test_a_boot_shows_its_stages_events_and_reason(operator_client: Client, db: None) -> None:
    boot = boot_of(MAC, timezone.now(), upto=4.3, outcome=Outcome.FAILED, reason=NO_SCRIPT)
    page = operator_client.get(f"/boots/{boot.pk}/").content.decode()
    assert "not HTTP port 8080" in page
    assert "snponly.efi" in page
    assert "156 KiB" in page
    assert "TFTP began after 100 ms: 4.1 s · 156 KiB, stopped here" in page


def test_a_boot_that_stands_still_is_not_sent_again(operator_client: Client, db: None) -> None:
    boot = boot_of(MAC, timezone.now(), upto=4.2)
    page = operator_client.get(f"/boots/{boot.pk}/live/").content.decode()
    seen = page.split("seen=")[1].split('"')[0]
    path = f"/boots/{boot.pk}/live/?seen={seen}"
    assert operator_client.get(path).status_code == 204
    BootEvent.objects.create(boot=boot, at=timezone.now(), stage=Stage.SCRIPT, kind="script")
    Boot.objects.update(stage=Stage.SCRIPT)
    assert operator_client.get(path).status_code == 200


def test_a_pis_boot_lists_its_files_and_names_quietly_what_need_not_be_there(
    operator_client: Client, db: None
) -> None:
    boot = pi_boot(timezone.now())
    page = operator_client.get(f"/boots/{boot.pk}/").content.decode()
    assert "Files over TFTP" in page
    files, events = page.split('id="files-title"')[1].split('id="events-title"')
    assert "bcm2711-rpi-4-b.dtb" in files
    assert "8.9 MiB" in files
    assert "rightly not there" in files
    assert "recovery.elf" in files.split("rightly not there")[1]
    assert "Fetched" not in events, "a file stands in both lists"
    assert "Check-in" in events


def test_a_pc_s_boot_has_no_list_of_firmware(operator_client: Client, db: None) -> None:
    boot = boot_of(MAC, timezone.now(), upto=31.8, outcome=Outcome.OK)
    assert b"Files over TFTP" not in operator_client.get(f"/boots/{boot.pk}/").content


def test_a_pi_that_boots_stands_at_a_stage_with_its_own_name(operator_client: Client, db: None) -> None:
    boot = pi_boot(timezone.now(), outcome="", upto=5.2)
    assert b"In progress: Kernel" in operator_client.get(f"/boots/{boot.pk}/").content
