"""Debian packages fetched by apt into a folder; nothing is installed on this machine."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from netboot_site.errors import UnavailableError
from netboot_site.system import Completed, run, start_filter

_UPDATE_SECONDS = 180.0
_DOWNLOAD_SECONDS = 600.0
_UNPACK_SECONDS = 60.0
_RETRIES = 3
_ANSWER_SECONDS = 20  # of a mirror that takes the connection and says nothing


@dataclass(frozen=True, slots=True)
class Apt:
    """apt as this machine has it, or with a configuration of its own (`sources.py`)."""

    wanted_for: str
    remedy: str
    configuration: Path | None = None

    def update(self) -> None:
        """Fetch the package lists. Raises UnavailableError, as all that follows: here if any list is away."""
        words = ["apt-get", "update", *self._options(), "-o", "APT::Update::Error-Mode=any"]
        self._checked(run(words, timeout_seconds=_UPDATE_SECONDS))

    def needs(self, package: str, pattern: str) -> list[str]:
        """The packages of that name pattern on which it depends, and on which those depend."""
        words = ["apt-cache", "depends", "--important", "--recurse", *self._configured(), package]
        graph = _graph(self._checked(run(words, timeout_seconds=_UPDATE_SECONDS)).stdout)
        found: list[str] = []
        waiting = [package]
        while waiting:
            for name in graph.get(waiting.pop(), []):
                if name not in found and re.fullmatch(pattern, name):
                    found.append(name)
                    waiting.append(name)
        return sorted(found)

    def download(self, names: Iterable[str], folder: Path) -> None:
        """Put the packages' files into the folder, their signed checksums compared by apt."""
        words = ["apt-get", "download", *self._options(), *names]
        self._checked(run(["env", "--chdir", str(folder), *words], timeout_seconds=_DOWNLOAD_SECONDS))

    def unpack(self, package: Path, folder: Path) -> None:
        """Put all that is in a package below the folder."""
        words = ["dpkg-deb", "--extract", str(package), str(folder)]
        self._checked(run(words, timeout_seconds=_UNPACK_SECONDS))

    def _configured(self) -> list[str]:
        return [] if self.configuration is None else ["-c", str(self.configuration)]

    def _options(self) -> list[str]:
        # root can write where the sandbox's user cannot; what nobody signed is refused, whatever apt is told.
        return [
            "--quiet", *self._configured(), "-o", "APT::Sandbox::User=root",
            "-o", f"Acquire::Retries={_RETRIES}", "-o", f"Acquire::http::Timeout={_ANSWER_SECONDS}",
            "-o", "APT::Get::AllowUnauthenticated=false",
        ]  # fmt: skip

    def _checked(self, done: Completed) -> Completed:
        if done.exit_code != 0:
            reason = _last_words(done)
            raise UnavailableError(
                f"Debian's packages for {self.wanted_for} could not be fetched ({done.argv[0]}: {reason})."
                f" They are needed once; then they are kept. {self.remedy}"
            )
        return done


def package_file(folder: Path, pattern: str) -> Path | None:
    """The file of the package whose name matches the pattern; of several the one that sorts last."""
    found = [path for path in folder.glob("*.deb") if re.fullmatch(pattern, path.name.partition("_")[0])]
    return max(found, default=None)


def read_package(package: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Those of a package's files whose path (`boot/vmlinuz-6.1`) is wanted, each with its content.

    A leading `usr/` is left out, since one release has it and the next has not. Raises UnavailableError.
    """
    damaged = UnavailableError(f"The package {package.name.partition('_')[0]} is damaged; fetch it again.")
    with start_filter(["dpkg-deb", "--fsys-tarfile", str(package)]) as unpacker:
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
                for member in archive:
                    path = member.name.removeprefix("./").removeprefix("usr/")
                    if wanted(path) and (content := archive.extractfile(member)) is not None:
                        yield path, content.read()
            if unpacker.wait(_UNPACK_SECONDS) != 0:  # an archive that was cut off can end like a whole one
                raise damaged
        except (tarfile.TarError, EOFError) as error:
            raise damaged from error
        finally:
            unpacker.kill()


def _graph(listing: str) -> dict[str, list[str]]:
    """Which package depends on which: `apt-cache depends` names each at a line's start, then its needs."""
    graph: dict[str, list[str]] = {}
    package = ""
    for line in listing.splitlines():
        if needed := re.search(r"Depends: (\S+)", line):
            graph.setdefault(package, []).append(needed.group(1))
        elif not line.startswith(" "):
            package = line.strip()
    return graph


def _last_words(done: Completed) -> str:
    """The first error that it names, which is the cause; else the last line."""
    lines: Sequence[str] = (done.stderr.strip() or done.stdout.strip()).splitlines()
    errors = [line for line in lines if line.startswith("E: ")]
    return (errors or lines[-1:] or ["no reason given"])[0].strip().removesuffix(".")
