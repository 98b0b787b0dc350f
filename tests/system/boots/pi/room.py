"""Raspberry Pis of a running orchestrator: their kernel set, their rows, their trees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.system.boots.pc import wait_until
from tests.system.boots.pi.boards import MODELS, Board
from tests.system.boots.pi.lab import CONFIG, SMALL, content
from tests.system.instance import Instance, Wire

SERVER_MODE = {"DHCP_MODE": "server", "DHCP_RANGE": "10.66.0.50,10.66.0.250"}


@contextmanager
def room(folder: Path, settings: dict[str, str]) -> Iterator[Instance]:
    """An orchestrator on a wire of its own."""
    with Wire.create() as wire, Instance(wire, folder / "data", settings) as instance:
        yield instance


def small_files() -> dict[str, bytes]:
    """What every model needs, in small."""
    trees = [name for model in MODELS for name in model.device_trees]
    sizes = {**SMALL, "bootcode.bin": 5000, **dict.fromkeys(trees, 3000)}
    files = {name: content(name, size) for name, size in sizes.items()}
    return files | {"config.txt": CONFIG.encode(), "cmdline.txt": b"console=tty1 boot=ram\n"}


def make_set(instance: Instance, name: str, files: dict[str, bytes]) -> None:
    """A kernel set with these files."""
    answer = instance.api("POST", "/api/v1/kernel-sets", {"name": name, "kernel_url": ""})
    assert answer.status == 201, answer.text
    for path, data in files.items():
        answer = instance.http(
            "PUT", f"/api/v1/kernel-sets/{name}/files/{path}", data, timeout=60,
            Authorization=f"Bearer {instance.token}", Content_Type="application/octet-stream",
        )  # fmt: skip
        assert answer.status == 201, f"{path}: {answer.text}"


def enrol(instance: Instance, board: Board, **more: Any) -> None:
    """Register it, with its serial unless told otherwise."""
    body = {"mac": board.mac, "device_type": "raspi", "name": f"Pi {board.mac[-8:]}", "serial": board.serial}
    answer = instance.api("POST", "/api/v1/devices", body | more)
    assert answer.status == 201, answer.text


def device(instance: Instance, board: Board) -> dict[str, Any]:
    answer = instance.api("GET", f"/api/v1/devices/{board.mac}")
    assert answer.status == 200, answer.text
    return dict(answer.json)


def wait_for_trees(instance: Instance, boards: Iterable[Board], seconds: float = 40) -> None:
    """Until each has its tree."""
    waiting = {board.mac for board in boards}

    def ready() -> bool:
        rows = instance.api("GET", "/api/v1/devices?limit=1000").json
        trees = {row["mac"]: row["pi_tree"] for row in rows if row["mac"] in waiting}
        late = {mac: tree for mac, tree in trees.items() if not tree or tree["state"] != "ready"}
        return len(trees) == len(waiting) and not late

    wait_until(f"{len(waiting)} trees", ready, seconds)


def boots(instance: Instance, board: Board) -> list[dict[str, Any]]:
    """Newest first."""
    return list(instance.api("GET", f"/api/v1/devices/{board.mac}/boots").json)


def page(instance: Instance, path: str) -> str:
    """A page as the administrator's browser gets it."""
    form = instance.http("GET", "/login/")
    csrf = _cookie(form.headers, "csrftoken")
    password = (instance.data_path / "admin-password").read_text().strip()
    fields = {"username": "admin", "password": password, "csrfmiddlewaretoken": csrf}
    signed_in = instance.http(
        "POST", "/login/", urlencode(fields).encode(), Cookie=f"csrftoken={csrf}",
        Content_Type="application/x-www-form-urlencoded", Referer=f"http://{instance.address}:8000/login/",
    )  # fmt: skip
    assert signed_in.status == 302, signed_in.text
    answer = instance.http("GET", path, Cookie=f"sessionid={_cookie(signed_in.headers, 'sessionid')}")
    assert answer.status == 200, f"{path}: {answer.status}"
    return unescape(answer.text)


def _cookie(headers: dict[str, str], name: str) -> str:
    found = re.search(rf"\b{name}=([^;]+)", headers.get("set-cookie", ""))
    assert found, f"no cookie {name}: {headers}"
    return found[1]
