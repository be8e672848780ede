"""What proxies say: one reading of every header, or none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.errors import Malformed, Reason
from secondgate.protocol.forwarded import (
    OriginalRequest,
    from_auth_request,
    from_ext_authz,
    from_forward_auth,
    parse_host,
    single_header,
)

Headers = list[tuple[str, str]]

AUTH_REQUEST: Headers = [
    ("Host", "127.0.0.1:9180"),
    ("X-Original-URL", "https://wiki.example.com/page?a=1"),
    ("X-Original-Method", "GET"),
]
FORWARD_AUTH: Headers = [
    ("Host", "127.0.0.1:9180"),
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "wiki.example.com"),
    ("X-Forwarded-Uri", "/page?a=1"),
]
EXT_AUTHZ: Headers = [("Host", "wiki.example.com"), ("X-Forwarded-Proto", "https")]
EXPECTED = OriginalRequest("GET", "https", "wiki.example.com", "/page", "a=1")


def replaced(headers: Headers, name: str, value: str) -> Headers:
    assert any(name == sent for sent, _ in headers)
    return [(sent, value if sent == name else old) for sent, old in headers]


def from_envoy(
    headers: Headers, *, method: str = "GET", target: str = "/verify/ext-authz/page?a=1", portal_scheme: str = "https"
) -> OriginalRequest:
    return from_ext_authz(
        headers, method=method, target=target, prefix="/verify/ext-authz", portal_scheme=portal_scheme
    )


def test_all_dialects_say_the_same() -> None:
    assert from_auth_request(AUTH_REQUEST) == from_forward_auth(FORWARD_AUTH) == from_envoy(EXT_AUTHZ) == EXPECTED


def test_names_are_read_in_any_case_and_values_without_blanks_around_them() -> None:
    headers = [(name.upper(), f" {value} ") for name, value in FORWARD_AUTH]
    assert from_forward_auth(headers) == EXPECTED


@pytest.mark.case(5)
def test_no_dialect_believes_the_headers_of_another() -> None:
    forged_forward = [("X-Forwarded-Uri", "/public"), ("X-Forwarded-Host", "evil"), ("X-Forwarded-Method", "OPTIONS")]
    forged_original = [("X-Original-URL", "https://evil/public"), ("X-Original-Method", "OPTIONS")]
    assert from_auth_request(AUTH_REQUEST + forged_forward) == EXPECTED
    assert from_forward_auth(FORWARD_AUTH + forged_original) == EXPECTED
    assert from_envoy(EXT_AUTHZ + forged_forward + forged_original) == EXPECTED


@pytest.mark.case(6)
def test_a_forwarded_port_or_prefix_changes_nothing() -> None:
    forged = [("X-Forwarded-Port", "666"), ("X-Forwarded-Prefix", "/evil"), ("Forwarded", "host=evil;proto=http")]
    assert from_forward_auth(FORWARD_AUTH + forged) == EXPECTED


@pytest.mark.case(4)
@pytest.mark.parametrize("missing", [name for name, _ in FORWARD_AUTH[1:]])
@pytest.mark.parametrize("empty", [False, True])
def test_a_forward_auth_header_that_is_missing_denies(missing: str, *, empty: bool) -> None:
    headers = replaced(FORWARD_AUTH, missing, " ") if empty else [pair for pair in FORWARD_AUTH if pair[0] != missing]
    with pytest.raises(Malformed) as refused:
        from_forward_auth(headers)
    assert (refused.value.field, refused.value.reason) == (missing, Reason.MISSING_HEADER)


@pytest.mark.case(4)
@pytest.mark.parametrize("missing", [name for name, _ in AUTH_REQUEST[1:]])
def test_an_auth_request_header_that_is_missing_denies(missing: str) -> None:
    with pytest.raises(Malformed) as refused:
        from_auth_request([pair for pair in AUTH_REQUEST if pair[0] != missing])
    assert (refused.value.field, refused.value.reason) == (missing, Reason.MISSING_HEADER)


@pytest.mark.case(3, 13)
@pytest.mark.parametrize("name", [name for name, _ in FORWARD_AUTH[1:]])
@pytest.mark.parametrize("twin", ["{}", "{upper}", "{underscored}", "{dotted}"])
def test_twins_of_a_believed_header_are_refused(name: str, twin: str) -> None:
    spelled = twin.format(name, upper=name.upper(), underscored=name.replace("-", "_"), dotted=name.replace("-", "."))
    value = dict(FORWARD_AUTH)[name]
    for headers in ([*FORWARD_AUTH, (spelled, value)], [(spelled, value), *FORWARD_AUTH]):
        with pytest.raises(Malformed) as refused:
            from_forward_auth(headers)
        assert refused.value.reason is Reason.AMBIGUOUS_HEADER


@pytest.mark.case(3)
@pytest.mark.parametrize("name", ["X-Original-URL", "X-Original-Method"])
def test_an_underscore_spelling_alone_is_refused_too(name: str) -> None:
    headers = [(sent.replace("-", "_") if sent == name else sent, value) for sent, value in AUTH_REQUEST]
    with pytest.raises(Malformed) as refused:
        from_auth_request(headers)
    assert refused.value.reason is Reason.AMBIGUOUS_HEADER


@pytest.mark.case(3)
@pytest.mark.parametrize("name", ["X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host"])
def test_comma_lists_are_refused_where_one_value_belongs(name: str) -> None:
    value = dict(FORWARD_AUTH)[name]
    for text in (f"{value}, {value}", f"{value},evil", f",{value}", f"{value},"):
        with pytest.raises(Malformed) as refused:
            from_forward_auth(replaced(FORWARD_AUTH, name, text))
        assert refused.value.reason is Reason.AMBIGUOUS_HEADER


@pytest.mark.case(3)
@pytest.mark.parametrize("control", ["\x00", "\r\n ", "\n", "\r", "\t", "\x0b", "\x1f", "\x7f"])
@pytest.mark.parametrize("name", [name for name, _ in FORWARD_AUTH[1:]])
def test_folded_lines_and_control_characters_are_refused(name: str, control: str) -> None:
    value = dict(FORWARD_AUTH)[name]
    for text in (value + control, value[:2] + control + value[2:]):
        with pytest.raises(Malformed) as refused:
            from_forward_auth(replaced(FORWARD_AUTH, name, text))
        assert refused.value.reason is Reason.AMBIGUOUS_HEADER


@pytest.mark.case(3)
def test_a_single_header_is_one_in_one_spelling() -> None:
    assert single_header([], "Remote-User") is None
    assert single_header([("X-Remote-User", "a"), ("Remote-Users", "b")], "Remote-User") is None
    assert single_header([("remote-user", "  ada ")], "Remote-User") == "ada"
    assert single_header([("Remote-User", "")], "Remote-User") == ""
    for twin in ("Remote_User", "remote_user", "Remote.User", "Remote User", "Remote-User"):
        with pytest.raises(Malformed) as refused:
            single_header([("Remote-User", "ada"), (twin, "eve")], "Remote-User")
        assert refused.value.reason is Reason.AMBIGUOUS_HEADER


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "M-SEARCH", "get", "X" * 32])
def test_methods_are_tokens(method: str) -> None:
    assert from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Method", method)).method == method


@pytest.mark.case(9)
@pytest.mark.parametrize("method", ["GET /", "GE(T", "G\u00c9T", "X" * 33, "GET\u2028"])
def test_odd_methods_are_refused(method: str) -> None:
    with pytest.raises(Malformed) as refused:
        from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Method", method))
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("proto", "scheme"), [("http", "http"), ("https", "https"), ("ws", "http"), ("wss", "https"), ("HTTPS", "https")]
)
def test_websockets_are_requests_of_their_scheme(proto: str, scheme: str) -> None:
    assert from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Proto", proto)).scheme == scheme
    url = f"{proto}://wiki.example.com/"
    assert from_auth_request(replaced(AUTH_REQUEST, "X-Original-URL", url)).scheme == scheme


@pytest.mark.parametrize("proto", ["ftp", "javascript", "https:", "https://", "h2"])
def test_other_schemes_are_refused(proto: str) -> None:
    with pytest.raises(Malformed):
        from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Proto", proto))


@pytest.mark.case(12)
@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/?", "/", ""),
        ("//admin", "//admin", ""),
        ("/public/../admin", "/public/../admin", ""),
        ("/%2e%2e/%61dmin;a=b", "/%2e%2e/%61dmin;a=b", ""),
        ("/a?x=/public?y", "/a", "x=/public?y"),
        ("/admin#/public", "/admin#/public", ""),
        ("/admin#a?b", "/admin#a", "b"),
        ("/\\admin", "/\\admin", ""),
        ("/a,b", "/a,b", ""),
        ("/k\u00e4se\udcff", "/k\u00e4se\udcff", ""),
        ("/@evil://x", "/@evil://x", ""),
    ],
)
def test_the_path_stays_as_it_was_sent(target: str, path: str, query: str) -> None:
    expected = OriginalRequest("GET", "https", "wiki.example.com", path, query)
    assert from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Uri", target)) == expected
    assert from_auth_request(replaced(AUTH_REQUEST, "X-Original-URL", f"https://wiki.example.com{target}")) == expected


@pytest.mark.case(12, 13)
@pytest.mark.parametrize(
    "target", ["admin", "*", "?x", "#x", "http://evil/admin", "\\admin", "/a b", "/a, /b", "/" + "a" * 16384]
)
def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    with pytest.raises(Malformed):
        from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Uri", target))
    with pytest.raises(Malformed):
        from_auth_request(replaced(AUTH_REQUEST, "X-Original-URL", f"https://wiki.example.com{target}"))


@pytest.mark.case(13)
@pytest.mark.parametrize(
    "url",
    [
        *("/page", "wiki.example.com/page", "//wiki.example.com/page", "https:/wiki.example.com/", "https:///page"),
        *("https://wiki.example.com", "https://wiki.example.com?x", "https://wiki.example.com\\@evil/", "https://"),
        *("https://user@wiki.example.com/", "https://user:pw@wiki.example.com/", "https://wiki.example.com@evil/"),
        *("https://a.example.com, https://b.example.com/", "https://a.example.com,b/", "1https://a.example.com/"),
    ],
)
def test_an_original_url_must_be_absolute_and_plain(url: str) -> None:
    with pytest.raises(Malformed):
        from_auth_request(replaced(AUTH_REQUEST, "X-Original-URL", url))


@pytest.mark.case(13)
@pytest.mark.parametrize(
    "host",
    ["wiki.example.com", "WIKI.Example.COM", "wiki.example.com.", "wiki.example.com:443", "Wiki.example.com.:8443"],
)
def test_every_spelling_of_a_host_is_one_host(host: str) -> None:
    assert parse_host(host) == "wiki.example.com"
    assert from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Host", host)).host == "wiki.example.com"
    url = f"https://{host}/page?a=1"
    assert from_auth_request(replaced(AUTH_REQUEST, "X-Original-URL", url)).host == "wiki.example.com"


@pytest.mark.parametrize(("host", "port"), [("app.localhost", None), ("app.localhost:8080", 8080), ("a:65535", 65535)])
def test_the_port_is_kept_beside_the_host(host: str, port: int | None) -> None:
    assert from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Host", host)).port == port


@pytest.mark.case(13)
@pytest.mark.parametrize(
    ("host", "label"),
    [("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"), ("XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example")],
)
def test_a_labels_are_hosts(host: str, label: str) -> None:
    assert from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Host", host)).host == label


@pytest.mark.case(13)
def test_a_u_label_is_read_where_people_write_it_and_refused_in_a_request() -> None:
    assert parse_host("M\u00dcNCHEN.example") == "xn--mnchen-3ya.example"
    assert parse_host("\uff37iki\u3002example.com:80") == "wiki.example.com"
    for host in ("m\u00fcnchen.example", "\uff37iki.example.com", "wiki\u3002example.com"):
        with pytest.raises(Malformed):
            from_forward_auth(replaced(FORWARD_AUTH, "X-Forwarded-Host", host))
        with pytest.raises(Malformed):
            from_auth_request(replaced(AUTH_REQUEST, "X-Original-URL", f"https://{host}/"))


@pytest.mark.case(13)
@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "..", "a..b", ".a", "a.b..", "-a", "a-", "a b", " a", "a\x00", "a\n", "a\tb", "a/b", "a?b", "a#b"),
        *(
            "user@host",
            "user:pw@host",
            "[::1]",
            "[::1]:80",
            "::1",
            "a:",
            "a:b",
            "a:0",
            "a:65536",
            "a:99999",
            "a:123456",
        ),
        *(
            "a:80:80",
            "a,b",
            "a;b",
            "a%2eb",
            "a\\b",
            "*.example.com",
            "a" * 64,
            "a." * 130 + "b",
            "http://a",
            "a" * 100_000,
        ),
        *("\u2024a", "\ud800", "\u00ad", "xn--\u00fc", "a\u200d.b", "\u00fc" * 300),
    ],
)
def test_what_is_no_dns_name_is_refused(host: str) -> None:
    with pytest.raises(Malformed):
        parse_host(host)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_parsing_a_host_gives_its_own_fixed_point_or_malformed(text: str) -> None:
    try:
        host = parse_host(text)
    except Malformed:
        return
    assert parse_host(host) == host
    assert host == host.lower()
    assert host.isascii()
    assert not set(host) & set(":@/\\ ,")


def test_a_path_behind_the_prefix_is_taken_as_it_was_sent() -> None:
    for target in ("/", "/%2e%2e/a%2Fb?c=%2f?d#e", "//admin", "/\\admin", "/#x", "/verify/ext-authz/", "/\u00e9\udcff"):
        found = from_envoy(EXT_AUTHZ, method="PROPFIND", target=f"/verify/ext-authz{target}")
        assert (found.method, found.path + found.query) == ("PROPFIND", target.replace("?", "", 1))


@pytest.mark.case(12, 13)
@pytest.mark.parametrize(
    "target",
    [
        *(
            "",
            "/",
            "*",
            "/page",
            "/verify/ext-authz",
            "/verify/ext-authz?x=/",
            "/verify/ext-authz*",
            "/verify/ext-authzx/",
        ),
        *(
            "//verify/ext-authz/",
            "/VERIFY/ext-authz/",
            "/verify/%65xt-authz/",
            "/verify/ext-authz%2f",
            "/verify/ext-authz#/",
        ),
        *(
            "http://wiki.example.com/verify/ext-authz/",
            "wiki.example.com:443",
            "/verify/ext-authz/a b",
            "/verify/ext-authz/\x00",
        ),
        "/verify/ext-authz/" + "a" * 16_384,
    ],
)
def test_a_target_that_is_no_path_behind_the_prefix_is_refused(target: str) -> None:
    with pytest.raises(Malformed):
        from_envoy(EXT_AUTHZ, target=target)


@pytest.mark.parametrize("method", ["", "GET,HEAD", "A" * 33, "G\u00cbT", "G T"])
def test_a_method_of_the_request_line_is_one(method: str) -> None:
    with pytest.raises(Malformed):
        from_envoy(EXT_AUTHZ, method=method)


def test_the_portals_scheme_stands_for_one_that_is_not_sent() -> None:
    host = [("Host", "wiki.example.com:8443")]
    for scheme in ("http", "https"):
        expected = OriginalRequest("GET", scheme, "wiki.example.com", "/page", "a=1", 8443)
        assert from_envoy(host, portal_scheme=scheme) == expected
        assert from_envoy([*host, ("X-Forwarded-Proto", scheme.replace("http", "ws"))], portal_scheme="") == expected


@pytest.mark.case(3, 13)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Host", "")],
        [("Host", "a.example.com, b.example.com")],
        [*EXT_AUTHZ, ("Host", "wiki.example.com")],
        [*EXT_AUTHZ, ("host", "open.example.com")],
        [*EXT_AUTHZ, ("X-Forwarded-Proto", "https")],
        [*EXT_AUTHZ, ("X_Forwarded_Proto", "https")],
        [("Host", "wiki.example.com"), ("X_Forwarded_Proto", "https")],
        [("Host", "wiki.example.com"), ("X-Forwarded-Proto", "")],
        [("Host", "wiki.example.com"), ("X-Forwarded-Proto", "ftp")],
        [("Host", "wiki.example.com"), ("X-Forwarded-Proto", "https, http")],
    ],
)
def test_what_names_no_host_or_scheme_or_several_is_refused(headers: Headers) -> None:
    with pytest.raises(Malformed):
        from_envoy(headers)
