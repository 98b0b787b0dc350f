"""A private apt configuration made from a machine's own sources, in both of their formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from netboot_site.errors import UnavailableError
from netboot_site.sources import (
    deb822_sources,
    debian_sources,
    firmware_component,
    one_line_sources,
    read_release,
    write_configuration,
    written,
)
from netboot_site.system import run

BOOKWORM = {"ID": "debian", "VERSION_ID": "12", "VERSION_CODENAME": "bookworm"}
DEB822 = """\
Types: deb deb-src
# a comment inside
URIs: http://archive.example/debian
suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://packages.example.com/debian
Suites: bookworm
Components: main contrib non-free-firmware
Architectures: amd64
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEYkey
"""
ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb http://archive.example/debian bookworm main contrib # the archive
deb-src http://archive.example/debian bookworm main
deb [arch=amd64,i386 signed-by=/etc/k.gpg] http://archive.example/debian-security bookworm-security main
deb cdrom:[Debian]/ bookworm main
"""


def etc_with(path: Path, *, sources: str = "", lines: str = "", release: str = "ID=debian\n") -> Path:
    (path / "apt/sources.list.d").mkdir(parents=True)
    (path / "os-release").write_text(release)
    (path / "apt/sources.list.d/debian.sources").write_text(sources)
    (path / "apt/sources.list").write_text(lines)
    return path


def test_a_deb822_source_is_written_for_the_other_architecture_with_firmware() -> None:
    text = written(deb822_sources(DEB822)[0], "arm64", "non-free-firmware")
    assert sorted(text.splitlines()) == [
        "Architectures: arm64",
        "Components: main non-free-firmware",
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
        "Suites: bookworm bookworm-updates",
        "Targets: Packages",
        "Types: deb",
        "Uris: http://archive.example/debian",
    ]


def test_a_key_that_stands_in_the_source_itself_goes_along_whole() -> None:
    text = written(deb822_sources(DEB822)[1], "arm64", "non-free-firmware")
    assert "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEYkey\n" in text
    assert "amd64" not in text
    assert text.count("non-free-firmware") == 1, "it was there already"


def test_lines_of_the_old_format_become_stanzas() -> None:
    archive, security, cdrom = one_line_sources(ONE_LINE)
    assert archive["Components"].split() == ["main", "contrib"]
    assert security["Signed-By"] == "/etc/k.gpg"
    assert security["Uris"] == "http://archive.example/debian-security"
    assert cdrom["Uris"].startswith("cdrom:")


def test_only_debians_archive_is_copied(tmp_path: Path) -> None:
    others = """\
deb https://apt.example.org/pub/repos/apt bookworm-pgdg main
deb https://download.example.com/linux/debian bookworm stable
deb http://archive.example/debian bookworm-backports main
deb http://archive.example/debian bookworm/updates main
deb http://archive.example/debian stable main
"""
    etc = etc_with(tmp_path, lines=ONE_LINE + others)
    found = [stanza["Suites"] for stanza in debian_sources(etc / "apt", BOOKWORM)]
    assert found == ["bookworm", "bookworm-security", "bookworm/updates", "stable"]


@pytest.mark.parametrize("word", ["no", "No", "false"])
def test_a_source_that_is_switched_off_is_left_out(tmp_path: Path, word: str) -> None:
    etc = etc_with(tmp_path, sources=DEB822.replace("Types: deb deb-src", f"Types: deb\nEnabled: {word}"))
    found = debian_sources(etc / "apt", BOOKWORM)
    assert [stanza["Uris"] for stanza in found] == ["https://packages.example.com/debian"]


@pytest.mark.parametrize(
    ("version", "component"),
    [("11", "non-free"), ("12", "non-free-firmware"), ("13", "non-free-firmware"), ("", "non-free-firmware")],
)
def test_where_firmware_lies_depends_on_the_release(version: str, component: str) -> None:
    assert firmware_component({"VERSION_ID": version}) == component


def test_a_systems_words_about_itself_are_read_with_their_quotes(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('# x\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\nEMPTY=\n')
    found = read_release(tmp_path / "os-release")
    assert found == {"NAME": "Debian GNU/Linux", "VERSION_ID": "12", "ID": "debian", "EMPTY": ""}
    assert read_release(tmp_path / "nothing") == {}


def test_on_ubuntu_the_person_is_told_what_cannot_be_had_and_what_to_do(tmp_path: Path) -> None:
    release = 'ID=ubuntu\nID_LIKE=debian\nPRETTY_NAME="Ubuntu 24.04 LTS"\nVERSION_CODENAME=noble\n'
    lines = "deb http://archive.example/ubuntu noble main universe\n"
    etc = etc_with(tmp_path / "etc", lines=lines, release=release)
    with pytest.raises(
        UnavailableError, match=r"Ubuntu 24.04 LTS has no package source of Debian.*var/arm64"
    ):
        write_configuration(tmp_path, "arm64", etc)
    assert [path.name for path in tmp_path.iterdir()] == ["etc"], "nothing is left behind"


def test_apt_takes_the_configuration_and_keeps_to_its_own_folders(tmp_path: Path) -> None:
    release = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
    etc = etc_with(tmp_path / "etc", sources=DEB822, release=release)
    configuration = write_configuration(tmp_path / "private", "arm64", etc)
    dump = run(["apt-config", "-c", str(configuration), "dump"]).stdout
    assert 'APT::Architectures:: "arm64";' in dump
    assert "Post-Invoke:" not in dump, "what this machine does after its own updates would be done"
    words = ["indextargets", "--no-release-info", "--format", "$(SITE)/$(METAKEY)"]
    listing = run(["apt-get", "-c", str(configuration), *words])
    targets = sorted(set(listing.stdout.split()))
    assert listing.exit_code == 0, listing.stderr
    assert any("non-free-firmware/binary-arm64/Packages" in target for target in targets)
    assert {target.rpartition("/")[2] for target in targets} == {"Packages"}, "more than package lists"
    for name in ("Dir::State::lists/d", "Dir::Cache/d", "Dir::State::status/f"):
        place = run(["apt-config", "-c", str(configuration), "shell", "PLACE", name]).stdout
        assert f"'{tmp_path}/private/" in place, f"{name} is this machine's own"
