"""ID tokens: every claim that must fit, and how two of them are read."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from secondgate.errors import Reason, TokenRejected
from secondgate.protocol.id_token import IdToken, access_token_hash, parse_amr, verify_id_token
from secondgate.protocol.jwks import parse_jwks

NOW = 1_800_000_000
KEY = ec.generate_private_key(ec.SECP256R1())
KEYS = parse_jwks(b'{"keys": [' + ECAlgorithm.to_jwk(KEY.public_key()).encode() + b"]}")
CLAIMS: dict[str, Any] = {
    "iss": "https://idp.example",
    "aud": "client",
    "sub": "s",
    "iat": NOW,
    "exp": NOW + 300,
    "nonce": "n",
}


def verify(typ: object = "JWT", now: int = NOW, **claims: object) -> IdToken:
    said = {name: value for name, value in {**CLAIMS, **claims}.items() if value != "absent"}
    return verify_id_token(
        jwt.PyJWS().encode(json.dumps(said).encode(), KEY, algorithm="ES256", headers={"typ": typ}),
        keys=KEYS,
        expected_issuer="https://idp.example",
        expected_client_id="client",
        expected_nonce="n",
        access_token="access",
        now=now,
    )


def reason(typ: object = "JWT", now: int = NOW, **claims: object) -> Reason:
    with pytest.raises(TokenRejected) as caught:
        verify(typ, now, **claims)
    return caught.value.reason


def test_a_sound_token_gives_its_facts() -> None:
    found = verify(amr=["otp", "pwd"], auth_time=NOW - 5)
    assert (found.subject, found.amr, found.auth_time) == ("s", ("otp", "pwd"), NOW - 5)
    assert verify().auth_time is None
    assert verify(typ="jwt").claims["sub"] == "s"


@pytest.mark.case(63)
@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp", "nonce"])
@pytest.mark.parametrize("value", ["absent", None, "other", 7, [], {}, "\ud800"])
def test_a_claim_that_is_missing_or_another_is_refused(name: str, value: object) -> None:
    if (name, value) == ("sub", "other"):
        return
    claims: dict[str, Any] = {name: value}
    assert reason(**claims) is Reason.TOKEN_CLAIMS


@pytest.mark.case(63)
def test_of_several_audiences_the_token_names_us_as_the_party() -> None:
    assert verify(aud=["client"]).subject == "s"
    assert verify(aud=["client", "api"], azp="client").subject == "s"
    refused: tuple[dict[str, Any], ...] = (
        {"aud": ["client", "api"]},
        {"aud": ["client", 7]},
        {"azp": "api"},
        {"aud": ["api"], "azp": "client"},
    )
    for claims in refused:
        assert reason(**claims) is Reason.TOKEN_CLAIMS


@pytest.mark.case(63)
@pytest.mark.case(70)
def test_times_hold_at_their_edges() -> None:
    assert verify(now=NOW + 299).subject == "s"
    assert reason(now=NOW + 300) is Reason.TOKEN_EXPIRED
    assert verify(now=NOW - 60).subject == "s"
    assert reason(now=NOW - 61) is Reason.TOKEN_CLAIMS
    assert reason(nbf=NOW + 61) is Reason.TOKEN_CLAIMS
    assert reason(exp=NOW + 7 * 86400 + 1) is Reason.TOKEN_CLAIMS


@pytest.mark.case(63)
def test_the_access_token_is_bound_where_the_provider_binds_it() -> None:
    half = hashlib.sha256(b"access").digest()[:16]
    assert verify(at_hash=base64.urlsafe_b64encode(half).rstrip(b"=").decode()).subject == "s"
    for value in ("x", "", None, ["x"]):
        assert reason(at_hash=value) is Reason.TOKEN_CLAIMS
    assert len(access_token_hash("a", "PS384")) == 32
    assert len(access_token_hash("a", "EdDSA")) == 43


def test_the_providers_session_is_kept_where_it_is_named() -> None:
    assert verify(sid="at-the-provider").session_id == "at-the-provider"
    for value in ("absent", None, "", 7, ["x"], "x" * 256, "a\nb"):
        assert verify(sid=value).session_id == ""


@pytest.mark.case(69)
@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "secondgate-session+jwt"])
def test_a_token_of_another_kind_is_no_id_token(typ: object) -> None:
    assert reason(typ=typ) is Reason.TOKEN_HEADER


@pytest.mark.case(61)
@pytest.mark.parametrize("value", [None, "1800000000", 1e9, -1, True, 2**60])
def test_a_time_of_login_that_is_none_is_never_taken_for_a_missing_one(value: object) -> None:
    assert reason(auth_time=value) is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("sub", ["", "x" * 256, "a\nb"])
def test_a_subject_is_one_line_of_text(sub: str) -> None:
    assert reason(sub=sub) is Reason.TOKEN_CLAIMS


@pytest.mark.case(60)
@pytest.mark.parametrize(
    "value", [None, "otp", {"otp": 1}, [["otp"]], ["otp", 7], ["otp", None], ["x" * 65], ["otp"] * 33, ["o\ntp"]]
)
def test_methods_that_are_no_list_of_words_say_nothing(value: object) -> None:
    assert parse_amr(value) == ()
