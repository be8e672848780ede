"""What does not fit together in `identity.jwt`, and key files that hold no keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from secondgate.access.finding import Finding
from secondgate.config.settings import JwtIdentitySettings, Settings
from secondgate.errors import Malformed
from secondgate.model.person import ADDRESS_SOURCES
from secondgate.protocol.jwks import MAX_JWKS_BYTES, parse_jwks

_OURS = ("secondgate", "__host-secondgate")
_NAMESPACES = tuple(source.value for source in ADDRESS_SOURCES)


def find_jwt_problems(settings: Settings) -> Iterator[Finding]:
    """Find them, the files aside."""
    taken: dict[tuple[str, str, str], str] = {}
    for number, jwt in enumerate(settings.identity.jwt):
        at = f"identity.jwt[{number}]"
        yield from _one_of(jwt, at, "header", "cookie", "where the token stands")
        yield from _one_of(jwt, at, "jwks_url", "jwks_file", "where the issuer's keys are")
        if jwt.issuer.rstrip("/").lower() == settings.portal_origin:
            yield Finding(
                f"{at}.issuer",
                "must be another login system: tokens of Secondgate itself are no identity for it",
                ("public_url",),
            )
        if jwt.issuer in _NAMESPACES:
            yield Finding(f"{at}.issuer", f"{jwt.issuer} stands for people known by their address; take another name")
        if jwt.cookie is not None and jwt.cookie.lower().startswith(_OURS):
            yield Finding(f"{at}.cookie", f"{jwt.cookie} is a cookie of Secondgate's own; take another name")
        place = (jwt.issuer, (jwt.header or "").lower(), jwt.cookie or "")
        if taken.setdefault(place, at) != at:
            yield Finding(at, f"has the issuer and the place of {taken[place]} already", (at,))


def find_key_file_problems(settings: Settings, folder: Path) -> Iterator[Finding]:
    """Find files that cannot be read as keys; relative paths start at `folder`."""
    for number, jwt in enumerate(settings.identity.jwt):
        if jwt.jwks_file is None:
            continue
        path = folder / jwt.jwks_file
        try:
            with path.open("rb") as opened:
                keys = parse_jwks(opened.read(MAX_JWKS_BYTES + 1))
        except OSError as error:
            wrong = f"{path} cannot be read: {error.strerror}"
        except Malformed as error:
            wrong = f"{path} is no JWK set: {error.detail.removeprefix('jwks: ')}"
        else:
            wrong = "" if keys else f"{path} holds no public key that could verify a signature"
        if wrong:
            yield Finding(f"identity.jwt[{number}].jwks_file", wrong)


def _one_of(jwt: JwtIdentitySettings, at: str, one: str, other: str, meaning: str) -> Iterator[Finding]:
    if (getattr(jwt, one) is None) == (getattr(jwt, other) is None):
        yield Finding(at, f"must have either {one} or {other}: {meaning}", (f"{at}.{one}", f"{at}.{other}"))
