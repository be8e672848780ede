"""Logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.6, in its order), with what RFC 8725 advises.

Proves that a provider ended a session of its own, or all sessions of a subject. That a token is used once, and which
sessions of ours end, is decided by the flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secondgate.errors import Reason, TokenRejected
from secondgate.protocol.id_token import is_identifier, verify_audience
from secondgate.protocol.jwks import VerificationKey, verify_signature
from secondgate.protocol.jws import parse_token, verify_times

EVENT = "http://schemas.openid.net/event/backchannel-logout"
MAX_LIFE_S = 86400
_TYPES = frozenset(("JWT", "LOGOUT+JWT", "APPLICATION/LOGOUT+JWT"))


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """What a logout token proves. One of `subject` and `session_id` may be empty; times are Unix seconds."""

    subject: str
    session_id: str
    token_id: str
    issued_at: int
    expires_at: int


def read_addressee(token: str) -> tuple[str, tuple[str, ...]]:
    """Read who says to have issued a token, and for whom (issuer, client ids): nothing of it is proven.

    Raises TokenRejected: as `parse_token`; TOKEN_CLAIMS where there is no issuer.
    """
    claims = parse_token(token).claims
    issuer, audiences = claims.get("iss"), claims.get("aud")
    if not isinstance(issuer, str):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "iss must be a text")
    if not isinstance(audiences, list):
        audiences = [audiences]
    return issuer, tuple(one for one in audiences if isinstance(one, str))


def verify_logout_token(
    token: str, *, keys: Sequence[VerificationKey], expected_issuer: str, expected_client_id: str, now: int
) -> LogoutToken:
    """Prove a logout token; `now` is Unix seconds, `exp` exclusive.

    Raises TokenRejected: as `verify_signature`; TOKEN_HEADER for a `typ` of another kind; TOKEN_CLAIMS for iss, aud,
    azp, iat, sub, sid, events, nonce, jti; TOKEN_EXPIRED.
    """
    parsed, _ = verify_signature(keys, token)
    typ = parsed.header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.upper() not in _TYPES:
        raise TokenRejected(Reason.TOKEN_HEADER, "a token of another kind than a logout token")
    claims = parsed.claims
    if claims.get("iss") != expected_issuer:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "iss is another issuer")
    verify_audience(claims, expected_client_id)
    issued_at, expires_at = verify_times(claims, max_life_s=MAX_LIFE_S, now=now)
    if not {"sub", "sid"} & claims.keys():
        raise TokenRejected(Reason.TOKEN_CLAIMS, "neither sub nor sid")
    subject, session_id = _optional(claims, "sub"), _optional(claims, "sid")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "events does not say that somebody was logged out")
    if "nonce" in claims:  # an ID token has one: neither passes for the other
        raise TokenRejected(Reason.TOKEN_CLAIMS, "nonce must not stand in a logout token")
    token_id = claims.get("jti")
    if not is_identifier(token_id):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "jti must be a text of 1 to 255 characters")
    return LogoutToken(subject, session_id, token_id, issued_at, expires_at)


def _optional(claims: dict[str, object], name: str) -> str:
    value = claims.get(name, "")
    if name in claims and not is_identifier(value):
        raise TokenRejected(Reason.TOKEN_CLAIMS, f"{name} must be a text of 1 to 255 characters")
    return str(value)
