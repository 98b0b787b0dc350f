"""The hook's check-in and login, run by shells that an initramfs may have, with programs of the test's."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from images.raspberry_pi.segment import HERE

SHELLS = (["dash"], ["busybox", "sh"])
BOX = """\
#!/bin/sh
case "$1" in
sleep)
    echo "slept $2" >>{log}
    [ ! -e {folder}/later ] || mv {folder}/later/* {folder}/net/
    ;;
ip) [ "$5" != up ] || [ -e {folder}/net/$4 ] ;;
udhcpc)
    while [ "$1" != -i ]; do shift; done
    [ -e {folder}/net/$2 ] || exit 1
    echo "asked on $2" >>{log}
    echo try >>{folder}/tries
    [ $(wc -l <{folder}/tries) -gt {silent} ] && echo "IPV4ADDR='10.0.0.7'" >{folder}/net-$2.conf
    ;;
reboot) echo rebooted >>{log}; kill -9 $PPID ;;
*) exec busybox "$@" ;;
esac
"""
LOGIN = """\
#!/bin/sh
number=$(($(cat {folder}/logins 2>/dev/null || echo 0) + 1))
echo $number >{folder}/logins
cat {folder}/said-$number 2>/dev/null
[ ! -e {folder}/said-$number ]
"""
Run = Callable[..., list[str]]


class Server(ThreadingHTTPServer):
    """Gives its answers one after the other, the last one for ever; None is no answer at all."""

    answers: list[str | None]
    asked: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.answers[min(len(self.server.asked), len(self.server.answers)) - 1]
        if body is None:
            self.connection.close()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.asked, made.answers = [], []
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(params=SHELLS, ids=lambda words: words[0])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Runs one of the hook's functions and returns what was said and done, in its order."""
    log, box, login = tmp_path / "log", tmp_path / "box", tmp_path / "login"
    box.write_text(BOX.format(log=log, folder=tmp_path, silent=2))
    login.write_text(LOGIN.format(folder=tmp_path))
    (tmp_path / "net").mkdir()
    for path in (box, login):
        path.chmod(0o755)
    hook = (HERE / "netboot.sh").read_text()
    for old, new in (
        (". /scripts/local\n", ""), ("/netboot/busybox", str(box)), (">/dev/kmsg", f">>{log}"),
        ("/run/netboot-", f"{tmp_path}/run-"), ("/run/net-", f"{tmp_path}/net-"),
        ("/sys/class/net", f"{tmp_path}/net"), ("/netboot/lib/ld-linux-aarch64.so.1", str(login)),
    ):  # fmt: skip
        assert old in hook, old
        hook = hook.replace(old, new)

    def made(words: str) -> list[str]:
        given = "wait_for_udev() { :; }\nnetboot_shown=7\nnetboot_retry=0\nnetboot_mac=b8:27:eb:00:00:01"
        script = f"{given}\n{hook}\n{words}\necho done >>{log}\n"
        subprocess.run([*request.param, "-c", script], timeout=60, check=False, capture_output=True)
        return [line.removeprefix("<5>netboot: ") for line in log.read_text().splitlines()]

    return made


def url(server: Server) -> str:
    return f"netboot_url=http://127.0.0.1:{server.server_port}/boot/"


def test_it_waits_as_long_as_it_is_told_to_and_says_each_reason_once(run: Run, server: Server) -> None:
    server.answers = [
        "action wait\nseconds 7\nsay The disk is being made.\nsay It takes a minute.\n",
        "action wait\nseconds 3\nsay The disk is being made.\nsay It takes a minute.\n",
        "action wait\nseconds 3\nsay Another reason.\n",
        "action boot\nseconds 0\n",
    ]

    done = run(f"{url(server)}\nnetboot_check_in")

    assert done == [
        "The disk is being made. It takes a minute.", "slept 7", "slept 3", "Another reason.",
        "slept 3", "done",
    ]  # fmt: skip
    retries = [path.rpartition("=")[2] for path in server.asked]
    assert retries == ["0", "1", "2", "3"]
    assert all("system=initramfs" in path for path in server.asked)
    assert all("mac=b8:27:eb:00:00:01" in path for path in server.asked)


def test_it_restarts_when_it_is_told_to(run: Run, server: Server) -> None:
    server.answers = ["action restart\nseconds 5\nsay Approved.\n"]

    done = run(f"{url(server)}\nnetboot_check_in")

    assert done[0] == "Approved."
    assert done[1:] == ["The server asks for a restart. Restarting in 30 seconds.", "slept 30", "rebooted"]


def test_after_five_questions_without_an_answer_it_goes_on(run: Run, server: Server) -> None:
    server.answers = [None]

    done = run(f"{url(server)}\nnetboot_check_in")

    assert len(server.asked) == 5
    assert done[-2:] == ["Going on without its answer.", "done"]
    assert done.count("slept 5") == 4


@pytest.mark.parametrize("answer", ["#!ipxe\necho Asking again.\n", "", "say hello\naction restart\n"])
def test_what_a_web_server_says_in_the_orchestrators_place_is_no_answer(
    run: Run, server: Server, answer: str
) -> None:
    server.answers = [answer]

    assert run(f"{url(server)}\nnetboot_check_in")[-2:] == ["Going on without its answer.", "done"]
    assert len(server.asked) == 5


def test_an_answer_begins_the_count_anew(run: Run, server: Server) -> None:
    server.answers = [*[None] * 3, "action wait\nseconds 1\n", *[None] * 4, "action boot\n"]

    run(f"{url(server)}\nnetboot_check_in")

    assert len(server.asked) == 9


@pytest.mark.parametrize("seconds", ["", "-5", "1e9", "99999", "5; reboot", "$(reboot)"])
def test_a_time_that_is_none_is_replaced(run: Run, server: Server, seconds: str) -> None:
    server.answers = [f"action wait\nseconds {seconds}\n", "action boot\n"]

    assert run(f"{url(server)}\nnetboot_check_in") == ["slept 5", "done"]


def test_without_an_address_nobody_is_asked(run: Run) -> None:
    assert run("netboot_check_in") == ["done"]


def test_what_the_server_says_is_only_said(run: Run, server: Server, tmp_path: Path) -> None:
    words = f"$(touch {tmp_path}/evil) `touch {tmp_path}/evil` \\033[2J %s *"
    server.answers = [f"action boot\nsay {words}\n"]

    assert run(f"{url(server)}\nnetboot_check_in") == [words, "done"]
    assert not (tmp_path / "evil").exists()


def add_card(folder: Path, name: str, mac: str) -> None:
    (folder / name / "device").mkdir(parents=True)
    (folder / name / "address").write_text(f"{mac}\n")


def test_dhcp_is_asked_until_it_answers_on_the_card_that_it_was_started_from(
    run: Run, tmp_path: Path
) -> None:
    add_card(tmp_path / "net", "eth0", "b8:27:eb:00:00:99")
    add_card(tmp_path / "net", "eth1", "b8:27:eb:00:00:01")
    (tmp_path / "net/lo").mkdir()

    done = run("netboot_connect")

    silent = ["asked on eth1", "No DHCP server answers on eth1; asking again.", "slept 1"]
    assert done == [*silent, *silent, "asked on eth1", "eth1 has the address 10.0.0.7.", "done"]


def test_a_card_that_appears_late_and_is_renamed_is_found(run: Run, tmp_path: Path) -> None:
    add_card(tmp_path / "later", "enxb827eb000001", "b8:27:eb:00:00:01")

    done = run("netboot_connect")

    assert done[0] == "slept 1"
    assert done[-2] == "enxb827eb000001 has the address 10.0.0.7."


def test_a_login_is_tried_until_it_succeeds(run: Run, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"said-{number}").write_text("iscsistart: Logging into x\niscsistart: cannot connect\n")

    done = run("netboot_target=iqn netboot_portal=10.0.0.1\nnetboot_log_in")

    assert done.count("The login failed and is tried again: cannot connect ") == 2, done
    assert done[-2:] == ["Logging in to the disk iqn at 10.0.0.1.", "done"]


def test_a_secret_that_is_refused_again_and_again_is_fetched_anew(run: Run, tmp_path: Path) -> None:
    for number in range(1, 9):
        (tmp_path / f"said-{number}").write_text(
            "iscsistart: initiator reported error (24 - iSCSI login failed)\n"
        )

    done = run("netboot_target=iqn netboot_portal=10.0.0.1\nnetboot_log_in")

    assert done.count("The server refused this device's CHAP name or secret.") == 3
    assert done[-1] == "rebooted"


def test_a_session_that_is_there_already_is_as_good(run: Run, tmp_path: Path) -> None:
    (tmp_path / "said-1").write_text("iscsistart: initiator reported error (15 - session exists)\n")

    assert run("netboot_target=iqn netboot_portal=10.0.0.1\nnetboot_log_in")[-1] == "done"


def test_in_the_place_of_a_shell_it_restarts(run: Run) -> None:
    done = run("panic 'ALERT! No root.'")

    assert done[0] == "The system cannot be started: ALERT! No root. Restarting in 30 seconds."
    assert done[-1] == "rebooted"
