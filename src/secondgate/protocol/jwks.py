"""Keys that an identity provider publishes (JWK sets, RFC 7517, section 5), and signatures made with them.

A key that nothing may be verified with is left out, as RFC 7517 advises: symmetric and private keys, RSA under 2,048
bits, `use` other than `sig`, an `alg` that does not fit the key, curves nobody asked for. The algorithm belongs to the
key and is never read from a token (RFC 8725, section 3.1). Fetches nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from secondgate.errors import Malformed, Reason, TokenRejected
from secondgate.protocol.jws import UnverifiedToken, base64url_bytes, is_base64url, parse_json_object, parse_token

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MIN_RSA_EXPONENT = 65537
MAX_JWKS_BYTES = 1024 * 1024
MAX_KEYS = 100
MAX_KID_CHARS = 256
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, and the one algorithm that it verifies. `kid` may be empty."""

    kid: str
    algorithm: str
    key: RSAKey | ECKey | OKPKey


def parse_jwks(body: bytes) -> tuple[VerificationKey, ...]:
    """Read the usable keys of a JWK set.

    Raises Malformed when it is none, is larger than a mebibyte or holds more than a hundred keys.
    """
    if len(body) > MAX_JWKS_BYTES:
        raise Malformed("jwks", f"must be at most {MAX_JWKS_BYTES} bytes")
    try:
        keys = parse_json_object(body).get("keys")
    except ValueError as error:
        raise Malformed("jwks", f"must be a JSON object: {error}") from None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise Malformed("jwks", f"must have a list of at most {MAX_KEYS} keys")
    return tuple(key for jwk in keys if isinstance(jwk, dict) and (key := _usable(jwk)) is not None)


def has_key_for(keys: Sequence[VerificationKey], token: UnverifiedToken) -> bool:
    """Whether some key could have signed a token: by its `kid` where it names one."""
    kid = token.header.get("kid")
    return any(kid is None or key.kid == kid for key in keys)


def verify_signature(keys: Sequence[VerificationKey], token: str) -> tuple[UnverifiedToken, str]:
    """Prove that one of the keys signed a token; gives its parts and the algorithm.

    Raises TokenRejected: TOKEN_SIZE and TOKEN_HEADER as `parse_token`; TOKEN_KEY where not exactly one key is meant;
    TOKEN_HEADER for another algorithm than the key's; TOKEN_SIGNATURE.
    """
    parsed = parse_token(token)
    kid = parsed.header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise TokenRejected(Reason.TOKEN_KEY, "kid must be a text")
    algorithm = parsed.header.get("alg")
    meant = [key for key in keys if kid is None or key.kid == kid]
    if not meant:
        raise TokenRejected(Reason.TOKEN_KEY, "signed with a key that the provider does not publish")
    fitting = [key for key in meant if key.algorithm == algorithm]
    if not fitting:
        raise TokenRejected(Reason.TOKEN_HEADER, "alg is not the key's algorithm")
    if len(fitting) > 1:
        raise TokenRejected(Reason.TOKEN_KEY, "several keys could be meant")
    try:
        with warnings.catch_warnings():
            # RFC 9864 names EdDSA anew; providers and their keys still use the old name
            warnings.simplefilter("ignore", SecurityWarning)
            jws.deserialize_compact(token, fitting[0].key, algorithms=[fitting[0].algorithm])
    except (JoseError, ValueError) as error:
        raise TokenRejected(Reason.TOKEN_SIGNATURE) from error
    return parsed, fitting[0].algorithm


def _usable(jwk: dict[str, object]) -> VerificationKey | None:
    kid = jwk.get("kid", "")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(kid, str) or len(kid) > MAX_KID_CHARS or jwk.get("use", "sig") != "sig":
        return None
    if not isinstance(operations, list) or "verify" not in operations or {"d", "k"} & jwk.keys():
        return None
    try:
        found = _key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if found is None:
        return None
    key, algorithm = found
    return VerificationKey(kid, algorithm, key)


def _key(jwk: dict[str, object]) -> tuple[RSAKey | ECKey | OKPKey, str] | None:
    declared = jwk.get("alg")
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            members = _members(jwk, "n", "e")
            modulus, exponent = (int.from_bytes(base64url_bytes(members[name])) for name in ("n", "e"))
            algorithm = "RS256" if declared is None else declared
            fits = MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS and exponent >= MIN_RSA_EXPONENT
            return (RSAKey.import_key({**members}), str(algorithm)) if fits and algorithm in _RSA else None
        case "EC", str(curve) if curve in _CURVES:
            if declared not in {None, _CURVES[curve]}:
                return None
            return ECKey.import_key({"crv": curve, **_members(jwk, "x", "y")}), _CURVES[curve]
        case "OKP", "Ed25519" if declared in {None, "EdDSA"}:
            return OKPKey.import_key({"crv": "Ed25519", **_members(jwk, "x")}), "EdDSA"
        case _:
            return None


def _members(jwk: dict[str, object], *names: str) -> dict[str, str]:
    """Give the members that make the key, and none that could change what it means. Raises ValueError."""
    members = {"kty": str(jwk["kty"])}
    for name in names:
        value = jwk.get(name)
        if not isinstance(value, str) or not value or not is_base64url(value):
            raise ValueError(f"{name} must be base64url")
        members[name] = value
    return members
