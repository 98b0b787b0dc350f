"""dnsmasq and this host, as the ports of bootflow want them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from bootflow.dnsmasq import ARM64_LOADER, BIOS_LOADER, HOSTS_NAME, UEFI_FALLBACK_LOADER, UEFI_LOADER
from bootflow.ports import Interface, ObservedDhcp
from netboot_site import system
from netboot_site.errors import UnavailableError, ValidationError

# Where Debian's package ipxe puts them: 12 has ipxe.efi, 13 ipxe-amd64.efi and ipxe-arm64.efi.
_LOADER_FILES = {
    BIOS_LOADER: ("/usr/lib/ipxe/undionly.kpxe",),
    UEFI_LOADER: ("/usr/lib/ipxe/snponly.efi",),
    UEFI_FALLBACK_LOADER: ("/usr/lib/ipxe/ipxe-amd64.efi", "/usr/lib/ipxe/ipxe.efi", "/boot/ipxe.efi"),
    ARM64_LOADER: ("/usr/lib/ipxe/ipxe-arm64.efi",),
}
CONFIG_NAME = "dnsmasq.conf"
PID_NAME = "dnsmasq.pid"
STARTED_NAME = "started"


def file_identity(path: Path) -> str:
    """Which file lies there: a rename over it changes this, whatever the clock says. Empty if none does."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns}"


class Dnsmasq:
    """The dnsmasq that `manage.py run_dnsmasq` keeps running with the files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config_path = folder / CONFIG_NAME

    def observe(self) -> ObservedDhcp:
        """How it is now."""
        process_id = self._process_id()
        started_with = _read(self.folder / STARTED_NAME)
        return ObservedDhcp(
            config=_read(self.config_path),
            process_id=process_id,
            is_current=process_id is not None and started_with == file_identity(self.config_path),
        )

    def install(self, config: str) -> None:
        """Let dnsmasq itself check a configuration, and put it in place for the next start."""
        draft = self.folder / f".{CONFIG_NAME}.new"
        try:
            (self.folder / HOSTS_NAME).mkdir(parents=True, exist_ok=True)  # it does not start without
            draft.write_text(config)
        except OSError as error:
            raise UnavailableError(f"dnsmasq's configuration cannot be written: {error.strerror}.") from error
        done = system.run(["dnsmasq", "--test", f"--conf-file={draft}"])
        if done.exit_code != 0:
            said = done.stderr.replace(str(draft), CONFIG_NAME).strip()
            raise ValidationError(f"dnsmasq refuses its new configuration and keeps the old one: {said}")
        draft.replace(self.config_path)

    def restart(self) -> None:
        """End it kindly. SIGHUP would not make it read its configuration, and can crash dnsmasq 2.90."""
        process_id = self._process_id()
        if process_id is not None:
            system.end(process_id)

    def reserve(self, records: Mapping[str, str]) -> None:
        """Write what differs, by rename: dnsmasq reads a file of that folder when it appears.

        One that is gone is forgotten at the next start only, which does no harm.
        """
        folder = self.folder / HOSTS_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in {path.name for path in folder.iterdir()} - set(records):
                (folder / name).unlink(missing_ok=True)
            for name, text in records.items():
                if _read(folder / name) != text:
                    (folder / f".{name}").write_text(text)
                    (folder / f".{name}").replace(folder / name)
        except OSError as error:
            raise UnavailableError(f"Addresses cannot be kept for devices: {error.strerror}.") from error

    def _process_id(self) -> int | None:
        text = _read(self.folder / PID_NAME)
        process_id = int(text) if text and text.strip().isdigit() else None
        name = _read(Path(f"/proc/{process_id}/comm")) if process_id else None
        # The number may have gone to another program since.
        return process_id if name is not None and name.strip() == "dnsmasq" else None


class LocalHost:
    """This host."""

    def __init__(self, *, tftp_path: Path, http_path: Path) -> None:
        self.served_paths = (tftp_path, http_path)

    def prefix_lengths(self) -> Mapping[tuple[str, IPv4Address], int]:
        """How long the network prefix of each (interface, address) is."""
        done = system.run(["ip", "-json", "-4", "address", "show"])
        if done.exit_code != 0:
            raise UnavailableError(f"The network interfaces cannot be listed: {done.stderr.strip()}")
        return {
            (link["ifname"], IPv4Address(entry["local"])): int(entry["prefixlen"])
            for link in json.loads(done.stdout)
            for entry in link.get("addr_info", [])
        }

    def interfaces(self) -> Sequence[Interface]:
        """Every network interface but the loopback."""
        shown = system.run(["ip", "-json", "address", "show"])
        if shown.exit_code != 0:
            raise UnavailableError(f"The network interfaces cannot be listed: {shown.stderr.strip()}")
        routes = system.run(["ip", "-json", "-4", "route", "show", "default"]).stdout
        default = {route.get("dev") for route in json.loads(routes or "[]")}
        links = [link for link in json.loads(shown.stdout or "[]") if link]
        return [_interface(link, default) for link in links if "LOOPBACK" not in link["flags"]]

    def loader_sources(self) -> Mapping[str, str]:
        """Where each installed boot loader lies."""
        present = {
            name: [file for file in files if Path(file).is_file()] for name, files in _LOADER_FILES.items()
        }
        return {name: files[0] for name, files in present.items() if files}

    def stale_loaders(self) -> list[str]:
        """The served names that are missing or differ from what is installed."""
        sources = self.loader_sources()
        return [
            name
            for name, source in sources.items()
            if any(_stamp(folder / name) != _stamp(Path(source)) for folder in self.served_paths)
        ]

    def copy_loader(self, name: str) -> None:
        """Serve the installed boot loader under its name, whole or not at all."""
        source = self.loader_sources()[name]
        for folder in self.served_paths:
            draft = folder / f".{name}.new"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, draft)
                shutil.copystat(source, draft)
                draft.chmod(0o644)
                draft.replace(folder / name)
            except OSError as error:
                raise UnavailableError(
                    f"The boot loader {name} cannot be copied: {error.strerror}."
                ) from error


def _interface(link: dict[str, Any], default: set[str]) -> Interface:
    """As iproute2 describes it; NO-CARRIER: nothing is plugged in."""
    flags = link["flags"]
    inet = [entry for entry in link.get("addr_info", []) if entry.get("family") == "inet"]
    return Interface(
        name=link["ifname"],
        addresses=tuple(IPv4Interface(f"{entry['local']}/{entry['prefixlen']}") for entry in inet),
        link="off" if "UP" not in flags else "no carrier" if "NO-CARRIER" in flags else "up",
        is_default=link["ifname"] in default,
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of change: the same for a copy that kept its time."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
