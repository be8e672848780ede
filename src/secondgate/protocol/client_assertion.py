"""Proving ourselves at a token endpoint with a key instead of a secret: `private_key_jwt`.

OpenID Connect Core 1.0, section 9; RFC 7523, sections 2.2 and 3; RFC 7521, section 4.2. The one audience should be the
provider's issuer, as draft-ietf-oauth-rfc7523bis and FAPI 2.0 (section 5.3.3) ask: an assertion whose audience is a
token endpoint can be led to another provider by whoever names that endpoint. Keys are PEM: RSA of 2,048 to 8,192 bits
(RS256) or P-256 (ES256). Remembers nothing: audience and `jti` are the caller's.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from secondgate.errors import Malformed
from secondgate.model.secret import Secret
from secondgate.protocol.jwks import MAX_RSA_BITS, MIN_RSA_BITS

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE_S = 60
ALLOWED = f"RSA of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits or P-256, as PEM without a passphrase"


def verify_client_key(pem: Secret[str]) -> None:
    """Prove that a private key can be used. Raises Malformed, which says what is allowed and shows nothing of it."""
    _load(pem)


def client_assertion(pem: Secret[str], *, client_id: str, key_id: str, audience: str, token_id: str, now: int) -> str:
    """Sign an assertion that lives a minute; `token_id` is its `jti`, `now` Unix seconds. Raises Malformed."""
    algorithm, key = _load(pem)
    header = {"alg": algorithm, "typ": "JWT", **({"kid": key_id} if key_id else {})}
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": token_id,
        "iat": now,
        "exp": now + LIFE_S,
    }
    return jwt.encode(header, claims, key, algorithms=[algorithm])


def _load(pem: Secret[str]) -> tuple[str, RSAKey | ECKey]:
    text = pem.reveal().encode("utf-8", "surrogatepass")
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # not `from error`: its text may quote what was read; TypeError is a key under a passphrase
        raise Malformed("client_private_key", f"cannot be read as a private key; allowed is {ALLOWED}") from None
    match key:
        case RSAPrivateKey(key_size=bits) if MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
            return "RS256", RSAKey.import_key(text)
        case EllipticCurvePrivateKey(curve=SECP256R1()):
            return "ES256", ECKey.import_key(text)
        case RSAPrivateKey(key_size=bits):
            raise Malformed("client_private_key", f"is RSA of {bits} bits; allowed is {ALLOWED}")
        case EllipticCurvePrivateKey(curve=curve):
            raise Malformed("client_private_key", f"is of the curve {curve.name}; allowed is {ALLOWED}")
        case _:
            raise Malformed("client_private_key", f"is of another kind; allowed is {ALLOWED}")
