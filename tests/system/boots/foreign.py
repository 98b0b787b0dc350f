"""A DHCP server on a test's wire that is not ours, as a home router's: it knows nothing of booting."""

from __future__ import annotations

import subprocess
from pathlib import Path

from netboot_site.demo.netns import Namespace, add_cable
from tests.system.instance import Wire

FOREIGN_ADDRESS = "10.66.0.2"


class foreign_dhcp_server:  # noqa: N801  # used as a function
    """Another dnsmasq in another namespace; it hands out 10.66.0.180 to 199."""

    def __init__(self, wire: Wire, work: Path) -> None:
        self.namespace = Namespace(f"nbf{wire.namespace[-6:]}")
        self.wire, self.leases = wire, work / "foreign-leases"

    def __enter__(self) -> None:
        self.namespace.create()
        ours = Namespace(self.wire.namespace)
        add_cable(ours, "nbf0", "nbf1", self.namespace, f"{FOREIGN_ADDRESS}/24", bridge=self.wire.bridge)
        words = ["dnsmasq", "-k", "-C", "/dev/null", "--port=0", "--interface=nbf1", "--bind-interfaces"]
        options = ["--dhcp-range=10.66.0.180,10.66.0.199,1h", f"--dhcp-leasefile={self.leases}", "--no-ping"]
        self.process = subprocess.Popen(
            self.namespace.argv(*words, *options, "--user=root", "--log-facility=-"),
            stderr=subprocess.DEVNULL,
        )

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.namespace.remove()
