"""The iSCSI target server `tgt`, by its tool `tgtadm` (tgtadm(8)) on a private control socket.

tgtadm ends with 22 whatever was wrong and with 107 when tgtd is away (errno(3): EINVAL, ENOTCONN), so its
English text tells the reasons. It must run with tgtd's own user and group.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

from django.conf import settings

from images.ports import Disk, ServerView, TargetInUseError
from images.tgt_text import parse_targets, parse_tree
from netboot_site import system
from netboot_site.errors import ConflictError, UnavailableError, ValidationError

PRIVATE_PORT = 13260
CONTROL_PORT = 0  # tgtd adds it to the socket's name: `control.0`
AWAY_EXIT_CODE = 107
TIMEOUT_SECONDS = 20.0
KEPT_BYTES = 8 * 1024**2
THREADS_PER_DISK = 2  # tgtd's own 16 make a thousand disks sixteen thousand threads, and are slower
NOP_INTERVAL_SECONDS = 5
NOP_COUNT = 3
# tgtadm joins parameters with commas and does not look at names (PROTOCOLS: both break targets silently).
_SAFE = re.compile(r"[^,\n]+")
_IQN = re.compile(r"iqn\.\d{4}-\d{2}\.[a-z0-9.-]+:[a-z0-9.:-]+")


def portal_text(address: str, port: int) -> str:
    """`address:port` as tgtd spells it: IPv6 in brackets."""
    return f"[{address}]:{port}" if ip_address(address).version == 6 else f"{address}:{port}"


class TgtServer:
    """The tgtd that listens on one control socket."""

    def __init__(self, socket_path: Path, private_portal: str = "") -> None:
        self._socket_path = socket_path
        self._private_portal = private_portal

    def observe(self) -> ServerView:
        """Four short `show`s, whatever the number of targets."""
        started = self._started()
        targets = parse_targets(self._show("target"))
        accounts = parse_tree(self._show("account"))
        portals = self._show("portal").splitlines()
        state = re.search(r"^    State: (\w+)$", self._show("sys"), re.MULTILINE)
        if state is None or any(not portal.startswith("Portal: ") for portal in portals):
            raise UnavailableError("The target server's state cannot be read.")
        return ServerView(
            targets=targets,
            accounts=frozenset(node.text for root in accounts for node in root.below),
            portals=tuple(self._public(portals)),
            ready=state[1] == "ready",
            started=started,
        )

    def set_ready(self, *, ready: bool) -> None:
        """The system's state: while it is offline, logins are answered with "try again"."""
        self._do("update", "sys", "--name", "State", "-v", "ready" if ready else "offline")

    def add_portal(self, portal: str) -> None:
        """tgtd binds it at once, and refuses an address that this host does not have."""
        self._do("new", "portal", "--param", f"portal={_checked(portal)}")

    def delete_portal(self, portal: str) -> None:
        """Sessions that came in by it live on."""
        self._do("delete", "portal", "--param", f"portal={_checked(portal)}")

    def create_target(self, tid: int, iqn: str) -> None:
        """The name is checked here, since tgtd takes any."""
        if not _IQN.fullmatch(iqn) or len(iqn) > 223:  # RFC 3720, section 3.2.6.1
            raise ValidationError(f"{iqn!r} is no name for an iSCSI target.")
        self._do("new", "target", "--tid", str(tid), "-T", iqn)

    def delete_target(self, tid: int, *, force: bool = False) -> None:
        """Without force tgtd itself refuses while somebody is logged in."""
        self._do("delete", "target", "--tid", str(tid), *(["--force"] if force else []))

    def create_disk(self, tid: int, lun: int, disk: Disk) -> None:
        """tgtadm takes an empty or negative file name for a disk, so the file is looked at first.

        Of its stores `rdwr` brings SYNCHRONIZE CACHE to the disk and frees what is trimmed; `aio` does not.
        Never past the page cache (`--bsoflags direct`): all parts of a write above 1 MiB to a served layer
        would be sent at once, and QEMU's FUSE export (7.2) reads each into the buffer of the one before.
        """
        if not Path(disk.path).is_absolute() or not Path(disk.path).is_file():
            raise ConflictError("The disk's file is not there.")
        unit = ("--tid", str(tid), "--lun", str(lun))
        self._do("new", "logicalunit", *unit, "-b", _checked(disk.path), "--bstype", "rdwr")

    def describe_disk(self, tid: int, lun: int, disk: Disk) -> None:
        """thin_provisioning is taken only after the unit was made."""
        parameters = {
            "vendor_id": disk.vendor_id,
            "product_id": disk.product_id,
            "scsi_id": disk.scsi_id,
            "scsi_sn": disk.serial,
            "thin_provisioning": "1",
        }
        text = ",".join(f"{key}={_checked(value)}" for key, value in parameters.items())
        self._do("update", "logicalunit", "--tid", str(tid), "--lun", str(lun), "--params", text)

    def create_account(self, name: str, secret: str) -> None:
        """Accounts are the server's; what binds them to a target is `bind_account`."""
        self._do("new", "account", "--user", _checked(name), "--password", _checked(secret))

    def delete_account(self, name: str) -> None:
        """Only accounts that are bound nowhere: tgtd dies of a hole in a target's list of accounts."""
        self._do("delete", "account", "--user", _checked(name))

    def bind_account(self, tid: int, name: str) -> None:
        """Incoming: the initiator proves itself."""
        self._do("bind", "account", "--tid", str(tid), "--user", _checked(name))

    def allow(self, tid: int, initiator_name: str) -> None:
        """By name alone: tgtd lets in whoever matches the names *or* the addresses."""
        self._do("bind", "target", "--tid", str(tid), "--initiator-name", _checked(initiator_name))

    def _public(self, lines: list[str]) -> Iterator[str]:
        """`Portal: 10.0.0.1:3260,1` each, but for the loopback portal that tgtd was started with."""
        for line in lines:
            portal = line.removeprefix("Portal: ").rpartition(",")[0]
            if portal != self._private_portal:
                yield portal

    def _started(self) -> str:
        """tgtd makes its control socket anew at each start."""
        try:
            return str(Path(f"{self._socket_path}.{CONTROL_PORT}").stat().st_mtime_ns)
        except OSError as error:
            raise UnavailableError("The iSCSI target server is not running.") from error

    def _show(self, mode: str) -> str:
        return self._do("show", mode)

    def _do(self, operation: str, mode: str, *rest: str) -> str:
        argv = ["tgtadm", "--lld", "iscsi", "--op", operation, "--mode", mode, *rest]
        done = system.run(argv, timeout_seconds=TIMEOUT_SECONDS, env=_environment(self._socket_path))
        if done.exit_code == 0:
            return done.stdout
        reason = done.stderr.strip().removeprefix("tgtadm: ")
        if done.exit_code == AWAY_EXIT_CODE or "tgt daemon" in reason:
            raise UnavailableError("The iSCSI target server does not answer.")
        if "still active" in reason:
            raise TargetInUseError("The disk is in use.")
        raise ConflictError(f"The iSCSI target server refused to {operation} a {mode}: {reason}.")


def _checked(value: str) -> str:
    if not _SAFE.fullmatch(value):
        raise ValidationError("A comma or a line break cannot stand in what the target server is told.")
    return value


def daemon_argv() -> list[str]:
    """How tgtd is started: it asks silent initiators whether they live, or dead sessions would never end."""
    options = f"portal={private_portal()},nop_interval={NOP_INTERVAL_SECONDS},nop_count={NOP_COUNT}"
    return ["tgtd", "-f", "-t", str(THREADS_PER_DISK), "--iscsi", options]


def daemon_environment(socket_path: Path) -> Mapping[str, str]:
    """tgtd allocates a buffer for each command; it keeps the memory for the next one."""
    return {**_environment(socket_path), **system.keep_memory(KEPT_BYTES)}


def _environment(socket_path: Path) -> Mapping[str, str]:
    """tgtd and tgtadm meet at a socket of our own, so that another tgtd of this host is not disturbed."""
    return {**system.PLAIN, "TGT_IPC_SOCKET": str(socket_path)}


def private_portal() -> str:
    """A loopback address of this installation's own: tgtd starts whether or not its real address is there.

    Without one that it can bind, tgtd listens on every address of the host.
    """
    digest = hashlib.sha256(os.fsencode(str(settings.DATA_PATH))).digest()
    return f"127.{digest[0]}.{digest[1]}.{digest[2] % 254 + 1}:{PRIVATE_PORT}"


def local_server() -> TgtServer:
    """This host's tgtd."""
    return TgtServer(settings.TGT_SOCKET_PATH, private_portal())
