"""Tokens taken apart: size, form, JSON and times, before anything is verified."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.errors import Reason, TokenRejected
from secondgate.protocol.jws import (
    MAX_TOKEN_BYTES,
    base64url_bytes,
    is_base64url,
    parse_json_object,
    parse_token,
    verify_times,
)

NOW = 1_700_000_000


def b64(data: bytes | str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(header: str = '{"alg":"ES256"}', claims: str = "{}", signature: str = "AAAA") -> str:
    return f"{b64(header)}.{b64(claims)}.{signature}"


def reason_of(text: object) -> Reason:
    with pytest.raises(TokenRejected) as refused:
        parse_token(text)
    return refused.value.reason


def test_a_token_is_its_header_and_its_claims() -> None:
    parsed = parse_token(token('{"alg":"ES256","kid":"a"}', '{"sub":"b"}'))
    assert (parsed.header, parsed.claims) == ({"alg": "ES256", "kid": "a"}, {"sub": "b"})


@pytest.mark.case(68)
def test_what_is_over_16_kib_is_refused_quickly() -> None:
    exact = token(signature="A" * (MAX_TOKEN_BYTES - len(token(signature=""))))
    assert len(exact) == 16_384
    assert parse_token(exact).claims == {}
    begin = time.perf_counter()
    assert reason_of(exact + "A") is Reason.TOKEN_SIZE
    assert reason_of("." * 1_000_000) is Reason.TOKEN_SIZE
    assert reason_of("A" * 1_000_000) is Reason.TOKEN_SIZE
    assert time.perf_counter() - begin < 1


@pytest.mark.case(68)
@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ".",
            "..",
            "...",
            "a",
            "a.b",
            "a.b.c.d",
            "....",
            token() + ".",
            "." + token(),
            token() + "\n",
            " " + token(),
        ),
        *(
            token() + "=",
            token(signature="AB"),
            token(signature="A"),
            token(signature="A+/A"),
            token(signature="\u00e4"),
        ),
        *(token("[]"), token('"a"'), token("null"), token("{"), token(""), token("\ufeff{}")),
        *(token('{"alg":"none","alg":"ES256"}'), token('{"a":{"b":1,"b":2}}'), token('{"a":NaN}')),
        *(b64(b"\xff\xfe") + ".e30.AAAA", "." * 16_384, token("[" * 10_000), token('{"a":' * 2_000)),
        *(None, 1, b"a.b.c", ["a"]),
    ],
)
def test_what_is_not_a_signed_token_is_refused(text: object) -> None:
    assert reason_of(text) is Reason.TOKEN_HEADER


@pytest.mark.case(68)
def test_an_encrypted_token_is_refused() -> None:
    assert (
        reason_of(".".join([b64('{"alg":"dir","enc":"A256GCM"}'), "", "AAAA", "AAAA", "AAAA"])) is Reason.TOKEN_HEADER
    )


@pytest.mark.case(68)
@pytest.mark.parametrize("name", ["crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"])
@pytest.mark.parametrize("value", [None, False, [], ["exp"], {}, "https://evil.example/jwks"])
def test_headers_that_bring_keys_or_change_the_meaning_are_refused(name: str, value: object) -> None:
    assert reason_of(token(json.dumps({"alg": "ES256", name: value}))) is Reason.TOKEN_HEADER


@pytest.mark.parametrize(
    "claims", ["[]", "null", "1", "", "{", '{"sub":"a","sub":"b"}', '{"exp":Infinity}', '{"exp":-Infinity}', "9" * 5000]
)
def test_a_payload_that_is_no_json_object_is_refused(claims: str) -> None:
    assert reason_of(token(claims=claims)) is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "{}x", '{"a":1,"a":1}'])
def test_json_that_cannot_be_read_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json_object(text.encode())


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_base64url_has_one_spelling(data: bytes) -> None:
    text = b64(data)
    assert is_base64url(text)
    assert base64url_bytes(text) == data


@pytest.mark.parametrize("text", ["A", "AAAAA", "AB", "AAB", "AA==", "A A", "AAA+", "AAA/", "AA\n", "\u00e4\u00e4"])
def test_every_other_spelling_is_none(text: str) -> None:
    assert not is_base64url(text)


def test_what_cannot_be_decoded_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not base64url"):
        base64url_bytes("A")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_makes_parsing_fail_otherwise(text: str) -> None:
    assert reason_of(text) in {Reason.TOKEN_HEADER, Reason.TOKEN_CLAIMS}


def times(**claims: object) -> Reason | None:
    try:
        verify_times({"iat": NOW, "exp": NOW + 60, **claims}, max_life_s=3600, now=NOW)
    except TokenRejected as refused:
        return refused.reason
    return None


@pytest.mark.case(70)
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, None),
        ({"iat": NOW - 60, "exp": NOW + 1}, None),
        ({"iat": NOW - 60, "exp": NOW}, Reason.TOKEN_EXPIRED),
        ({"iat": NOW - 60, "exp": NOW - 1}, Reason.TOKEN_EXPIRED),
        ({"iat": NOW + 60, "exp": NOW + 61}, None),
        ({"iat": NOW + 61, "exp": NOW + 62}, Reason.TOKEN_CLAIMS),
        ({"nbf": NOW + 60}, None),
        ({"nbf": NOW + 61}, Reason.TOKEN_CLAIMS),
        ({"nbf": 0}, None),
        ({"exp": NOW + 3600}, None),
        ({"exp": NOW + 3601}, Reason.TOKEN_CLAIMS),
        ({"iat": NOW + 60, "exp": NOW + 60}, Reason.TOKEN_CLAIMS),
        ({"iat": NOW, "exp": NOW - 1}, Reason.TOKEN_CLAIMS),
        ({"iat": 0, "exp": 253_402_300_799}, Reason.TOKEN_CLAIMS),
    ],
)
def test_times_count_to_the_second(claims: dict[str, object], reason: Reason | None) -> None:
    assert times(**claims) is reason


@pytest.mark.case(70)
@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
@pytest.mark.parametrize(
    "value",
    [
        str(NOW),
        "",
        float(NOW),
        NOW + 0.5,
        1e308,
        float("inf"),
        True,
        False,
        None,
        -1,
        -NOW,
        10**30,
        253_402_300_800,
        [NOW],
        {},
    ],
)
def test_only_whole_seconds_are_times(name: str, value: object) -> None:
    assert times(**{name: value}) is Reason.TOKEN_CLAIMS


@pytest.mark.case(70)
@pytest.mark.parametrize("name", ["iat", "exp"])
def test_a_time_that_is_missing_is_refused(name: str) -> None:
    claims: dict[str, object] = {"iat": NOW, "exp": NOW + 60}
    del claims[name]
    with pytest.raises(TokenRejected) as refused:
        verify_times(claims, max_life_s=3600, now=NOW)
    assert refused.value.reason is Reason.TOKEN_CLAIMS
