"""Logout tokens: every claim that must fit, in the order of Back-Channel Logout 1.0, section 2.6."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from secondgate.errors import Reason, TokenRejected
from secondgate.protocol.id_token import verify_id_token
from secondgate.protocol.jwks import parse_jwks
from secondgate.protocol.logout_token import EVENT, LogoutToken, read_addressee, verify_logout_token

NOW = 1_800_000_000
KEY = ec.generate_private_key(ec.SECP256R1())
KEYS = parse_jwks(b'{"keys": [' + ECAlgorithm.to_jwk(KEY.public_key()).encode() + b"]}")
CLAIMS: dict[str, Any] = {
    "iss": "https://idp.example",
    "aud": "client",
    "sub": "s",
    "sid": "session",
    "iat": NOW,
    "exp": NOW + 120,
    "jti": "j",
    "events": {EVENT: {}},
}


def signed(typ: object = "logout+jwt", key: Any = KEY, algorithm: str = "ES256", **claims: object) -> str:  # noqa: ANN401 - any kind of key
    said = {name: value for name, value in {**CLAIMS, **claims}.items() if value != "absent"}
    return jwt.PyJWS().encode(json.dumps(said).encode(), key, algorithm=algorithm, headers={"typ": typ})


def verify(token: str, now: int = NOW) -> LogoutToken:
    return verify_logout_token(
        token, keys=KEYS, expected_issuer="https://idp.example", expected_client_id="client", now=now
    )


def reason(token: str, now: int = NOW) -> Reason:
    with pytest.raises(TokenRejected) as caught:
        verify(token, now)
    return caught.value.reason


def by_hand(**header: object) -> str:
    """Sign a token whose header the library would not write."""
    parts = [{"alg": "ES256", **header}, CLAIMS]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    signature = jwt.PyJWS().get_algorithm_by_name("ES256").sign(text.encode(), KEY)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_a_sound_token_gives_its_facts() -> None:
    assert verify(signed()) == LogoutToken("s", "session", "j", NOW, NOW + 120)
    assert verify(signed(sid="absent")).session_id == ""
    assert verify(signed(sub="absent")).subject == ""


@pytest.mark.parametrize("typ", ["JWT", "jwt", "logout+jwt", "LOGOUT+JWT", "application/logout+jwt"])
def test_the_type_may_be_its_own_or_the_general_one(typ: str) -> None:
    assert verify(signed(typ)).subject == "s"
    assert verify(by_hand()).subject == "s"


@pytest.mark.case(69)
@pytest.mark.parametrize("typ", ["at+jwt", "secondgate-session+jwt", "secondgate-assertion+jwt", "logout"])
def test_a_token_of_another_kind_is_no_logout_token(typ: str) -> None:
    assert reason(signed(typ)) is Reason.TOKEN_HEADER


@pytest.mark.case(69)
@pytest.mark.parametrize("typ", [7, None, ["JWT"], {}])
def test_a_type_that_is_no_text_is_refused(typ: object) -> None:
    assert reason(by_hand(typ=typ)) in {Reason.TOKEN_HEADER, Reason.TOKEN_SIGNATURE}


@pytest.mark.case(69)
def test_an_id_token_ends_nothing_and_a_logout_token_logs_nobody_in() -> None:
    assert reason(signed("JWT", nonce="n", events="absent")) is Reason.TOKEN_CLAIMS
    assert reason(signed("JWT", nonce="n")) is Reason.TOKEN_CLAIMS
    assert reason(signed(nonce=None)) is Reason.TOKEN_CLAIMS
    for typ in ("JWT", "logout+jwt"):
        with pytest.raises(TokenRejected):
            verify_id_token(
                signed(typ),
                keys=KEYS,
                expected_issuer="https://idp.example",
                expected_client_id="client",
                expected_nonce="n",
                access_token="a",
                now=NOW,
            )


@pytest.mark.case(63)
@pytest.mark.parametrize("name", ["iss", "aud", "iat", "exp", "jti", "events"])
@pytest.mark.parametrize("value", ["absent", None, 7, "", [], {}, "\ud800", True])
def test_a_claim_that_is_missing_or_of_another_kind_is_refused(name: str, value: object) -> None:
    claims: dict[str, Any] = {name: value}
    assert reason(signed(**claims)) is Reason.TOKEN_CLAIMS


@pytest.mark.case(63)
@pytest.mark.parametrize("name", ["sub", "sid"])
@pytest.mark.parametrize("value", [None, 7, "", [], {}, "\ud800", "a\nb", "x" * 256])
def test_a_name_that_stands_there_must_be_one(name: str, value: object) -> None:
    claims: dict[str, Any] = {name: value}
    assert reason(signed(**claims)) is Reason.TOKEN_CLAIMS


@pytest.mark.case(63)
def test_a_token_names_a_person_or_a_session() -> None:
    assert reason(signed(sub="absent", sid="absent")) is Reason.TOKEN_CLAIMS


@pytest.mark.case(63)
@pytest.mark.parametrize("events", [{EVENT: None}, {EVENT: []}, {EVENT: "x"}, {EVENT + "/": {}}, [EVENT], EVENT])
def test_the_event_is_an_object_under_its_own_name(events: object) -> None:
    assert reason(signed(events=events)) is Reason.TOKEN_CLAIMS
    assert verify(signed(events={EVENT: {"x": 1}, "other": {}})).subject == "s"


@pytest.mark.case(63)
def test_it_is_of_this_issuer_and_for_this_client() -> None:
    assert verify(signed(aud=["client"])).subject == "s"
    assert verify(signed(aud=["client", "api"], azp="client")).subject == "s"
    refused: tuple[dict[str, Any], ...] = (
        {"iss": "https://idp.example/"},
        {"aud": "api"},
        {"aud": ["client", "api"]},
        {"azp": "api"},
    )
    for claims in refused:
        assert reason(signed(**claims)) is Reason.TOKEN_CLAIMS


@pytest.mark.case(63)
@pytest.mark.case(70)
def test_times_hold_at_their_edges() -> None:
    assert verify(signed(), now=NOW + 119).expires_at == NOW + 120
    assert reason(signed(), now=NOW + 120) is Reason.TOKEN_EXPIRED
    assert verify(signed(), now=NOW - 60).issued_at == NOW
    assert reason(signed(), now=NOW - 61) is Reason.TOKEN_CLAIMS
    assert reason(signed(exp=NOW + 86401)) is Reason.TOKEN_CLAIMS
    for value in (1e308, -1, str(NOW + 60), NOW + 0.5, 2**60):
        assert reason(signed(exp=value)) is Reason.TOKEN_CLAIMS


@pytest.mark.case(63)
@pytest.mark.case(68)
def test_unsigned_and_foreign_signatures_are_refused() -> None:
    assert reason(signed(key=ec.generate_private_key(ec.SECP256R1()))) is Reason.TOKEN_SIGNATURE
    assert reason(signed(key=b"k" * 32, algorithm="HS256")) is Reason.TOKEN_HEADER
    assert reason(signed(key=None, algorithm="none")) is Reason.TOKEN_HEADER
    assert reason("x" * 20_000) is Reason.TOKEN_SIZE


def test_the_addressee_is_read_before_anything_is_proven() -> None:
    assert read_addressee(signed()) == ("https://idp.example", ("client",))
    assert read_addressee(signed(aud=["client", 7, "api"])) == ("https://idp.example", ("client", "api"))
    assert read_addressee(signed(aud="absent")) == ("https://idp.example", ())
    for token in (signed(iss="absent"), signed(iss=7), "x", "a.b.c"):
        with pytest.raises(TokenRejected):
            read_addressee(token)
