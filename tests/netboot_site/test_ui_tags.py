"""Small words of pages."""

from __future__ import annotations

import pytest

from netboot_site.templatetags.ui import UNKNOWN, brief, first_name, is_below


@pytest.mark.parametrize(
    ("count", "words"),
    [(None, UNKNOWN), (0, "1 ms"), (0.0042, "4 ms"), (0.88, "880 ms"), (1.0, "1.0 s"), (61, "1 min 1 s")],
)
def test_a_file_that_came_at_once_took_milliseconds_and_not_no_time(count: float | None, words: str) -> None:
    assert brief(count) == words


@pytest.mark.parametrize(("names", "first"), [("a.dtb or b.dtb or c.dtb", "a.dtb"), ("one.elf", "one.elf")])
def test_of_several_names_that_will_do_the_first_is_shown(names: str, first: str) -> None:
    assert first_name(names) == first


@pytest.mark.parametrize(
    ("path", "sections"),
    [
        ("/", ["/"]),
        ("/devices/52:54:00:12:34:56/boots/", ["/devices/"]),
        ("/boots/7/", ["/boots/"]),
        ("/login/", []),
    ],
)
def test_a_page_belongs_to_one_section_of_the_navigation(path: str, sections: list[str]) -> None:
    assert [section for section in ("/", "/devices/", "/boots/") if is_below(path, section)] == sections
