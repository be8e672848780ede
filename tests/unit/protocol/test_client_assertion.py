"""Client assertions, read by a library that does not write them."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from secondgate.errors import Malformed
from secondgate.model.secret import Secret
from secondgate.protocol.client_assertion import client_assertion, verify_client_key

NOW = 1_800_000_000
ISSUER = "https://idp.example/realm"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(
    key: Any,  # noqa: ANN401 - of any kind
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption = NoEncryption(),  # noqa: B008 - it holds nothing
) -> Secret[str]:
    return Secret(key.private_bytes(Encoding.PEM, form, encryption).decode())


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")])
@pytest.mark.parametrize("key_id", ["", "k1"])
def test_an_assertion_says_who_asks_whom_once_and_for_a_minute(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str, form: PrivateFormat, key_id: str
) -> None:
    verify_client_key(pem(key, form))
    assertion = client_assertion(
        pem(key, form), client_id="portal", key_id=key_id, audience=ISSUER, token_id="one", now=NOW
    )
    unbound: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(assertion, key.public_key(), [algorithm], audience=ISSUER, options=unbound)
    assert claims == {
        "iss": "portal",
        "sub": "portal",
        "aud": ISSUER,
        "jti": "one",
        "iat": NOW,
        "exp": NOW + 60,
    }
    assert jwt.get_unverified_header(assertion).get("kid", "") == key_id


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (pem(rsa.generate_private_key(65537, 1024)), "is RSA of 1024 bits"),  # noqa: S505 - which is what is refused
        (pem(ec.generate_private_key(ec.SECP384R1())), "is of the curve secp384r1"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "is of another kind"),
        (pem(RSA_KEY, encryption=BestAvailableEncryption(b"passphrase")), "cannot be read"),
        (
            Secret(RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()),
            "cannot be read",
        ),
        (Secret("hunter2"), "cannot be read"),
        (Secret(""), "cannot be read"),
        (Secret("\ud800"), "cannot be read"),
        (Secret(pem(RSA_KEY).reveal()[:400]), "cannot be read"),
    ],
)
def test_another_key_is_refused_with_what_is_allowed_and_without_itself(key: Secret[str], words: str) -> None:
    with pytest.raises(Malformed) as refused:
        verify_client_key(key)
    assert words in str(refused.value)
    assert "RSA of 2048 to 8192 bits or P-256, as PEM without a passphrase" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    with pytest.raises(Malformed):
        client_assertion(key, client_id="portal", key_id="", audience=ISSUER, token_id="one", now=NOW)
