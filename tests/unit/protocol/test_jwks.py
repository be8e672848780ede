"""Keys of a provider: which are used at all, and what they verify."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from secondgate.errors import Malformed, Reason, TokenRejected
from secondgate.protocol.jwks import VerificationKey, has_key_for, parse_jwks, verify_signature
from secondgate.protocol.jws import parse_token

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
P521 = ec.generate_private_key(ec.SECP521R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()


def jwk(key: PrivateKey, **more: object) -> dict[str, Any]:
    algorithm: Any = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else OKPAlgorithm
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = RSAAlgorithm
    found = algorithm.to_jwk(key.public_key(), as_dict=True)
    found.pop("key_ops", None)
    return {**found, **more}


def key_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def token(key: PrivateKey, algorithm: str, **header: object) -> str:
    return jwt.encode({"sub": "s"}, key, algorithm=algorithm, headers=header)


@pytest.mark.parametrize(
    ("key", "algorithm", "more"),
    [
        (RSA, "RS256", {}),
        (RSA, "RS512", {"alg": "RS512"}),
        (RSA, "PS256", {"alg": "PS256"}),
        (P256, "ES256", {}),
        (P384, "ES384", {"alg": "ES384"}),
        (P521, "ES512", {"use": "sig"}),
        (ED25519, "EdDSA", {"key_ops": ["verify"]}),
    ],
)
def test_a_sound_key_verifies_its_own_algorithm(key: PrivateKey, algorithm: str, more: dict[str, object]) -> None:
    keys = parse_jwks(key_set(jwk(key, kid="k", **more)))
    parsed, used = verify_signature(keys, token(key, algorithm, kid="k"))
    assert (parsed.claims, used) == ({"sub": "s"}, algorithm)


@pytest.mark.case(68)
@pytest.mark.parametrize(
    "unfit",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ"},
        jwk(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - weak on purpose
        jwk(RSA, e="Aw"),
        jwk(RSA, n=""),
        jwk(RSA, n="!!"),
        jwk(RSA, d="AQAB"),
        jwk(RSA, use="enc"),
        jwk(RSA, use=None),
        jwk(RSA, key_ops=["encrypt"]),
        jwk(RSA, key_ops="verify"),
        jwk(RSA, alg="HS256"),
        jwk(RSA, alg="none"),
        jwk(RSA, alg=["RS256"]),
        jwk(RSA, alg="ES256"),
        jwk(P256, alg="RS256"),
        jwk(P256, crv="P-384"),
        jwk(P256, crv="secp256k1"),
        jwk(P256, x="AAAA"),
        jwk(ED25519, alg="ES256"),
        jwk(ED25519, crv="X25519"),
        jwk(RSA, kid=7),
        jwk(RSA, kid="k" * 257),
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {},
        "text",
        None,
    ],
    ids=str,
)
def test_an_unfit_key_is_left_out(unfit: object) -> None:
    assert parse_jwks(key_set(unfit)) == ()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": {}}', b"\xff", key_set(*[{}] * 101), b"[" * 100_000])
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_jwks(body)


@pytest.mark.case(68)
def test_the_public_key_is_no_secret_for_hs256() -> None:
    keys = parse_jwks(key_set(jwk(RSA, kid="k")))
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"HS256","kid":"k"}', b"{}"))
    mac = hmac.digest(RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), signed, "sha256")
    forged = f"{signed.decode()}.{jwt.utils.base64url_encode(mac).decode()}"
    assert reason(keys, forged) is Reason.TOKEN_HEADER


@pytest.mark.case(68)
def test_a_key_verifies_one_algorithm_alone() -> None:
    keys = parse_jwks(key_set(jwk(RSA, kid="k")))
    assert reason(keys, token(RSA, "PS256", kid="k")) is Reason.TOKEN_HEADER
    assert reason(keys, token(rsa.generate_private_key(65537, 2048), "RS256", kid="k")) is Reason.TOKEN_SIGNATURE


@pytest.mark.case(68)
def test_the_kid_names_the_key_and_without_one_there_is_no_guessing() -> None:
    one, two = jwk(RSA, kid="a"), jwk(rsa.generate_private_key(65537, 2048), kid="b")
    keys = parse_jwks(key_set(one, two))
    assert verify_signature(keys, token(RSA, "RS256", kid="a"))
    assert reason(keys, token(RSA, "RS256", kid="b")) is Reason.TOKEN_SIGNATURE
    assert reason(keys, token(RSA, "RS256", kid="c")) is Reason.TOKEN_KEY
    assert reason(keys, token(RSA, "RS256")) is Reason.TOKEN_KEY
    assert reason((), token(RSA, "RS256")) is Reason.TOKEN_KEY
    assert verify_signature(parse_jwks(key_set(one)), token(RSA, "RS256"))
    assert verify_signature(parse_jwks(key_set(one, jwk(P256, kid="p"))), token(RSA, "RS256"))


def test_a_kid_that_is_no_text_is_refused() -> None:
    header = {"alg": "RS256", "kid": 7}
    parts = [json.dumps(header).encode(), b"{}", b"s"]
    forged = ".".join(jwt.utils.base64url_encode(part).decode() for part in parts)
    assert reason(parse_jwks(key_set(jwk(RSA))), forged) is Reason.TOKEN_KEY


def test_a_token_may_be_looked_up_before_it_is_proven() -> None:
    keys = parse_jwks(key_set(jwk(RSA, kid="a")))
    assert has_key_for(keys, parse_token(token(RSA, "RS256", kid="a")))
    assert has_key_for(keys, parse_token(token(RSA, "RS256")))
    assert not has_key_for(keys, parse_token(token(RSA, "RS256", kid="b")))


def reason(keys: Sequence[VerificationKey], presented: str) -> Reason:
    with pytest.raises(TokenRejected) as caught:
        verify_signature(keys, presented)
    return caught.value.reason
