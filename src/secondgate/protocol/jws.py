"""Signed tokens in compact form, taken apart strictly, before any signature is looked at.

JWS compact serialization (RFC 7515, sections 3.1 and 7.1) and the claims about time of RFC 7519, section
4.1, with what RFC 8725 advises. Which key signed a token, and what its claims must say, is decided in `jwt`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import NoReturn

from secondgate.errors import Reason, TokenRejected

MAX_TOKEN_BYTES = 16_384
CLOCK_SKEW_S = 60
MAX_TIME = 253_402_300_799  # the last second of the year 9999
# Keys from the token itself, compression and changed meanings of the payload: we never write them, and whoever
# sends them wants something else verified than what is read.
FORBIDDEN_HEADERS = frozenset(("crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"))
_SEGMENT = re.compile(r"[A-Za-z0-9_-]*")
_SEGMENTS = 3


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """What a token says of itself: nothing here is proven."""

    header: dict[str, object]
    claims: dict[str, object]


def parse_token(token: object) -> UnverifiedToken:
    """Take a token apart.

    Raises TokenRejected: TOKEN_SIZE over 16 KiB; TOKEN_HEADER for everything that is not three segments with a
    JSON header of permitted parameters (encrypted tokens among it); TOKEN_CLAIMS for a payload that is no JSON
    object. A key that stands twice in an object is refused, whichever of the two is meant.
    """
    if not isinstance(token, str):
        raise TokenRejected(Reason.TOKEN_HEADER, "no text")
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenRejected(Reason.TOKEN_SIZE)
    segments = token.split(".")
    if len(segments) != _SEGMENTS or not all(map(is_base64url, segments)):
        raise TokenRejected(Reason.TOKEN_HEADER, "not a signed token in compact form")
    header = _parse_object(segments[0], Reason.TOKEN_HEADER)
    if forbidden := FORBIDDEN_HEADERS & header.keys():
        raise TokenRejected(Reason.TOKEN_HEADER, f"forbidden header {min(forbidden)}")
    return UnverifiedToken(header, _parse_object(segments[1], Reason.TOKEN_CLAIMS))


def is_base64url(text: str) -> bool:
    """Whether text is base64url without padding in its one canonical spelling (RFC 4648, sections 3.5 and 5)."""
    if not _SEGMENT.fullmatch(text) or len(text) % 4 == 1:
        return False
    return base64.urlsafe_b64encode(base64url_bytes(text)).rstrip(b"=").decode("ascii") == text


def base64url_bytes(text: str) -> bytes:
    """Decode base64url without padding. Raises ValueError for what cannot be."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def parse_json_object(text: bytes) -> dict[str, object]:
    """Read a JSON object in UTF-8 in which no key stands twice and no number is infinite.

    Raises ValueError for everything else, nesting too deep to be read among it.
    """
    try:
        value: object = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - of the wire, not of a caller
    return value


def verify_times(claims: dict[str, object], *, max_life_s: int, now: int) -> tuple[int, int]:
    """Prove that a token is of now, and give `iat` and `exp`: both are required; `nbf` counts where it stands.

    Only whole numbers from 0 to the year 9999 are times. A token lives until `exp` exclusive; `iat` and `nbf` may be
    60 s ahead, for clocks that differ. Raises TokenRejected with TOKEN_EXPIRED or TOKEN_CLAIMS.
    """
    issued_at = _parse_time(claims, "iat")
    expires_at = _parse_time(claims, "exp")
    not_before = _parse_time(claims, "nbf") if "nbf" in claims else issued_at
    if max(issued_at, not_before) > now + CLOCK_SKEW_S:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "not valid yet")
    if not issued_at < expires_at <= issued_at + max_life_s:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "does not live as long as tokens of its kind do")
    if expires_at <= now:
        raise TokenRejected(Reason.TOKEN_EXPIRED)
    return issued_at, expires_at


def _parse_time(claims: dict[str, object], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= MAX_TIME:
        raise TokenRejected(Reason.TOKEN_CLAIMS, f"{name} must be a time in whole seconds")
    return value


def _parse_object(segment: str, reason: Reason) -> dict[str, object]:
    try:
        return parse_json_object(base64url_bytes(segment))
    except ValueError as error:
        raise TokenRejected(reason, "not a JSON object") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
