"""Identity from a trusted proxy's headers: one reading, or nobody."""

from __future__ import annotations

import pytest

from secondgate.errors import Malformed, Reason
from secondgate.model.person import Identity, IdentitySource
from secondgate.protocol.identity_headers import IdentityHeaders, identity_from_headers

NAMES = IdentityHeaders(
    email="X-Auth-Request-Email", name="X-Name", groups="X-Groups", amr="X-Amr", auth_time="X-Auth-Time"
)
ADA = ("X-Auth-Request-Email", "Ada@Example.com")


def test_everything_that_the_proxy_says_is_read() -> None:
    headers = [
        ADA,
        ("x-name", "Ada L\u00f6velace"),
        ("X-Groups", "staff, ops,, \u00e4"),
        ("X-Amr", "pwd, otp"),
        ("X-Auth-Time", "1700000000"),
    ]
    assert identity_from_headers(headers, NAMES) == Identity(
        email="ada@example.com",
        name="Ada L\u00f6velace",
        groups=("staff", "ops", "\u00e4"),
        amr=("pwd", "otp"),
        auth_time=1_700_000_000,
        source=IdentitySource.HEADERS,
    )


def test_authentik_separates_groups_by_bars() -> None:
    names = IdentityHeaders("X-authentik-email", groups="X-authentik-groups", groups_separator="|")
    headers = [("X-Authentik-Email", "ada@example.com"), ("X-Authentik-Groups", "authentik Admins|a,b||ops")]
    identity = identity_from_headers(headers, names)
    assert identity is not None
    assert identity.groups == ("authentik Admins", "a,b", "ops")


@pytest.mark.case(60)
@pytest.mark.parametrize("text", ["pwd,otp", "pwd, otp", "pwd otp", " pwd , otp,"])
def test_methods_are_separated_by_commas_or_blanks(text: str) -> None:
    identity = identity_from_headers([ADA, ("X-Amr", text)], NAMES)
    assert identity is not None
    assert identity.amr == ("pwd", "otp")


@pytest.mark.case(60)
def test_methods_written_as_json_are_no_methods() -> None:
    identity = identity_from_headers([ADA, ("X-Amr", '["otp"]')], NAMES)
    assert identity is not None
    assert "otp" not in identity.amr


def test_only_the_address_is_needed() -> None:
    expected = Identity(email="ada@example.com", source=IdentitySource.HEADERS)
    assert identity_from_headers([ADA], NAMES) == expected
    assert (
        identity_from_headers([ADA, ("X-Name", ""), ("X-Groups", ""), ("X-Amr", ","), ("X-Auth-Time", " ")], NAMES)
        == expected
    )


@pytest.mark.parametrize("headers", [[], [("X-Auth-Request-Email", "")], [("X-Name", "Ada")], [("X-Groups", "root")]])
def test_without_an_address_there_is_nobody(headers: list[tuple[str, str]]) -> None:
    assert identity_from_headers(headers, NAMES) is None


@pytest.mark.case(62)
def test_fields_that_are_not_configured_are_not_read() -> None:
    headers = [ADA, ("X-Amr", "hwk"), ("X-Groups", "root"), ("X-Amr", "otp"), ("", "x")]
    identity = identity_from_headers(headers, IdentityHeaders(email="X-Auth-Request-Email"))
    assert identity == Identity(email="ada@example.com", source=IdentitySource.HEADERS)


@pytest.mark.case(3)
@pytest.mark.parametrize(
    "twin",
    [
        *(("X-Auth-Request-Email", "eve@example.com"), ("X_Auth_Request_Email", "eve@example.com")),
        *(("x-auth-request-email", ""), ("X-Name", "a\r\nb"), ("X-Name", "a\x00"), ("X_Groups", "root")),
    ],
)
def test_twins_and_control_characters_are_refused(twin: tuple[str, str]) -> None:
    for headers in ([ADA, twin], [twin, ADA]):
        with pytest.raises(Malformed) as refused:
            identity_from_headers(headers, NAMES)
        assert refused.value.reason is Reason.AMBIGUOUS_HEADER


@pytest.mark.case(3, 65)
@pytest.mark.parametrize(
    "email",
    ["ada", "a@b@c", "ada@example.com, eve@example.com", "ada@example.com,", "\u212aate@example.com", "a@b\udcff"],
)
def test_what_is_not_one_address_is_refused(email: str) -> None:
    with pytest.raises(Malformed, match="X-Auth-Request-Email"):
        identity_from_headers([("X-Auth-Request-Email", email)], NAMES)


@pytest.mark.case(60, 61)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("X-Name", "a" * 257), ("X-Name", "a\x85b"), ("X-Name", "a\u2028b"), ("X-Name", "\udcff")),
        *(("X-Groups", "a" * 257), ("X-Groups", ",".join(["g"] * 501)), ("X-Groups", "a,\udcff")),
        *(("X-Amr", "\u00f6tp"), ("X-Amr", "a" * 65), ("X-Amr", ",".join(["otp"] * 33))),
        *(("X-Auth-Time", "-1"), ("X-Auth-Time", "1.5"), ("X-Auth-Time", "1e9"), ("X-Auth-Time", "\u0661")),
        *(("X-Auth-Time", "yesterday"), ("X-Auth-Time", "1" * 12), ("X-Auth-Time", "1, 2")),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(Malformed) as refused:
        identity_from_headers([ADA, (name, value)], NAMES)
    assert refused.value.field == name
