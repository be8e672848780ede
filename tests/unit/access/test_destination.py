"""`host/path` as administrators write it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.access.destination import parse_destination, parse_host
from secondgate.errors import Malformed
from secondgate.model.application import ApplicationIndex, Destination


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("wiki.example.com", "wiki.example.com", ""),
        ("WIKI.Example.com/", "wiki.example.com", ""),
        ("wiki.example.com/*", "wiki.example.com", ""),
        ("wiki.example.com/Admin", "wiki.example.com", "/Admin"),
        ("wiki.example.com/a/b/", "wiki.example.com", "/a/b"),
        ("wiki.example.com/a/*", "wiki.example.com", "/a"),
        ("wiki.example.com/.well-known", "wiki.example.com", "/.well-known"),
        ("*.example.com/a", "*.example.com", "/a"),
        ("*.localhost", "*.localhost", ""),
        ("localhost", "localhost", ""),
        ("bücher.example", "xn--bcher-kva.example", ""),
        ("BÜCHER.example", "xn--bcher-kva.example", ""),
        ("my_app.internal", "my_app.internal", ""),
    ],
)
def test_what_is_well_formed_becomes_a_host_and_a_prefix(text: str, host: str, path: str) -> None:
    assert parse_destination(text) == Destination(host, path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/admin",
        "https://wiki.example.com",
        "wiki.example.com:8443",
        "192.0.2.7",
        "[::1]",
        "2130706433",
        "wiki..example.com",
        ".example.com",
        "wiki.example.com.",
        "-wiki.example.com",
        "wi ki.example.com",
        "wiki.example.com\n",
        "user@wiki.example.com",
        "wiki.*.example.com",
        "*wiki.example.com",
        "*",
        "*.",
        "*.*.example.com",
        "a" * 64 + ".example.com",
        ".".join(["a" * 60] * 5),
        "\N{SNOWMAN}" * 70 + ".example",
        "wiki.example.com/*/x",
        "wiki.example.com/a*",
        "wiki.example.com//a",
        "wiki.example.com/a//b",
        "wiki.example.com/../a",
        "wiki.example.com/./a",
        "wiki.example.com/a?b",
        "wiki.example.com/a#b",
        "wiki.example.com/%61",
        "wiki.example.com/a;b",
        "wiki.example.com/a b",
        "wiki.example.com/a\\b",
        "wiki.example.com/ä",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_destination(text)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_a_host_that_is_taken_is_taken_again_unchanged(text: str) -> None:
    try:
        host = parse_host(text)
    except Malformed:
        return
    assert parse_host(host) == host
    assert host.isascii()


@settings(deadline=None)
@given(st.from_regex(r"wiki\.example\.com(/[A-Za-z0-9._~-]{1,5}){0,3}/?", fullmatch=True))
def test_a_destination_that_is_taken_finds_itself(text: str) -> None:
    try:
        destination = parse_destination(text)
    except Malformed:
        return
    assert parse_destination(str(destination)) == destination
    assert ApplicationIndex([]).find(destination.host, destination.path) is None
