"""Import from a URL: resumed when cut, redirected within bounds, never to this host itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.importing import download
from images.importing.download import Download, check_url, is_allowed
from images.models import Image, Job, JobState
from netboot_site.errors import ValidationError
from tests.conftest import Api
from tests.images.importing.conftest import MIB, assert_old_disk, disk_of
from tests.images.importing.test_import_in_pieces import CONTAINERS, contained
from tests.images.importing.test_put_archive import FORMATS, packed
from tests.images.importing.web import Web, serving

DATA = os.urandom(3 * MIB) + bytes(8 * MIB) + os.urandom(MIB)
URL = "/api/v1/images/disk1/import"


@pytest.fixture
def web(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    settings.IMPORT_FROM_LOOPBACK = True
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.001)
    with serving(DATA) as made:
        yield made


def fetched(url: str) -> bytes:
    with Download(url) as source:
        parts = []
        while data := source.read(MIB):
            parts.append(data)
    return b"".join(parts)


@pytest.mark.parametrize("kind", ["raw", *FORMATS, *CONTAINERS])
def test_what_a_url_gives_becomes_the_disk(
    image: Image, web: Web, api: Api, work: Callable[[], Job], images_path: Path, tmp_path: Path, kind: str
) -> None:
    if kind != "raw":
        web.data = packed(kind, DATA) if kind in FORMATS else contained(kind, DATA, tmp_path)
    answer = api.post(URL, {"url": f"{web.url}/disk"})
    assert answer.status_code == 202, answer.content
    job = work()
    assert (job.state, job.last_error) == (JobState.DONE, "")
    assert disk_of(image, images_path)[: len(DATA)] == DATA
    assert [path.name for path in (images_path / "disk1").iterdir() if "part" in path.name] == []


@pytest.mark.parametrize("kind", ["raw", "xz", "zip"])
def test_an_import_goes_on_where_the_connection_was_cut(
    image: Image, web: Web, api: Api, work: Callable[[], Job], images_path: Path, kind: str
) -> None:
    web.data = DATA if kind == "raw" else packed(kind, DATA)
    web.cuts = 4
    assert api.post(URL, {"url": f"{web.url}/disk"}).status_code == 202
    assert work().last_error == ""
    assert disk_of(image, images_path) == DATA
    asked = [wanted for _, wanted in web.asked]
    assert asked[0] == ""
    assert len(asked) == 5
    assert all(wanted.startswith("bytes=") for wanted in asked[1:]), asked


def test_a_server_that_cannot_go_on_fails_the_import(
    image: Image, web: Web, api: Api, work: Callable[[], Job], images_path: Path
) -> None:
    web.cuts, web.ranges = 1, False
    assert api.post(URL, {"url": f"{web.url}/disk"}).status_code == 202
    assert "cannot go on from there" in work().last_error
    assert_old_disk(image, images_path)


def test_a_file_that_changes_meanwhile_is_no_mixture(web: Web) -> None:
    with Download(f"{web.url}/disk") as source:
        web.cuts = 1
        first = source.read(MIB)
        web.etag = '"two"'
        with pytest.raises(ValidationError, match="cannot go on"):
            list(iter(lambda: source.read(MIB), b""))
    assert first == DATA[:MIB]


@pytest.mark.parametrize("status", [404, 401, 403, 410, 206])
def test_a_refusal_is_told_with_its_status(web: Web, status: int) -> None:
    web.refusals = [status]
    with pytest.raises(ValidationError, match=str(status)):
        fetched(f"{web.url}/disk")


def test_a_server_that_is_busy_for_a_moment_is_asked_again(web: Web) -> None:
    web.refusals = [503, 502]
    assert fetched(f"{web.url}/disk") == DATA


def test_a_server_that_stays_silent_is_given_up(web: Web) -> None:
    web.refusals = [503] * 20
    with pytest.raises(ValidationError, match="6 times in a row"):
        fetched(f"{web.url}/disk")
    assert len(web.asked) == 6


def test_a_body_without_a_length_ends_with_its_connection(web: Web) -> None:
    web.tells_length = False
    assert fetched(f"{web.url}/disk") == DATA


def test_redirects_are_followed_within_bounds(web: Web) -> None:
    assert fetched(f"{web.url}/away?4") == DATA
    with pytest.raises(ValidationError, match="more than 5 times"):
        fetched(f"{web.url}/away?9")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://u:p@127.0.0.1/"])
def test_a_redirect_to_something_else_is_not_followed(web: Web, target: str) -> None:
    with pytest.raises(ValidationError):
        fetched(f"{web.url}/to?{target}")


def test_a_redirect_to_this_host_is_not_followed(
    web: Web, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first hop is let through, as a public server would be; the second is not."""
    seen: list[str] = []

    def once(address: str) -> bool:
        seen.append(address)
        return len(seen) == 1

    monkeypatch.setattr(download, "is_allowed", once)
    with pytest.raises(ValidationError, match="this machine"):
        fetched(f"{web.url}/to?http://127.0.0.1:1/")
    assert len(web.asked) == 1


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = web.server_address[1], []

    def resolve(host: str, port: int, **kwargs: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.99"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: resolve(host, a[0]) if host == "rebinds" else real(host, *a, **k),
    )
    assert fetched(f"http://rebinds:{port}/disk") == DATA
    assert asked == ["rebinds"]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "http://localhost/x", "http://[::1]/x", "http://0.0.0.0/x", "http://169.254.169.254/x",
     "http://[::ffff:127.0.0.1]/", "http://127.1/", "http://2130706433/", "http://[64:ff9b::7f00:1]/"],
)  # fmt: skip
def test_this_host_is_no_source(
    image: Image, api: Api, work: Callable[[], Job], images_path: Path, url: str
) -> None:
    assert api.post(URL, {"url": url}).status_code == 202
    assert "this machine" in work().last_error
    assert_old_disk(image, images_path)


@pytest.mark.parametrize(
    "url",
    ["ftp://a/b", "file:///etc/passwd", "http://", "http:///x", "javascript:x", "/etc/passwd", "http://a b/",
     "http://u:p@host/", "http://a/\n", "http://a:99999/", "http://[::1/", "x" * 3000, "http://a:0/"],
)  # fmt: skip
def test_what_is_no_url_is_refused_at_once(image: Image, api: Api, url: str) -> None:
    assert api.post(URL, {"url": url}).status_code == 422
    assert Job.objects.count() == 0


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("93.184.216.34", True), ("10.1.2.3", True), ("192.168.1.1", True), ("127.0.0.1", False),
     ("127.255.0.1", False), ("169.254.1.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
     ("255.255.255.255", False), ("::1", False), ("fe80::1%eth0", False), ("::", False), ("fd00::1", True),
     ("2606:2800::1", True), ("::ffff:127.0.0.1", False), ("::ffff:10.0.0.1", True), ("2002:7f00:1::", False),
     ("64:ff9b::169.254.169.254", False), ("ff02::1", False)],
)  # fmt: skip
def test_addresses_that_may_be_asked(settings: Any, address: str, allowed: bool) -> None:
    settings.IMPORT_FROM_LOOPBACK = False
    assert is_allowed(address) is allowed


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_is_refused(text: str) -> None:
    for url in (text, f"http://{text}"):
        try:
            parts = check_url(url)
        except ValidationError:
            continue
        assert parts.scheme in {"http", "https"}
        assert parts.hostname


def test_more_than_fits_is_refused_before_it_is_fetched(
    image: Image, web: Web, api: Api, work: Callable[[], Job], settings: Any, images_path: Path
) -> None:
    assert api.post(URL, {"url": f"{web.url}/disk"}).status_code == 202
    settings.STORAGE_RESERVE_BYTES = 1 << 60
    assert "beside its reserve" in work().last_error
    assert_old_disk(image, images_path)
