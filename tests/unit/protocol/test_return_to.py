"""Return paths: only ever on the host that the browser came from."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.errors import Malformed
from secondgate.protocol.return_to import parse_return_path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/page",
        "/a/b?x=1&y=%2F%2Fevil",
        "/a?next=https://evil.example/",
        "/a//b",
        "/@evil",
        "/a;b=c",
        "/~x/#top",
        "/.well-known/x",
    ],
)
def test_a_path_on_this_host_stays_as_it_is(path: str) -> None:
    assert parse_return_path(path) == path


def test_other_alphabets_are_escaped() -> None:
    assert parse_return_path("/käse?ö=\u2028%20") == "/k%C3%A4se?%C3%B6=%E2%80%A8%20"


@pytest.mark.case(15)
@pytest.mark.parametrize(
    "text",
    [
        *("", "page", "?x", "#x", ".", "@evil.example", "good@evil.example", ":80/x"),
        *("//evil.example", "///evil.example", "////evil", "/\\evil.example", "\\\\evil.example", "\\/evil", "/a\\b"),
        *("/.//evil.example", "/..//evil.example", "/././/evil", "/%2e//evil", "/.%2E//evil", "/./..//evil"),
        *("https://evil.example", "http:evil", "https:/evil", "https:///evil", "https://good@evil.example/"),
        *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x"),
        *(
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r/evil",
            "\t//evil",
            "\x00/",
            " /page",
            "/page ",
            "/a b",
            "/a\x7fb",
        ),
        *("/a\x00", "/a\r\nSet-Cookie: x=1", "/\udcff", "/a\ud800"),
    ],
)
def test_whatever_a_browser_could_take_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="return_to: must be"):
        parse_return_path(text)


@pytest.mark.case(15)
def test_eight_kib_are_too_long() -> None:
    assert len(parse_return_path("/" + "a" * 8190)) == 8191
    for text in ("/" + "a" * 8191, "/" + "ä" * 2000, "/" * 100_000):
        with pytest.raises(Malformed):
            parse_return_path(text)


@pytest.mark.case(15)
@settings(deadline=None)
@given(st.text(alphabet="/\\.:@?#%2eE\t\n\r ahtps;ä\u3002\uff0f", max_size=12).map("/".__add__))
def test_what_is_accepted_never_leaves_the_host(text: str) -> None:
    try:
        path = parse_return_path(text)
    except Malformed:
        return
    assert urlsplit(urljoin("https://wiki.example.com/.secondgate/callback", path)).netloc == "wiki.example.com"
    assert path.isascii()
    assert path[1:2] not in {"/", "\\"}
    assert not set(path) & set("\\\t\r\n ")
