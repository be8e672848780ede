"""ID tokens (OpenID Connect Core 1.0, section 3.1.3.7, in its order), with what RFC 8725 advises.

Proves who issued a token, for whom, when, and in answer to which request. What its claims make of a person is decided
by the flows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from secondgate.errors import Reason, TokenRejected
from secondgate.protocol.jwks import VerificationKey, verify_signature
from secondgate.protocol.jws import MAX_TIME, verify_times

MAX_LIFE_S = 7 * 86400
MAX_IDENTIFIER_CHARS = 255
MAX_AMR_VALUES = 32
MAX_AMR_CHARS = 64
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512, "DSA": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class IdToken:
    """What an ID token proves. `auth_time` is Unix seconds, None where it is not said.

    `session_id` is the provider's own session (`sid`), empty where it is not said; `text` is the token itself.
    """

    subject: str
    amr: tuple[str, ...]
    auth_time: int | None
    claims: Mapping[str, object]
    session_id: str = ""
    text: str = field(default="", repr=False)


def verify_id_token(
    token: str,
    *,
    keys: Sequence[VerificationKey],
    expected_issuer: str,
    expected_client_id: str,
    expected_nonce: str,
    access_token: str,
    now: int,
) -> IdToken:
    """Prove an ID token; `now` is Unix seconds, `exp` exclusive.

    Raises TokenRejected: as `verify_signature`; TOKEN_HEADER for a `typ` of another kind; TOKEN_CLAIMS for iss, aud,
    azp, sub, iat, nonce, at_hash, auth_time; TOKEN_EXPIRED.
    """
    parsed, algorithm = verify_signature(keys, token)
    typ = parsed.header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.upper() != "JWT":
        raise TokenRejected(Reason.TOKEN_HEADER, "a token of another kind than an ID token")
    claims = parsed.claims
    if claims.get("iss") != expected_issuer:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "iss is another issuer")
    verify_audience(claims, expected_client_id)
    verify_times(claims, max_life_s=MAX_LIFE_S, now=now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not _is_same(nonce, expected_nonce):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "nonce is not the one of this login")
    subject = claims.get("sub")
    if not is_identifier(subject):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "sub must be a text of 1 to 255 characters")
    if "at_hash" in claims and claims["at_hash"] != access_token_hash(access_token, algorithm):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "at_hash is not of the access token")
    sid = claims.get("sid")
    session_id = sid if is_identifier(sid) else ""
    return IdToken(subject, parse_amr(claims.get("amr")), _auth_time(claims), claims, session_id, token)


def access_token_hash(access_token: str, algorithm: str) -> str:
    """Give the `at_hash` of an access token (Core, section 3.1.3.6)."""
    digest = _HASHES[algorithm[-3:]](access_token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def parse_amr(value: object) -> tuple[str, ...]:
    """Read `amr`: an array of texts (RFC 8176, section 1). Anything else says nothing, and proves nothing."""
    if not isinstance(value, list) or len(value) > MAX_AMR_VALUES:
        return ()
    if not all(isinstance(one, str) and len(one) <= MAX_AMR_CHARS and one.isprintable() for one in value):
        return ()
    return tuple(value)


def is_identifier(value: object) -> TypeGuard[str]:
    """Whether a claim is one line of 1 to 255 characters, as `sub` must be (Core, section 2)."""
    return isinstance(value, str) and 0 < len(value) <= MAX_IDENTIFIER_CHARS and value.isprintable()


def verify_audience(claims: Mapping[str, object], client_id: str) -> None:
    """Prove that a token is for this client, and for no other one besides (Core, 3.1.3.7). Raises TokenRejected."""
    audiences = claims.get("aud")
    if not isinstance(audiences, list):
        audiences = [audiences]
    if client_id not in audiences or not all(isinstance(one, str) for one in audiences):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "aud is not this client")
    if len(audiences) > 1 and "azp" not in claims:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "azp is missing beside several audiences")
    if claims.get("azp", client_id) != client_id:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "azp is another client")


def _auth_time(claims: Mapping[str, object]) -> int | None:
    if "auth_time" not in claims:
        return None
    value = claims["auth_time"]
    if type(value) is not int or not 0 <= value <= MAX_TIME:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "auth_time must be a time in whole seconds")
    return value


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
