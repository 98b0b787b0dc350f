"""A device's disk as the device reaches it from the wire: its CHAP account is in the database."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

from tests.system.instance import Instance, run

IQN = "iqn.2026-02.local.netboot"


@dataclass(frozen=True)
class Disk:
    """The export of one device."""

    instance: Instance
    iqn: str
    initiator_name: str
    user: str
    secret: str
    port: int = 3260

    @classmethod
    def of(cls, instance: Instance, mac: str, port: int = 3260) -> Disk:
        """That of a device's overlay, or of the image that it has for itself."""
        image, mode, user, secret = sql(
            instance,
            "select image_id, mode, chap_username, chap_secret from images_export e "
            f"join devices_device d on d.id = e.device_id where d.mac = '{mac}'",
        )
        plain = mac.replace(":", "")
        iqn = f"{IQN}:{image}" if mode == "exclusive" else f"{IQN}:{image}.{plain}"
        return cls(instance, iqn, f"{IQN}:device.{plain}", user, secret, port)

    def tool(self, *words: str, placed: str = "") -> list[str]:
        """A program of QEMU with this disk: its options stand where `placed` says, else at the end."""
        options = ",".join([
            "driver=raw,file.driver=iscsi,file.transport=tcp,file.lun=1",
            f"file.portal={self.instance.address}:{self.port},file.target={self.iqn}",
            f"file.user={self.user},file.password-secret=chap,file.initiator-name={self.initiator_name}",
        ])  # fmt: skip
        secret = ["--object", f"secret,id=chap,data={self.secret}", "--image-opts"]
        return self.instance.wire.inside(*words, *secret, f"{placed}{options}")

    def io(self, *commands: str) -> subprocess.Popen[str]:
        """qemu-io with commands, on its way."""
        words = [word for command in commands for word in ("-c", command)]
        return subprocess.Popen(
            self.tool("qemu-io", *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def done(self, *commands: str) -> str:
        """qemu-io with commands that must succeed; what it said."""
        process = self.io(*commands)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "failed" not in said, said
        return said


def sql(instance: Instance, query: str) -> list[str]:
    """One row of an instance's private database."""
    folder = str(instance.run_path / "postgres")
    return run("psql", "-h", folder, "-U", "netboot", "-AtF", " ", "-c", query, "netboot").split()


def tgtadm(instance: Instance, *words: str) -> str:
    """What its tgtd says, asked as its own user."""
    user = ["setpriv", "--reuid=netboot-storage", "--regid=netboot-storage", "--clear-groups"]
    environment = {**os.environ, "TGT_IPC_SOCKET": str(instance.run_path / "tgt" / "control")}
    argv = [*user, "tgtadm", "--lld", "iscsi", *words]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=True, timeout=20)
    return done.stdout


def hang_up(instance: Instance, initiator: str) -> None:
    """End the connections of an initiator that is gone: tgtd would notice after 20 s, by its own pings."""
    tid = sid = ""
    ours = False
    for line in tgtadm(instance, "--op", "show", "--mode", "target").splitlines():
        if found := re.match(r"Target (\d+):", line):
            tid = found[1]
        elif found := re.match(r"\s+I_T nexus: (\d+)", line):
            sid = found[1]
        elif found := re.match(r"\s+Initiator: (\S+)", line):
            ours = found[1].endswith(initiator)
        elif ours and (found := re.match(r"\s+Connection: (\d+)", line)):
            words = ("--tid", tid, "--sid", sid, "--cid", found[1])
            tgtadm(instance, "--op", "delete", "--mode", "conn", *words)
