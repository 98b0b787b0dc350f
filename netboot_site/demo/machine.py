"""A virtual PC under plain emulation (no KVM needed): BIOS or UEFI, booted from the network."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from netboot_site.demo.netns import Namespace
from netboot_site.errors import UnavailableError
from netboot_site.system import Process, start

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
MEMORY_MIB = 512
_QMP_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Hardware:
    """What distinguishes one virtual PC from another."""

    mac: str
    tap: str
    firmware: str = "bios"  # or uefi
    product: str = "Virtual PC"
    serial_number: str = "NB-0001"


class Machine:
    """A virtual PC that can be switched on and off; its serial line is kept in a file."""

    def __init__(self, hardware: Hardware, namespace: Namespace, folder: Path) -> None:
        self.hardware = hardware
        self.namespace = namespace
        self.folder = folder
        self.console_path = folder / "console.log"
        self._process: Process | None = None

    def power_on(self) -> None:
        """Switch it on, with an empty console."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.console_path.write_bytes(b"")
        if self.hardware.firmware == "uefi":
            shutil.copyfile(OVMF_VARIABLES, self.folder / "variables.fd")
        # Killed with us: a demonstration that is killed leaves no machine behind.
        words = ["setpriv", "--pdeathsig", "KILL", *self.namespace.argv(*self.argv())]
        self._process = start(words)

    def power_off(self) -> None:
        """Pull the plug."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._process = None

    def reset(self) -> None:
        """Press the reset button."""
        self._command("system_reset")

    def press(self, key: str) -> None:
        """Press a key of its keyboard, by QEMU's name for it (`ret`, `esc`, `m`)."""
        self._command("send-key", keys=[{"type": "qcode", "data": key}])

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def console(self) -> str:
        """All that it has written to its serial line since it was switched on."""
        with suppress(FileNotFoundError):
            return self.console_path.read_bytes().decode(errors="replace").replace("\r", "")
        return ""

    def wait_for(self, seen: Callable[[str], bool] | str, *, timeout_seconds: float) -> str:
        """The console, once a text stands in it. Raises UnavailableError with its end if it is late."""
        appears = (lambda text: seen in text) if isinstance(seen, str) else seen
        deadline = monotonic() + timeout_seconds
        while not appears(text := self.console()):
            if monotonic() > deadline or not self.is_on:
                state = "is still on" if self.is_on else "has ended"
                last = "\n".join(text.splitlines()[-25:])
                raise UnavailableError(f"The virtual PC {state} and did not come to {seen!r}:\n{last}")
            sleep(_POLL_SECONDS)
        return text

    def argv(self) -> list[str]:
        """QEMU's command line."""
        hardware = self.hardware
        return [
            "qemu-system-x86_64",
            *("-name", self.namespace.name, "-nodefaults", "-display", "none", "-no-user-config"),
            *("-machine", "q35,accel=tcg,graphics=off", "-cpu", "max", "-m", str(MEMORY_MIB), "-smp", "1"),
            *("-vga", "none", "-serial", f"file:{self.console_path}"),
            *("-netdev", f"tap,id=wire,ifname={hardware.tap},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=wire,mac={hardware.mac},bootindex=1{self._card_firmware()}"),
            *("-boot", "order=n,reboot-timeout=1000", "-qmp", f"unix:{self._qmp_path},server=on,wait=off"),
            *(
                "-smbios",
                f"type=1,manufacturer=Netboot,product={hardware.product},serial={hardware.serial_number}",
            ),
            *self._firmware_argv(),
        ]

    def _card_firmware(self) -> str:
        """A BIOS PC boots by its card's iPXE; UEFI firmware has a PXE client of its own, and asks by TFTP."""
        return ",romfile=" if self.hardware.firmware == "uefi" else ""

    def _firmware_argv(self) -> list[str]:
        if self.hardware.firmware != "uefi":
            return []
        return [
            *("-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}"),
            *("-drive", f"if=pflash,format=raw,file={self.folder / 'variables.fd'}"),
            *("-global", "ICH9-LPC.disable_s3=1"),
        ]

    @property
    def _qmp_path(self) -> Path:
        return self.folder / "qmp"

    def _command(self, name: str, **arguments: Any) -> None:
        """One command over QEMU's monitor protocol (QMP specification, section 2)."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_QMP_SECONDS)
            connection.connect(str(self._qmp_path))
            answers = connection.makefile("r")
            answers.readline()  # the greeting
            for request in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
                connection.sendall(json.dumps(request).encode() + b"\n")
                answer = self._answer(answers)
                if "error" in answer:
                    raise UnavailableError(f"QEMU refuses {name}: {answer['error']['desc']}")

    @staticmethod
    def _answer(answers: Any) -> dict[str, Any]:
        """The next answer; events that come in between are passed over."""
        while True:
            answer: dict[str, Any] = json.loads(answers.readline())
            if "event" not in answer:
                return answer
