"""Which application a URL belongs to: the most specific, and never a weaker one by a trick in the path."""

from __future__ import annotations

import posixpath
import random
import re
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.model.application import (
    MAX_READINGS,
    AmbiguousPathError,
    Application,
    ApplicationIndex,
    Destination,
    path_readings,
)


def an_application(*places: str) -> Application:
    destinations = tuple(Destination(host, slash + path) for host, slash, path in (p.partition("/") for p in places))
    return Application(id=places[0], aud="", name=places[0], destinations=destinations, policies=())


ROOT = an_application("wiki.example.com")
ADMIN = an_application("wiki.example.com/admin")
PUBLIC = an_application("wiki.example.com/public")
DEEP = an_application("wiki.example.com/admin/users")
WILD = an_application("*.example.com")
WILD_ADMIN = an_application("*.example.com/admin")
NARROW = an_application("*.eu.example.com")
ALL = (ROOT, ADMIN, PUBLIC, DEEP, WILD, WILD_ADMIN, NARROW)


def test_a_destination_shows_as_a_domain() -> None:
    assert str(Destination("*.example.com", "/a")) == "*.example.com/a"


@pytest.mark.case(14)
@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("wiki.example.com", "/", ROOT),
        ("wiki.example.com", "", ROOT),
        ("wiki.example.com", "*", ROOT),
        ("wiki.example.com", "/admin", ADMIN),
        ("wiki.example.com", "/admin/", ADMIN),
        ("wiki.example.com", "/admin/x", ADMIN),
        ("wiki.example.com", "/administrator", ROOT),
        ("wiki.example.com", "/admin/users/7", DEEP),
        ("wiki.example.com", "/.well-known/x", ROOT),
        ("other.example.com", "/", WILD),
        ("other.example.com", "/admin/x", WILD_ADMIN),
        ("a.b.example.com", "/", WILD),
        ("a.eu.example.com", "/admin", NARROW),
        ("eu.example.com", "/", WILD),
        ("example.com", "/", None),
        ("evil-example.com", "/", None),
        ("", "/", None),
    ],
)
def test_the_most_specific_application_wins_in_any_order(host: str, path: str, expected: Application | None) -> None:
    for seed in range(20):
        applications = list(ALL)
        random.Random(seed).shuffle(applications)  # noqa: S311 - an order, not a secret
        assert ApplicationIndex(applications).find(host, path) is expected


def test_a_path_of_no_application_at_a_known_host_belongs_to_none() -> None:
    index = ApplicationIndex([ADMIN])
    assert index.find("wiki.example.com", "/elsewhere") is None
    assert index.find("wiki.example.com", "") is None


def test_one_application_for_a_whole_host_takes_every_path() -> None:
    assert ApplicationIndex([ROOT]).find("wiki.example.com", "/%ff/../%00") is ROOT


def test_an_exact_hosts_paths_come_before_its_wildcards() -> None:
    index = ApplicationIndex([WILD_ADMIN, ROOT])
    assert index.find("wiki.example.com", "/admin") is ROOT
    assert index.at_host("wiki.example.com") == (ROOT, WILD_ADMIN)
    assert index.at_host("example.org") == ()


def test_an_application_stands_once_at_a_host_however_many_paths_it_has() -> None:
    several = an_application("wiki.example.com/a", "wiki.example.com/b")
    assert ApplicationIndex([several]).at_host("wiki.example.com") == (several,)


@pytest.mark.case(12)
@pytest.mark.parametrize(
    "path",
    [
        "//admin",
        "/./admin",
        "/public/../admin",
        "/public/..;/admin",
        "/%2e/admin",
        "/public/%2e%2e/admin",
        "/%61dmin",
        "/%2fadmin",
        "/public%2f..%2fadmin",
        "/admin;a=b",
        "/;a=b/admin",
        "/ADMIN",
        "/Admin/x",
        "\\admin",
        "/\\admin",
        "/public\\..\\admin",
        "/admin%00.html",
        "/admin%23",
        "/admin%3fx=/public",
        "/admin?x=/public",
        "/admin#/public",
        "/%2561dmin",
        "/public/%252e%252e/admin",
        "/public/%25252e%25252e/admin",
        "public/../admin",
        "admin",
        "/%e2%84%aa/../admin",
    ],
)
def test_no_spelling_of_a_path_is_weaker_than_the_plain_one(path: str) -> None:
    index = ApplicationIndex(ALL)
    try:
        found = index.find("wiki.example.com", path)
    except AmbiguousPathError:
        return
    assert found is ADMIN


@pytest.mark.case(12)
@pytest.mark.parametrize("path", ["/admin%c0%af", "/%ff", "/%c0%ae%c0%ae/admin", "/\udc80"])
def test_what_is_no_utf8_in_the_end_is_refused(path: str) -> None:
    with pytest.raises(AmbiguousPathError):
        ApplicationIndex(ALL).find("wiki.example.com", path)


@pytest.mark.case(12)
def test_a_path_with_capitals_is_reached_as_written_and_guarded_in_every_case() -> None:
    capitals = an_application("wiki.example.com/Admin")
    index = ApplicationIndex([ROOT, capitals])
    assert index.find("wiki.example.com", "/Admin/x") is capitals
    for path in ("/admin/x", "/ADMIN", "/%41DMIN"):
        with pytest.raises(AmbiguousPathError):
            index.find("wiki.example.com", path)


def test_a_path_with_too_many_readings_is_refused() -> None:
    path = "/%" + "25" * MAX_READINGS + "41"
    with pytest.raises(AmbiguousPathError):
        path_readings(path)


def test_dot_segments_never_climb_above_the_root() -> None:
    assert "/admin" in path_readings("/../../admin")
    assert "/" in path_readings("/admin/..")


def test_a_plain_path_has_one_reading() -> None:
    assert path_readings("/a/b-c_d/E.html") == {"/a/b-c_d/E.html"}
    assert path_readings("") == {"/"}


def cut_parameters(path: str) -> str:
    return re.sub(r";[^/]*", "", path)


UPSTREAMS: list[Callable[[str], str]] = [
    lambda path: path,
    unquote,
    lambda path: unquote(unquote(path)),
    lambda path: posixpath.normpath(re.sub("/+", "/", unquote(path))),
    lambda path: posixpath.normpath(re.sub("/+", "/", unquote(cut_parameters(path)))),
    lambda path: posixpath.normpath(re.sub("/+", "/", cut_parameters(unquote(path)))),
    lambda path: posixpath.normpath(re.sub(r"[/\\]+", "/", unquote(path))).lower(),
    lambda path: posixpath.normpath(unquote(unquote(path)).replace("\\", "/").partition("\0")[0]).lower(),
    lambda path: unquote(path.partition("?")[0].partition("#")[0]),
]
pieces = st.sampled_from(
    [
        "/",
        "//",
        "admin",
        "ADMIN",
        "public",
        ".",
        "..",
        "%2e",
        "%2f",
        "%252e",
        "%61",
        ";a=b",
        "\\",
        "%5c",
        "%00",
        "%23",
        "x",
    ]
)


@pytest.mark.case(12)
@settings(deadline=None)
@given(st.lists(pieces, max_size=8).map("".join))
def test_wherever_an_upstream_sees_the_guarded_path_the_gate_does_or_refuses(tail: str) -> None:
    index = ApplicationIndex([ROOT, ADMIN, PUBLIC])
    path = "/" + tail
    seen = [upstream(path) for upstream in UPSTREAMS]
    if any(view == "/admin" or view.startswith("/admin/") for view in seen):
        with suppress(AmbiguousPathError):
            assert index.find("wiki.example.com", path) is ADMIN


@settings(deadline=None)
@given(st.text(max_size=40))
def test_the_number_of_readings_is_bounded_and_all_begin_with_a_slash(path: str) -> None:
    try:
        readings = path_readings(path)
    except AmbiguousPathError:
        return
    assert 0 < len(readings) <= MAX_READINGS
    assert all(reading.startswith("/") for reading in readings)
