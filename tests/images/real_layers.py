"""A storage node with a real tgtd and real layer processes, its rounds, and machines that use its disks."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from images import qemu_serving
from images.convergence.round import converge_node
from images.models import Export, StorageNode
from images.ports import Target
from images.qemu import QemuLayerStore
from netboot_site import processes
from tests.images.tgtd import Initiator, Tgtd

PREFIX = "iqn.2026-02.local.netboot"
MIB = 1024 * 1024


class Node:
    """What a round needs, and what tests look at."""

    def __init__(self, node: StorageNode, tgtd: Tgtd, run_path: Path) -> None:
        self.row, self.tgtd, self.run_path = node, tgtd, run_path
        self.store = QemuLayerStore(run_path)

    def round(self) -> None:
        """One round of convergence."""
        self.row.refresh_from_db()
        converge_node(self.row, self.tgtd.server, self.store)

    def target(self, export: Export) -> Target:
        return next(each for each in self.tgtd.server.observe().targets if each.iqn == export.iqn)

    def kill_server_of(self, export: Export) -> None:
        """kill -9 of the process that serves its disk."""
        process = qemu_serving.find(self.run_path / f"e{export.pk}")
        assert process is not None, "nothing serves it"
        os.kill(process.pid, signal.SIGKILL)
        assert processes.wait_for_end(process, 10)


class Guest:
    """A machine that is logged in and does one thing after the other."""

    def __init__(self, initiator: Initiator) -> None:
        self.process = subprocess.Popen(
            initiator.io_argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.do("read 0 512")

    def do(self, command: str) -> str:
        """A command of qemu-io, and what it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        lines = 0 if command == "flush" else 2  # a flush that succeeds says nothing
        return "".join(self.process.stdout.readline().decode() for _ in range(lines))

    def write(self, pattern: int, offset: str, length: str = "64k") -> None:
        """Acknowledged by the disk."""
        done = self.do(f"write -P {pattern} {offset} {length}")
        assert "wrote" in done, done

    def leave(self) -> None:
        """Log out."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)


def reads(initiator: Initiator, *patterns: tuple[int, str]) -> None:
    """The disk holds each pattern at its place."""
    done = initiator.io(*(f"read -P {pattern} {offset} 64k" for pattern, offset in patterns))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verification failed" not in done.stdout, done.stdout


def fresh(export: Export) -> Export:
    """As its row is now."""
    return Export.objects.select_related("image", "device", "layer").get(pk=export.pk)
