"""Kinds of reasons: the sentences that judges write, sorted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.utils import timezone

from bootflow.causes import CAUSES, LABELS, OTHER, cause_of
from bootflow.models import Boot
from bootflow.recorder.judge_pi import COMES_BACK, NO_IDENTITY, RESTARTED
from bootflow.recorder.ledger import POWERED_ON_AGAIN
from bootflow.trouble import explain

SENTENCES = {
    "": "",
    "Waits to be approved; its console shows the code 7K4Q.": "waits-approval",
    "it waited to be approved and stopped asking: it was switched off, or lost the network": "waits-approval",
    "Nobody approved this device within 10 minutes.": "waits-approval",
    NO_IDENTITY: "identity",
    "Waits for its disk: Its disk is being made ready.": "waits-disk",
    "it waited for its disk (no room) and stopped asking: it was switched off": "waits-disk",
    "Waits for its boot files, which are being made ready or lack something.": "waits-files",
    "This device is disabled, so it was sent to its local disk.": "disabled",
    "No disk is assigned to this device.": "no-disk",
    "This boot was set to the menu.": "chosen",
    explain("local", ""): "chosen",
    "The installer's files were fetched; it runs.": "installer-runs",
    RESTARTED: "restarted",
    COMES_BACK: "own-folder",
    POWERED_ON_AGAIN: "powered-again",
    "The UEFI firmware asked for an address: no address available: check DHCP_RANGE": "no-address",
    "an address was offered and not taken within 30 s: another DHCP server may have been": "other-dhcp",
    "only DHCP seen: told what to load, and no file was asked for by TFTP within 30 s": "no-tftp",
    "DHCP was answered and no file was asked for by TFTP within 30 s: check that": "no-tftp",
    "a TFTP transfer was begun and not finished: check the network between": "broken-transfer",
    "start4.elf did not arrive whole: the Raspberry Pi stopped answering": "broken-transfer",
    "it fetched 1 file by TFTP, kernel8.img last": "broken-transfer",
    "loader fetched, no script asked for within 30 s: the machine reached TFTP but not": "no-http",
    "iPXE was told the address of its script and did not ask for it within 30 s": "no-http",
    "told to boot from debian, but no login at the iSCSI target 10.0.0.1:3260 within 60 s": "no-login",
    "the loader logged in to its disk, but no operating system took the disk over": "no-takeover",
    "kernel8.img was fetched, and nothing was heard of it within 120 s: a.dtb was not there": "kernel-silent",
    "a.dtb was not there (asked for as 5c2e/a.dtb): it is to be added to kernel set x": "missing-file",
    "linux is not among the boot files: check the installer's path": "missing-file",
    explain("sanboot-failed", "1d0c6139"): "disk-refused",
    explain("installer-failed", "2d0c6139"): "installer",
    "told to start the installer debian, but none of its files was asked for": "installer",
    "The installer debian is for PCs: a Raspberry Pi cannot start it.": "installer",
    "the script was fetched, and nothing was heard after it": "silent",
    "A sentence that nobody has thought of.": OTHER,
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_has_its_kind(sentence: str) -> None:
    assert cause_of(sentence) == SENTENCES[sentence]


@pytest.mark.django_db
def test_the_database_sorts_every_sentence_alike_however_it_was_written() -> None:
    now = timezone.now()
    Boot.objects.bulk_create(
        Boot(mac="52:54:00:00:00:01", started_at=now, last_event_at=now, finished_at=now, reason=sentence)
        for sentence in SENTENCES
    )
    assert {boot.reason: boot.cause for boot in Boot.objects.all()} == SENTENCES
    Boot.objects.update(reason="no script asked for")
    assert set(Boot.objects.values_list("cause", flat=True)) == {"no-http"}


def test_every_kind_has_a_sentence_here_and_each_of_its_words_is_said_by_the_code() -> None:
    assert {cause.key for cause in CAUSES} <= set(SENTENCES.values())
    code = "".join(path.read_text() for path in Path("bootflow").rglob("*.py") if path.name != "causes.py")
    said = re.sub(r'"\s+f?"', "", code)  # a sentence over several lines
    unsaid = [word for cause in CAUSES for word in cause.words if word.strip() not in said]
    assert not unsaid, f"nobody says {unsaid}"


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len(set(LABELS.values())) == len(CAUSES) + 1
    assert all(len(key) <= 20 for key in LABELS)
