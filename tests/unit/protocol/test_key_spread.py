"""A new signing key is published before it signs, so that no replica refuses what another one signed."""

from __future__ import annotations

import os

import jwt
import pytest

from secondgate.model.keys import SigningAlgorithm, SigningKey
from secondgate.protocol.jwt import SPREAD_S, KeyRing, TokenKind, new_signing_key

NOW = 1_700_000_000


def new_key(now: int) -> SigningKey:
    return new_signing_key(SigningAlgorithm.ES256, now=now, name="mfa.example.com", random_bytes=os.urandom)


@pytest.mark.case(90)
def test_a_key_is_published_at_once_and_signs_when_every_replica_has_read_it() -> None:
    older, newer = new_key(NOW - 3600), new_key(NOW)
    ring = KeyRing([newer, older])
    assert [one["kid"] for one in ring.certificates()] == [newer.kid, older.kid]

    def signer(at: int) -> str:
        claims = {"iss": "i", "aud": "a", "sid": "s", "iat": at, "exp": at + 600}
        return str(jwt.get_unverified_header(ring.sign(TokenKind.SESSION, claims))["kid"])

    assert [signer(NOW + SPREAD_S + late) for late in (-1, 0)] == [older.kid, newer.kid]
    assert signer(NOW - 3600) == older.kid, "of keys that are all new the oldest is known to most"
    assert KeyRing([newer]).kids == (newer.kid,)
