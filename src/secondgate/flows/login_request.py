"""What an application's host asks of the portal: log this browser in, for this page.

It travels in the URL, signed, so that nothing in it can be changed between page and post; it is bound to the
browser by the hash of a nonce in a cookie of the application's host, and used up by the login that it led to.
"""

from __future__ import annotations

from dataclasses import dataclass

from secondgate.errors import Reason, TokenRejected
from secondgate.flows.services import Services
from secondgate.model.application import Application
from secondgate.protocol.jwt import TokenKind

REQUEST_TTL_S = 600
AUDIENCE = "secondgate:portal"


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A verified login request. `token` is its signed form, to be carried through pages."""

    token: str
    id: str
    application_id: str
    host: str
    return_path: str
    nonce_hash: str
    at: int


def sign_login_request(
    services: Services, application: Application, *, host: str, return_path: str, nonce_hash: str
) -> str:
    """Sign a login request, good for ten minutes."""
    now = services.now()
    claims = {
        "iss": services.portal_origin,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + REQUEST_TTL_S,
        "jti": services.new_id(),
        "app": application.id,
        "host": host,
        "ret": return_path,
        "nh": nonce_hash,
    }
    return services.keys.sign(TokenKind.LOGIN_REQUEST, claims)


def verify_login_request(services: Services, token: str) -> LoginRequest:
    """Prove that a login request is ours and fresh. Raises TokenRejected."""
    claims = services.keys.verify(
        TokenKind.LOGIN_REQUEST, token, issuer=services.portal_origin, audience=AUDIENCE, now=services.now()
    )
    at = claims["iat"]
    if not isinstance(at, int):
        raise TokenRejected(Reason.TOKEN_CLAIMS)
    return LoginRequest(
        token=token,
        id=_text(claims, "jti"),
        application_id=_text(claims, "app"),
        host=_text(claims, "host"),
        return_path=_text(claims, "ret"),
        nonce_hash=_text(claims, "nh"),
        at=at,
    )


def _text(claims: dict[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise TokenRejected(Reason.TOKEN_CLAIMS, name)
    return value
