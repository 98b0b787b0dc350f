"""Network namespaces of ours, made for real."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from netboot_site.demo.netns import Namespace, add_cable, remove_interface
from netboot_site.errors import UnavailableError
from netboot_site.system import run, start

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="network namespaces need root"
)
pytestmark = needs_root
OWN = os.getpid()  # two runs of the suite on one machine do not meet


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(f"nbtest{OWN}")
    made.create()
    yield made
    made.remove()


def test_only_names_of_ours_are_touched() -> None:
    with pytest.raises(ValueError, match=r"named nb\.\.\., not eth"):
        Namespace("eth")


def test_a_namespace_is_made_afresh_and_what_a_crash_left_in_it_ends(namespace: Namespace) -> None:
    namespace.add_bridge()
    left_over = start(namespace.argv("sleep", "600"))
    while left_over.pid not in namespace.pids():
        assert left_over.poll() is None
    namespace.create()
    assert left_over.wait(5) == -9
    assert "br0" not in namespace.ip("-brief", "link").stdout


def test_removing_twice_is_no_error(namespace: Namespace) -> None:
    namespace.remove()
    namespace.remove()
    assert not namespace.exists()
    assert namespace.pids() == []


def test_a_cable_carries_packets_between_two_namespaces(namespace: Namespace) -> None:
    other = Namespace(f"nbother{OWN}")
    other.create()
    try:
        namespace.add_bridge(address="10.254.200.1/24")
        add_cable(namespace, "nbcable0", f"nba{OWN}", other, "10.254.200.2/24")
        answer = namespace.run("/bin/busybox", "ping", "-c", "1", "-W", "5", "10.254.200.2")
        assert answer.exit_code == 0, answer.stdout
    finally:
        other.remove()


def test_a_cable_to_this_machine_is_gone_with_its_namespace(namespace: Namespace) -> None:
    outside = f"nbb{OWN}"
    namespace.add_bridge()
    for _ in range(2):  # the second one replaces the first
        add_cable(namespace, "nbcable2", outside, None, "10.254.201.1/24")
    assert f"{outside}@" in run(["ip", "-brief", "link"]).stdout
    namespace.remove()
    remove_interface(outside)
    assert f"{outside}@" not in run(["ip", "-brief", "link"]).stdout


def test_a_card_is_plugged_into_the_wire(namespace: Namespace) -> None:
    namespace.add_bridge()
    namespace.add_tap("nbtap9")
    assert "master br0" in namespace.ip("link", "show", "dev", "nbtap9").stdout


def test_what_ip_refuses_is_told_with_its_words(namespace: Namespace) -> None:
    with pytest.raises(UnavailableError, match="private network could not be made"):
        namespace.ip("link", "set", "nowhere", "up")
