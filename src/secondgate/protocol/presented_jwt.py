"""Signed tokens of other login systems that a request brings: where they stand, and what they prove.

JWT (RFC 7519) with what RFC 8725 advises, presented as bearer tokens (RFC 6750, section 2.1), in a header field of
their own or in a cookie; ID tokens and access tokens (RFC 9068) alike. Fetches no keys, and decides nothing about
persons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secondgate.errors import Malformed, Reason, TokenRejected
from secondgate.model.presented_jwt import JwtSource
from secondgate.protocol.cookie import parse_cookie
from secondgate.protocol.email_address import parse_email
from secondgate.protocol.forwarded import HeaderMap, single_header
from secondgate.protocol.id_token import is_identifier, parse_amr
from secondgate.protocol.jwks import VerificationKey, verify_signature
from secondgate.protocol.jws import MAX_TIME, UnverifiedToken, verify_times

MAX_LIFE_S = 24 * 3600
MAX_AUDIENCES = 100
MAX_NAME_CHARS = 256
MAX_GROUPS = 500
_AUTHORIZATION = "authorization"
_BEARER = re.compile(r"bearer +([\x21-\x7e]+)", re.IGNORECASE)
# RFC 9068, section 2.1, is the only standard whose own type is accepted: ours, and those of logout tokens, DPoP proofs
# and whatever else is signed with the same keys, mean something else.
_TYPES = frozenset(("jwt", "at+jwt", "application/at+jwt"))


@dataclass(frozen=True, slots=True)
class PresentedJwt:
    """A token as it was presented, and the source whose place it stood in: nothing is proven."""

    source: JwtSource
    token: str


@dataclass(frozen=True, slots=True)
class JwtFacts:
    """What a token proves. Times are Unix seconds; `auth_time` is None where it is not said."""

    subject: str
    email: str
    name: str
    groups: tuple[str, ...]
    amr: tuple[str, ...]
    auth_time: int | None
    issued_at: int
    expires_at: int
    claims: Mapping[str, object]


def find_presented_jwts(headers: HeaderMap, cookie: str, sources: Sequence[JwtSource]) -> tuple[PresentedJwt, ...]:
    """Find what stands in the places of the sources; `cookie` is the whole `Cookie` field.

    Other schemes than Bearer, and several `Authorization` fields, are no token: they may be the application's. Raises
    Malformed with AMBIGUOUS_HEADER for twins of any other field.
    """
    found = []
    for source in sources:
        if source.cookie:
            token = parse_cookie(cookie, source.cookie)
        elif source.header.lower() == _AUTHORIZATION:
            token = _bearer(headers)
        else:
            token = single_header(headers, source.header)
        if token:
            found.append(PresentedJwt(source, token))
    return tuple(found)


def verify_issuer(token: UnverifiedToken, expected_issuer: str) -> None:
    """Prove that a token names this issuer: only then are its keys worth asking for. Raises TokenRejected."""
    if token.claims.get("iss") != expected_issuer:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "iss is another issuer")


def verify_presented_jwt(token: str, *, keys: Sequence[VerificationKey], source: JwtSource, now: int) -> JwtFacts:
    """Prove a token; `now` is Unix seconds, `exp` exclusive, and its whole life at most 24 hours.

    Raises TokenRejected: as `verify_signature`; TOKEN_HEADER for a `typ` of another kind; TOKEN_CLAIMS for iss, aud,
    sub, iat, nbf, auth_time and an address that is none; EMAIL_NOT_VERIFIED; TOKEN_EXPIRED.
    """
    parsed, _ = verify_signature(keys, token)
    typ = parsed.header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise TokenRejected(Reason.TOKEN_HEADER, "a token of another kind")
    claims = parsed.claims
    verify_issuer(parsed, source.issuer)
    _verify_audience(claims.get("aud"), source.audiences)
    issued_at, expires_at = verify_times(claims, max_life_s=MAX_LIFE_S, now=now)
    subject = claims.get("sub")
    if not is_identifier(subject):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "sub must be a text of 1 to 255 characters")
    name = claims.get(source.name_claim)
    return JwtFacts(
        subject=subject,
        email=_verified_email(claims, source),
        name=name[:MAX_NAME_CHARS] if isinstance(name, str) and name.isprintable() else "",
        groups=_parse_groups(claims.get(source.groups_claim)),
        amr=parse_amr(claims.get("amr")),
        auth_time=_parse_auth_time(claims),
        issued_at=issued_at,
        expires_at=expires_at,
        claims=claims,
    )


def _bearer(headers: HeaderMap) -> str | None:
    values = [value for name, value in headers if name.lower() == _AUTHORIZATION]
    match = _BEARER.fullmatch(values[0].strip(" ")) if len(values) == 1 else None
    return match[1] if match else None


def _verify_audience(value: object, expected: tuple[str, ...]) -> None:
    audiences = value if isinstance(value, list) else [value]
    if len(audiences) > MAX_AUDIENCES or not all(isinstance(one, str) for one in audiences):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "aud must be a text, or a list of texts")
    if not set(audiences) & set(expected):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "aud is not one of ours")


def _verified_email(claims: Mapping[str, object], source: JwtSource) -> str:
    # `email_verified` speaks of the claim `email` and of no other (OpenID Connect Core, section 5.1)
    is_verified = source.email_claim == "email" and claims.get("email_verified") is True
    if not is_verified and not source.trust_email:
        raise TokenRejected(Reason.EMAIL_NOT_VERIFIED, "the issuer does not call the address verified")
    try:
        return parse_email(claims.get(source.email_claim))
    except Malformed as error:
        raise TokenRejected(Reason.TOKEN_CLAIMS, error.detail) from None


def _parse_groups(value: object) -> tuple[str, ...]:
    """Read a list of groups, or a single one; those that could be read as two are left out."""
    groups = value if isinstance(value, list) else [value]
    texts = [one for one in groups[:MAX_GROUPS] if isinstance(one, str) and one and one.isprintable()]
    return tuple(one for one in texts if "," not in one and len(one) <= MAX_NAME_CHARS)


def _parse_auth_time(claims: Mapping[str, object]) -> int | None:
    """Read when the person logged in. One that is no time is refused: it must not count as a missing one."""
    if "auth_time" not in claims:
        return None
    value = claims["auth_time"]
    if type(value) is not int or not 0 <= value <= MAX_TIME:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "auth_time must be a time in whole seconds")
    return value
