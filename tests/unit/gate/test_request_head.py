"""A question is understood completely or not at all: what could be read in two ways is not read here."""

from __future__ import annotations

import pytest

from secondgate.gate.dialects import AUTH_REQUEST, DIALECTS, EXT_AUTHZ, FORWARD_AUTH, Dialect
from secondgate.gate.request_head import MAX_FIELDS, MAX_HEAD_BYTES, HeadReader, forwarded_for, navigation_fields
from tests.web.site import question

URL = "https://wiki.example.com/page?x=1"
COOKIE = ("Cookie", "__Host-secondgate=a.b.c")


def sent(dialect: Dialect, *more: tuple[str, str], url: str = URL) -> bytes:
    """Write a question, on a connection that stays open."""
    return question(dialect.name, url).sent_with(*more).replace(b"Connection: close\r\n", b"")


dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


@dialects
def test_a_plain_question_is_understood(dialect: Dialect) -> None:
    reader = HeadReader(dialect)
    assert reader.read(sent(dialect, COOKIE, ("Accept", "*/*"))) == (
        b"GET",
        b"wiki.example.com",
        b"/page?x=1",
        b"__Host-secondgate=a.b.c",
        b"",
    )
    assert reader.read(sent(dialect)) == (b"GET", b"wiki.example.com", b"/page?x=1", b"", b"")


@dialects
def test_a_question_of_one_dialect_is_none_of_another(dialect: Dialect) -> None:
    for other in DIALECTS:
        assert (HeadReader(other).read(sent(dialect)) is not None) is (other is dialect)


@dialects
def test_names_in_any_case_and_order_are_the_same(dialect: Dialect) -> None:
    reader = HeadReader(dialect)
    first, *lines = sent(dialect, COOKIE, ("X-More", "1")).decode().split("\r\n")[:-2]
    for turned in (lines, lines[::-1]):
        for change in (str.lower, str.upper, str.title):
            written = [f"{change(line.partition(':')[0])}:{line.partition(':')[2]}" for line in turned]
            assert reader.read("\r\n".join([first, *written, "", ""]).encode()) == reader.read(sent(dialect, COOKIE))


@dialects
@pytest.mark.case(3, 95)
@pytest.mark.parametrize(
    "field",
    [
        "Connection: close",
        "Connection: keep-alive, X-Original-URL",
        "Content-Length: 5",
        "Content-Length: 00",
        "Content-Length: 0, 0",
        "Content-Length : 0",
        "Content-Encoding: gzip",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "transfer-encoding: identity",
        "Transfer_Encoding: chunked",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "HTTP2-Settings: AAA",
        "TE: trailers",
        "Trailer: X",
        "CF-Access-Client-Id: x",
        "Cf_Access_Client_Secret: x",
        "X-Fold: a\r\n b",
        "X-Fold: a\r\n\tb",
        "X-Bare: a\rb",
        "X-Bare: a\nb",
        "X-Nul: a\0b",
        "X-Control: a\x7fb",
        "No colon",
        ": no name",
        "Bad name: x",
        "X_Original_URL: https://open.example.com/",
        "Cookie: __Host-secondgate=d.e.f",
        "Host: one\r\nHost: two",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(dialect: Dialect, field: str) -> None:
    reader, plain = HeadReader(dialect), sent(dialect, COOKIE)
    assert reader.read(plain)
    for place in (plain.index(b"\r\n") + 2, plain.index(b"Cookie"), len(plain) - 2):
        assert reader.read(plain[:place] + field.encode() + b"\r\n" + plain[place:]) is None


@dialects
@pytest.mark.case(95)
def test_more_or_less_than_one_whole_request_is_not_read(dialect: Dialect) -> None:
    reader, plain = HeadReader(dialect), sent(dialect, COOKIE)
    for data in (
        plain * 2,
        plain + b"x",
        plain + b"\r\n",
        b"\r\n" + plain,
        b" " + plain,
        plain.replace(b"\r\n", b"\n"),
    ):
        assert reader.read(data) is None
    for end in range(len(plain)):
        assert reader.read(plain[:end]) is None
        assert end == 0 or reader.read(plain[end:]) is None


@dialects
def test_another_method_version_or_path_of_the_question_is_not_read(dialect: Dialect) -> None:
    reader, plain = HeadReader(dialect), sent(dialect)
    for old, new in (
        (b"GET /", b"HEAD /"),
        (b"GET /", b"OPTIONS /"),
        (b"GET /", b"get /"),
        (b"GET /", b"GET  /"),
        (b"GET /", b"GET http://gate/"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"HTTP/1.1", b"HTTP/2.0"),
        (b"/verify/", b"//verify/"),
        (b"/verify/", b"/Verify/"),
        (b"/verify/", b"/%76erify/"),
    ):
        assert old in plain
        assert reader.read(plain.replace(old, new, 1)) is None, new


@pytest.mark.parametrize("dialect", [AUTH_REQUEST, FORWARD_AUTH], ids=lambda dialect: dialect.name)
def test_a_target_behind_the_path_of_the_question_is_only_read_where_the_dialect_has_one(dialect: Dialect) -> None:
    for more in (b"/", b"?x", b"/x", b"%20"):
        changed = sent(dialect).replace(b" HTTP/1.1", more + b" HTTP/1.1", 1)
        assert HeadReader(dialect).read(changed) is None


@pytest.mark.case(12)
@pytest.mark.parametrize(
    "path", ["/%61", "//a", "/a//b", "/./a", "/../a", "/a;b", "/a#b", "/a\\b", "/a%2fb", "/a:b", ""]
)
def test_a_target_that_is_read_in_many_ways_is_left_to_the_parser_where_it_is_the_request_line(path: str) -> None:
    reader = HeadReader(EXT_AUTHZ)
    assert reader.read(sent(EXT_AUTHZ, url=f"https://wiki.example.com{path}")) is None


@dialects
def test_a_field_that_decides_must_be_there(dialect: Dialect) -> None:
    reader, lines = HeadReader(dialect), sent(dialect).split(b"\r\n")
    for number, line in enumerate(lines[1:-2], 1):
        is_optional = dialect is EXT_AUTHZ and line.startswith(b"X-Forwarded-Proto")
        without = b"\r\n".join(lines[:number] + lines[number + 1 :])
        assert (reader.read(without) is not None) is is_optional, line


@dialects
@pytest.mark.case(3, 13)
def test_a_field_that_decides_stands_there_once(dialect: Dialect) -> None:
    reader, lines = HeadReader(dialect), sent(dialect, COOKIE).split(b"\r\n")
    for number, line in enumerate(lines[1:-2], 1):
        for twin in (line, line.lower(), line.replace(b"example.com", b"example.org")):
            for place in (number, number + 1, len(lines) - 2):
                twice = b"\r\n".join([*lines[:place], twin, *lines[place:]])
                assert reader.read(twice) is None, twice


def test_envoy_sends_the_length_of_no_body_and_once() -> None:
    reader, none = HeadReader(EXT_AUTHZ), ("Content-Length", "0")
    assert reader.read(sent(EXT_AUTHZ, none))
    assert reader.read(sent(EXT_AUTHZ, none, none)) is None
    assert HeadReader(FORWARD_AUTH).read(sent(FORWARD_AUTH, none)) is None


@dialects
@pytest.mark.case(94)
def test_more_bytes_and_fields_than_usual_are_left_to_the_parser(dialect: Dialect) -> None:
    reader = HeadReader(dialect)
    usual = len(question(dialect.name, URL).fields) + (dialect is not EXT_AUTHZ)
    many = [(f"X-{number}", "") for number in range(MAX_FIELDS - usual)]
    assert reader.read(sent(dialect, *many))
    assert reader.read(sent(dialect, *many, ("X-More", ""))) is None
    room = MAX_HEAD_BYTES - len(sent(dialect, ("X-Long", "")))
    assert reader.read(sent(dialect, ("X-Long", "a" * room)))
    assert reader.read(sent(dialect, ("X-Long", "a" * (room + 1)))) is None


@dialects
def test_the_proxys_secret_is_read_where_one_is_needed(dialect: Dialect) -> None:
    reader, secret = HeadReader(dialect, secret_header="X-Secret"), ("X-Secret", "s3cret")
    head = reader.read(sent(dialect, secret))
    assert head
    assert head[4] == b"s3cret"
    for more in ((), (secret, secret), (("X-Secret", ""),), (("X-Secret", "a b"),)):
        assert reader.read(sent(dialect, *more)) is None


@dialects
def test_a_field_that_is_refused_is_not_read_in_any_case(dialect: Dialect) -> None:
    reader = HeadReader(dialect, refused=["Authorization"])
    assert reader.read(sent(dialect, ("Authorisation", "x")))
    for name in ("Authorization", "authorization", "AUTHORIZATION"):
        assert reader.read(sent(dialect, (name, "x"))) is None


def test_whom_a_proxy_names_is_told_byte_for_byte_and_in_order() -> None:
    reader = HeadReader(AUTH_REQUEST, identity_headers=["X-Who", "X-Name"])
    named = sent(AUTH_REQUEST, ("x-name", " Ann"), ("X-Who-Else", "no"), ("X-Who", "ann@example.com"))
    assert reader.identity_of(named) == b"x-name:  Ann\r\nX-Who: ann@example.com"
    assert reader.identity_of(sent(AUTH_REQUEST, ("X-More", "X-Who: ben"))) == b""
    assert HeadReader(AUTH_REQUEST).identity_of(named) == b""


def test_the_fields_by_which_pages_and_addresses_are_told_keep_their_order() -> None:
    data = sent(AUTH_REQUEST, ("accept", "a"), ("X-Forwarded-For", "1 "), ("Sec-Fetch-Mode", ""), ("Accept", "b"))
    data = data.replace(b"accept: a", b"accept:\ta\t").replace(b"Accept: b", b"Accept: b\r\nX-FORWARDED-FOR: 2, 3")
    assert navigation_fields(data) == [("accept", "a"), ("Sec-Fetch-Mode", ""), ("Accept", "b")]
    assert [value.strip() for value in forwarded_for(data)] == ["1", "2, 3"]
