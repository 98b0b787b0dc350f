"""A private apt configuration for another architecture, made from this machine's own package sources.

It has lists, a cache and a package database of its own, so that nothing of the machine's apt is touched and
no architecture is added to its dpkg. Keys, proxies and credentials stay the machine's (sources.list(5)).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from netboot_site.errors import UnavailableError

Stanza = dict[str, str]  # a source in deb822 form; field names as `Signed-By`
ETC = Path("/etc")
_FIRST_WITH_FIRMWARE = 12  # Debian 12 moved firmware from non-free into non-free-firmware
_KEPT = ("Uris", "Suites", "Signed-By", "Trusted", "Check-Valid-Until", "Allow-Insecure")
_ROLLING = "stable|testing|unstable|sid"
_POCKETS = r"(-updates|-security|-proposed-updates|/updates)?"
# `clear` forgets what this machine does after an update of its own lists: emptying its caches, for one.
_CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear APT::Architectures;
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{folder}/sources";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::pkgcache "packages.bin";
Dir::Log "{folder}";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
Acquire::Languages "none";
"""


def write_configuration(folder: Path, architecture: str, etc: Path = ETC) -> Path:
    """Write the configuration into the folder and return its file. Raises UnavailableError."""
    release = read_release(etc / "os-release")
    stanzas = debian_sources(etc / "apt", release)
    if not stanzas:
        raise UnavailableError(_nothing_to_copy(release))
    for name in ("sources", "state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    text = "\n".join(written(stanza, architecture, firmware_component(release)) for stanza in stanzas)
    (folder / "sources/copied.sources").write_text(text)
    configuration = folder / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, architecture=architecture))
    return configuration


def _nothing_to_copy(release: dict[str, str]) -> str:
    system = release.get("PRETTY_NAME", "This system")
    return (
        f"{system} has no package source of Debian, and only Debian's archive holds both the firmware of"
        " Raspberry Pis and a kernel for them. Run `make setup` on a machine with Debian, and copy its folder"
        " var/arm64 into this project's folder."
    )


def read_release(path: Path) -> dict[str, str]:
    """What a system says of itself (os-release(5)); empty if it says nothing."""
    text = path.read_text() if path.exists() else ""
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name: "".join(shlex.split(value)) if value else "" for name, _, value in pairs}


def firmware_component(release: dict[str, str]) -> str:
    """Which part of Debian's archive holds firmware."""
    version = release.get("VERSION_ID", "")
    old = version.isdigit() and int(version) < _FIRST_WITH_FIRMWARE
    return "non-free" if old else "non-free-firmware"


def debian_sources(apt: Path, release: dict[str, str]) -> list[Stanza]:
    """This machine's own sources of Debian's archive, each as a deb822 stanza; none on another system."""
    if release.get("ID") != "debian":
        return []
    wanted = re.compile(rf"({_ROLLING}|{re.escape(release.get('VERSION_CODENAME') or 'stable')}){_POCKETS}")
    return [stanza for stanza in _all_sources(apt) if _is_debian(stanza, wanted)]


def _is_debian(stanza: Stanza, wanted: re.Pattern[str]) -> bool:
    return (
        "deb" in stanza.get("Types", "").split()
        and stanza.get("Enabled", "yes").lower() not in ("no", "false", "0")
        and "main" in stanza.get("Components", "").split()
        and any(wanted.fullmatch(suite) for suite in stanza.get("Suites", "").split())
        and not stanza.get("Uris", "").startswith("cdrom:")
    )


def _all_sources(apt: Path) -> list[Stanza]:
    parts = apt / "sources.list.d"
    lists = [path for path in (apt / "sources.list", *sorted(parts.glob("*.list"))) if path.is_file()]
    found = [stanza for path in lists for stanza in one_line_sources(path.read_text(errors="replace"))]
    for path in sorted(parts.glob("*.sources")):
        found += deb822_sources(path.read_text(errors="replace"))
    return found


def deb822_sources(text: str) -> list[Stanza]:
    """The stanzas of a `.sources` file; lines that continue a field (a key) stay as they are."""
    stanzas: list[Stanza] = [{}]
    field = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            stanzas.append({})
        elif line[0] in " \t":
            stanzas[-1][field] = f"{stanzas[-1].get(field, '')}\n{line}"
        else:
            name, _, value = line.partition(":")
            field = name.strip().title()
            stanzas[-1][field] = value.strip()
    return [stanza for stanza in stanzas if stanza]


def one_line_sources(text: str) -> list[Stanza]:
    """The lines of a `.list` file: `deb [signed-by=KEY arch=amd64] URI SUITE COMPONENT...`."""
    stanzas = []
    for line in text.splitlines():
        found = re.fullmatch(
            r"deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+(.+)", line.partition("#")[0].strip()
        )
        if found:
            options, uri, suite, components = found.groups()
            pairs = (option.partition("=") for option in (options or "").split())
            stanza = {name.title(): value.replace(",", " ") for name, _, value in pairs}
            stanzas.append({**stanza, "Types": "deb", "Uris": uri, "Suites": suite, "Components": components})
    return stanzas


def written(stanza: Stanza, architecture: str, component: str) -> str:
    """The stanza for another architecture, with one more component of the archive."""
    components = stanza["Components"].split()
    fields = {name: stanza[name] for name in _KEPT if name in stanza} | {
        "Types": "deb",
        "Architectures": architecture,
        "Components": " ".join([*components, *({component} - set(components))]),
        "Targets": "Packages",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())
