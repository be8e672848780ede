"""From the cookie of an application's host to its live session: what the gate asks at a miss."""

from __future__ import annotations

from secondgate.errors import TokenRejected
from secondgate.flows.services import Services
from secondgate.model.session import ApplicationSession
from secondgate.protocol.jwt import TokenKind
from secondgate.protocol.opaque_token import token_hash


async def load_application_session(services: Services, *, token: str, host: str) -> ApplicationSession | None:
    """Give the live session of a token for this host: one signature check, one read. None for anything else.

    Raises Unavailable.
    """
    try:
        claims = services.keys.verify(
            TokenKind.SESSION,
            token,
            issuer=services.portal_origin,
            audience=services.origin_of(host),
            now=services.now(),
        )
    except TokenRejected:
        return None
    session = await services.sessions.load_application_session(token_hash(str(claims["sid"])))
    if session is None or session.host != host or session.person_id != claims["sub"]:
        return None
    return session if session.expires_at > services.now() else None
