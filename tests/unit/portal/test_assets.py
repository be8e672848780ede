from __future__ import annotations

import re

import pytest

from secondgate.portal.assets import STATIC_FILES, static_url

every_file = pytest.mark.parametrize("name", STATIC_FILES)


def test_the_files_have_types_that_browsers_take_with_nosniff() -> None:
    assert {name: content_type for name, (content_type, _) in STATIC_FILES.items()} == {
        "controls.css": "text/css; charset=utf-8",
        "frame.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
        "portal.js": "text/javascript; charset=utf-8",
        "views.css": "text/css; charset=utf-8",
        "webauthn.js": "text/javascript; charset=utf-8",
    }


@every_file
def test_a_url_changes_with_the_content_and_can_be_absolute(name: str) -> None:
    assert re.fullmatch(rf"/static/{re.escape(name)}\?v=[\w-]{{12}}", static_url(name))
    assert static_url(name, "https://mfa.example.com") == f"https://mfa.example.com{static_url(name)}"


def test_urls_differ_as_contents_do() -> None:
    assert len({static_url(name).partition("?")[2] for name in STATIC_FILES}) == len(STATIC_FILES)


def test_a_file_that_is_not_there_has_no_url() -> None:
    with pytest.raises(KeyError):
        static_url("../pages.py")


@every_file
def test_a_file_refers_to_nothing_elsewhere_and_runs_no_text_as_code(name: str) -> None:
    text = STATIC_FILES[name][1].decode().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|@import|url\(|innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", text)
    assert not re.search(r"new Function|set(?:Timeout|Interval)\(\s*[\"'`]|localStorage|sessionStorage", text)
