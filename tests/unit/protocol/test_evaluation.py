"""Answers of external evaluations: a yes that is proven, and everything else."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from secondgate.errors import Malformed, Reason, TokenRejected
from secondgate.protocol.evaluation import parse_evaluation_response, verify_evaluation
from secondgate.protocol.jwks import parse_jwks

NOW = 1_800_000_000
KEY = ec.generate_private_key(ec.SECP256R1())
KEYS = parse_jwks(b'{"keys": [' + ECAlgorithm.to_jwk(KEY.public_key()).encode() + b"]}")


def verify(typ: object = "JWT", key: ec.EllipticCurvePrivateKey = KEY, **claims: object) -> bool:
    said = {"success": True, "iat": NOW, "exp": NOW + 60, "nonce": "n", **claims}
    kept = {name: value for name, value in said.items() if value != "absent"}
    token = jwt.PyJWS().encode(json.dumps(kept).encode(), key, algorithm="ES256", headers={"typ": typ})
    return verify_evaluation(token, keys=KEYS, expected_nonce="n", now=NOW)


def test_only_true_is_a_yes() -> None:
    assert verify() is True
    assert verify(success=False) is False


@pytest.mark.parametrize("success", ["absent", None, 1, "true", [True], {}])
def test_what_is_neither_yes_nor_no_proves_nothing(success: object) -> None:
    with pytest.raises(TokenRejected) as caught:
        verify(success=success)
    assert caught.value.reason is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("nonce", ["absent", None, 7, "m", "n ", "\ud800"])
def test_an_answer_to_another_question_proves_nothing(nonce: object) -> None:
    with pytest.raises(TokenRejected) as caught:
        verify(nonce=nonce)
    assert caught.value.reason is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("typ", ["secondgate-evaluation+jwt", "at+jwt", "logout+jwt"])
def test_a_token_of_another_kind_proves_nothing(typ: object) -> None:
    with pytest.raises(TokenRejected) as caught:
        verify(typ=typ)
    assert caught.value.reason is Reason.TOKEN_HEADER


def test_an_answer_is_of_now() -> None:
    refused: tuple[tuple[dict[str, Any], Reason], ...] = (
        ({"iat": NOW - 60, "exp": NOW}, Reason.TOKEN_EXPIRED),
        ({"exp": NOW + 3601}, Reason.TOKEN_CLAIMS),
        ({"iat": NOW + 61, "exp": NOW + 120}, Reason.TOKEN_CLAIMS),
        ({"exp": "absent"}, Reason.TOKEN_CLAIMS),
    )
    for claims, reason in refused:
        with pytest.raises(TokenRejected) as caught:
            verify("JWT", KEY, **claims)
        assert caught.value.reason is reason


def test_an_answer_of_somebody_else_proves_nothing() -> None:
    with pytest.raises(TokenRejected) as caught:
        verify("JWT", ec.generate_private_key(ec.SECP256R1()))
    assert caught.value.reason is Reason.TOKEN_SIGNATURE


def test_a_response_holds_a_token() -> None:
    assert parse_evaluation_response(b'{"token": "a.b.c"}') == "a.b.c"
    for body in (b"", b"[]", b"{}", b'{"token": 7}', b'{"success": true}'):
        with pytest.raises(Malformed):
            parse_evaluation_response(body)
