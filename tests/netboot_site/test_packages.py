"""apt behind its class: what is asked of it, how a graph of packages is walked, a failure in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from netboot_site import packages
from netboot_site.errors import UnavailableError
from netboot_site.packages import Apt, package_file
from netboot_site.system import Completed

LISTING = """\
open-iscsi
 |PreDepends: debconf
  PreDepends: <debconf-2.0>
    cdebconf
  Depends: libkmod2
  Depends: udev
libkmod2
  Depends: liblzma5
  Depends: libc6
udev
  Depends: libacl1
liblzma5
  Depends: libc6
libc6
  Depends: libkmod2
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was asked of the programs; they answer with a graph of packages."""
    lines: list[list[str]] = []

    def run(argv: Sequence[str], **_: object) -> Completed:
        lines.append(list(argv))
        return Completed(tuple(argv), 0, LISTING, "")

    monkeypatch.setattr(packages, "run", run)
    return lines


def test_what_a_package_needs_is_followed_through_names_of_the_pattern_only(asked: list[list[str]]) -> None:
    assert Apt("tests", "").needs("open-iscsi", r"lib.*") == ["libc6", "libkmod2", "liblzma5"]
    assert len(asked) == 1, "one question for the whole graph"


def test_a_configuration_of_its_own_is_given_to_each_question(asked: list[list[str]], tmp_path: Path) -> None:
    apt = Apt("tests", "", tmp_path / "apt.conf")
    apt.update()
    apt.needs("open-iscsi", "lib.*")
    apt.download(["one", "two"], tmp_path)
    assert all(["-c", str(tmp_path / "apt.conf")] == words[i : i + 2] for words in asked for i in at(words))
    assert all(at(words) for words in asked)
    assert asked[-1][-2:] == ["one", "two"]


def at(words: list[str]) -> list[int]:
    return [number for number, word in enumerate(words) if word == "-c"]


def test_a_package_that_nobody_signed_is_refused_and_a_silent_mirror_asked_again(
    asked: list[list[str]], tmp_path: Path
) -> None:
    Apt("tests", "").download(["one"], tmp_path)
    assert "APT::Get::AllowUnauthenticated=false" in asked[0]
    assert "Acquire::Retries=3" in asked[0]


def test_a_failure_holds_the_first_error_of_apt_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "W: first\nE: The mirror is away.\nE: Some index files failed to download.\n"
    failed = Completed(("apt-get", "update"), 100, "Get:1", said)
    monkeypatch.setattr(packages, "run", lambda *_, **__: failed)
    with pytest.raises(UnavailableError, match=r"for tests .*E: The mirror is away\).*Plug the cable in\."):
        Apt("tests", "Plug the cable in.").update()


def test_of_two_packages_of_one_name_the_later_is_taken_and_a_longer_name_is_another(tmp_path: Path) -> None:
    for name in (
        "libssl3_3.0.1_arm64.deb",
        "libssl3_3.0.9_arm64.deb",
        "libssl3t64_3.5_arm64.deb",
        "libssl3_x",
    ):
        (tmp_path / name).touch()
    found = package_file(tmp_path, "libssl3")
    assert found is not None
    assert found.name == "libssl3_3.0.9_arm64.deb"
    assert package_file(tmp_path, "libc6") is None
    assert package_file(tmp_path / "nowhere", "libc6") is None
