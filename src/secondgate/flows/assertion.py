"""The signed assertion by which an application is told who somebody is, and what was proved."""

from __future__ import annotations

from secondgate.flows.services import Services
from secondgate.model.amr import told_amr_values
from secondgate.model.application import Application
from secondgate.model.session import Login, MfaSession
from secondgate.protocol.jwt import TokenKind


def sign_assertion(
    services: Services, login: Login, application: Application, *, mfa: tuple[MfaSession, ...], expires_at: int
) -> str:
    """Sign what an application is told of a login; `mfa` is what was young enough, `expires_at` Unix seconds."""
    now = services.now()
    identity = login.identity
    claims: dict[str, object] = {
        "iss": services.portal_origin,
        "aud": [application.aud],
        "sub": login.person_id,
        "email": identity.email,
        "iat": now,
        "nbf": now,
        "exp": expires_at,
        "type": "app",
        "identity_nonce": services.new_id(),
        "amr": told_amr_values(identity, mfa),
        "auth_time": identity.auth_time if identity.auth_time is not None else login.at,
        "mfa": {session.method: session.at for session in sorted(mfa, key=lambda one: one.at)},
    }
    return services.keys.sign(TokenKind.ASSERTION, claims)
