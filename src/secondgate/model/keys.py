"""The keys that tokens are signed with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secondgate.model.secret import Secret


class SigningAlgorithm(StrEnum):
    """A JWS algorithm (RFC 7518, section 3.1)."""

    ES256 = "ES256"
    RS256 = "RS256"


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """How the keys are rotated: every `interval_days` (None: nobody said). `version` counts every key that was made."""

    version: int = 0
    interval_days: int | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key: PKCS #8 in DER, and a self-signed certificate in PEM for clients that want one."""

    kid: str
    algorithm: SigningAlgorithm
    private_key: Secret[bytes]
    certificate: str
    created_at: int
