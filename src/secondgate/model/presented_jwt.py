"""Where signed tokens of other login systems are read, and what is believed of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class JwtSource:
    """One place, a header field or a cookie, and the one issuer whose tokens are believed there.

    One of `header` and `cookie` is set, and one of `jwks_url` and `jwks_file`, where the issuer's keys are. A token
    must name one of `audiences`. `trust_email` believes addresses that the token does not call verified.
    """

    issuer: str
    audiences: tuple[str, ...]
    header: str = ""
    cookie: str = ""
    jwks_url: str = ""
    jwks_file: Path | None = None
    email_claim: str = "email"
    name_claim: str = "name"
    groups_claim: str = "groups"
    trust_email: bool = False
