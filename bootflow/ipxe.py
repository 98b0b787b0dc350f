"""A boot decision as an iPXE script.

Written for the oldest iPXE in use (Debian 12's, of 2019): no `params`, `console` or `poweroff`. Every command
that may fail is guarded, since an unguarded one ends the script at a dead prompt.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import quote

from bootflow.checkin import Secret
from bootflow.decision import (
    ASK_AGAIN_SECONDS,
    MENU_SECONDS,
    AwaitApproval,
    BootDecision,
    BootImage,
    BootInstaller,
    BootLocal,
    BootMenu,
    Disabled,
    Disk,
    Files,
    Ignored,
    ProveIdentity,
    Situation,
    Wait,
)
from netboot_site.formats import mac_hex

HEADER = "#!ipxe"
CONTENT_TYPE = "text/plain; charset=utf-8"
WIDTH = 80  # a BIOS console has 80 columns
ISCSI_PORT = 3260  # RFC 7143, section 13.3: left out of a URI then
RETRY_SECONDS = 5
FETCH_MILLISECONDS = 20_000  # a server that takes the connection and says nothing must not hang the machine


def escape(text: str, width: int = 500) -> str:
    """Text from outside as part of one line of a script: the only way in.

    iPXE has no quoting, so what it would act on is replaced: control signs and line ends, `${` (a setting is
    expanded), `&&` and `||` (a command ends), a backslash (at a line's end it swallows the next line).
    """
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    line = "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in plain)
    line = line.replace("\\", "/").replace("${", "?{")
    line = re.sub(r"\|\|+", "|", re.sub(r"&&+", "&", line))
    return " ".join(line.split())[:width].rstrip() or "-"


def say(text: str) -> str:
    """A line on the console, never wider than it."""
    return f"echo {escape(text, WIDTH - 1)}"


def say_all(text: str) -> list[str]:
    """The same in up to four lines."""
    return [say(line) for line in textwrap.wrap(text, WIDTH - 1)[:4]] or [say(text)]


IDENTITY_UNKNOWN = "Its identity could not be checked: this address is not known to be its own."


@dataclass(frozen=True, slots=True)
class Server:
    """Where a script of this machine asks next: `base` ends with `/boot/`."""

    base: str
    mac: str = ""
    retry: int = 0

    def fetch(self, what: str) -> str:
        """A command that is replaced by the script it fetches; it goes on in the next line if it cannot."""
        return f"chain --timeout {FETCH_MILLISECONDS} --autofree --replace {self.base}{what} ||"

    def report(self, event: str) -> str:
        """Tell the recorder; what it answers goes on."""
        return self.fetch(f"report?retry={self.retry}&mac={mac_hex(self.mac)}&{event}")

    @property
    def query(self) -> str:
        """What the first script found out, or at least the address."""
        return f"isset ${{query}} || set query mac={mac_hex(self.mac)}"


def first_script(base: str) -> str:
    """The same for every machine: what it is made of, as a question to the server.

    Free text stands last and the first of two equal names counts, since iPXE of 2019 does not escape `&`.
    """
    facts = "arch=${arch}&buildarch=${buildarch}&platform=${platform}&memory=${memsize}&uuid=${uuid}"
    free = ("version", "serial", "asset", "manufacturer", "product")
    text = "&".join(f"{name}=${{{name}:uristring}}" for name in free)
    return _script(
        "set arch ${buildarch}",
        "iseq ${buildarch} i386 && cpuid --ext 29 && set arch x86_64 ||",  # bit 29: the CPU has long mode
        "set card ${netX/mac:hexraw}",
        "isset ${card} || set card ${mac:hexraw}",
        f"set query mac=${{card}}&{facts}&{text}",
        *_again(Server(base, retry=-1)),
        *_local(),
    )


def waiting_script(server: Server, why: str) -> str:
    """Say why there is no answer yet, and ask again."""
    query = [server.query] if server.mac else []
    return _script(*query, say(why), _pause(RETRY_SECONDS, "local", "local disk"), *_again(server), *_local())


def local_script(why: str) -> str:
    """Say why, and on to the local disk."""
    return _script(say(why), "echo Starting from the local disk.", *_local())


def failure_script(server: Server, why: str) -> str:
    """What went wrong in an earlier script, and then the question again."""
    pause = _pause(RETRY_SECONDS, "bye", "local disk")
    return _script(server.query, say(why), pause, *_again(server), *_bye(server), *_local())


def render(server: Server, now: Situation, decision: BootDecision, secret: Secret | None) -> str:
    """The script that carries out a decision."""
    match decision:
        case BootImage():
            return _boot_image(server, now, decision.disk, secret)
        case Wait():
            return _wait(server, now, f"Disk {decision.disk.image_id}: {decision.why}", decision.seconds)
        case ProveIdentity():
            return _wait(server, now, IDENTITY_UNKNOWN)
        case AwaitApproval():
            return _await_approval(server, now, decision)
        case BootMenu():
            return _script(server.query, say(decision.why), *_menu(server, now, "bye"))
        case BootInstaller():
            lines = [*_installer(server, decision.files), *_failed(server, "installer-failed")]
            return _script(server.query, *lines, *_again(server), *_local())
        case BootLocal():
            return local_script(decision.why)
        case Disabled():
            return local_script(f"The device {now.name or now.mac} is disabled.")
        case Ignored():
            return local_script("This machine is ignored here.")
        case _:
            assert_never(decision)


def disk_uri(disk: Disk) -> str:
    """`iscsi:<server>:<protocol>:<port>:<LUN>:<target>` (RFC 4173, section 5); tgt's disk is LUN 1."""
    port = "" if disk.port == ISCSI_PORT else disk.port
    return f"iscsi:{disk.address}::{port}:1:{disk.iqn}"


def _script(*lines: str) -> str:
    return "\n".join((HEADER, *lines, ""))


def _pause(seconds: int, label: str = "menu", what: str = "boot menu") -> str:
    return f"prompt --timeout {seconds * 1000} Press any key for the {what} && goto {label} || goto again"


def _again(server: Server) -> list[str]:
    """Ask for a script; while nobody answers, for ever, unless a person chooses the local disk."""
    return [
        ":again",
        server.fetch(f"script?retry={server.retry + 1}&${{query}}"),
        "echo The server does not answer. Asking again.",
        _pause(RETRY_SECONDS, "local", "local disk"),
    ]


def _local() -> list[str]:
    """UEFI goes on by itself when we leave; a BIOS is told to start its first disk."""
    return [
        ":local",
        "iseq ${platform} efi && exit ||",
        "sanboot --no-describe --drive 0x80 ||",
        "exit",
    ]


def _bye(server: Server) -> list[str]:
    """To the local disk, after the recorder has heard of it."""
    return [":bye", server.report("event=local")]


def _failed(server: Server, event: str) -> list[str]:
    """Tell the server what failed. Neither the secret nor a half-attached disk stays behind."""
    return [
        ":failed",
        "set error ${errno}",
        "clear password ||",
        "clear username ||",
        "clear keep-san ||",
        "sanunhook --drive 0x80 ||",
        server.report(f"event={event}&error=${{error}}"),
    ]


def _menu(server: Server, now: Situation, default: str) -> list[str]:
    """The boot menu, and all that can follow. An unattended machine goes to `default`: `bye` or `again`."""
    return [
        ":menu",
        f"menu {escape(f'Netboot Orchestrator: {now.name or now.mac}', WIDTH - 4)} || goto {default}",
        "item bye Boot from the local disk",
        "item again Ask the server again",
        *_installer_items(now.installers),
        "item restart Restart this machine",
        f"choose --default {default} --timeout {MENU_SECONDS * 1000} choice || goto {default}",
        f"goto ${{choice}} || goto {default}",
        ":restart",
        "reboot ||",
        "goto again",
        *_installer_labels(server, now.installers),
        *_again(server),
        *_bye(server),
        *_local(),
    ]


def _installer_items(installers: Sequence[Files]) -> list[str]:
    items = [f"item install{number} {escape(files.name, 70)}" for number, files in enumerate(installers)]
    return ["item --gap Installers", *items] if items else []


def _installer_labels(server: Server, installers: Sequence[Files]) -> list[str]:
    lines: list[str] = []
    for number, files in enumerate(installers):
        lines += [f":install{number}", *_installer(server, files)]
    return [*lines, *_failed(server, "installer-failed")] if lines else []


def kernel_line(server: Server, files: Files) -> str:
    """An installer's kernel and its arguments. `initrd=` names the initrd for one that UEFI starts itself."""
    arguments = f"initrd=initrd {files.cmdline}" if files.initrd else files.cmdline
    kernel = f"{_folder(server, files)}{quote(files.kernel)}"
    return f"{kernel} {escape(arguments, 2100)}" if arguments else kernel


def _folder(server: Server, files: Files) -> str:
    return f"{server.base}files/{quote(files.path.strip('/'))}/"


def _installer(server: Server, files: Files) -> list[str]:
    """A kernel and its initrd."""
    folder = _folder(server, files)
    lines = [
        f"echo Starting the installer {escape(files.name, 50)}",
        "imgfree ||",
        f"kernel {kernel_line(server, files)} || goto failed",
    ]
    if files.initrd:
        lines.append(f"initrd --name initrd {folder}{quote(files.initrd)} || goto failed")
    return [*lines, "boot || goto failed", "goto failed"]


def _boot_image(server: Server, now: Situation, disk: Disk, secret: Secret | None) -> str:
    """Attach the disk and boot it; without --no-describe, so that the system finds its disk by the iBFT."""
    account = [f"set username {secret.username}", f"set password {secret.password}"] if secret else []
    return _script(
        server.query,
        say(f"Booting {now.name or now.mac} from its disk {disk.image_id} at {disk.address}"),
        f"set initiator-iqn {escape(disk.initiator_name)}",
        *account,
        "set keep-san 1",
        f"sanboot {escape(disk_uri(disk))} || goto failed",
        *_failed(server, "sanboot-failed"),
        *_again(server),
        *_local(),
    )


def _wait(server: Server, now: Situation, why: str, seconds: int = ASK_AGAIN_SECONDS) -> str:
    asking = f"echo Asking again every {'second' if seconds == 1 else f'{seconds} seconds'}."
    return _script(server.query, *say_all(why), asking, _pause(seconds), *_menu(server, now, "again"))


def approval_lines(now: Situation, decision: AwaitApproval) -> list[str]:
    """What a machine that nobody has approved shows, PC or Raspberry Pi."""
    return [
        "This device is not enrolled. Approve it in the dashboard: it then boots.",
        f"Name: {decision.name or 'it told none'}",
        f"Address: {now.mac}",
        f"Code: {decision.code}",
        f"Asking again every {ASK_AGAIN_SECONDS} seconds.",
    ]


def _await_approval(server: Server, now: Situation, decision: AwaitApproval) -> str:
    return _script(
        server.query,
        "echo",
        *(say(line) for line in approval_lines(now, decision)),
        _pause(ASK_AGAIN_SECONDS),
        *_menu(server, now, "again"),
    )
