"""From the cookie of an application's host to its live session: what the gate asks at a miss.

A signature is looked at once, and of many who ask for one session at the same time one reads it.
"""

from __future__ import annotations

from secondgate.errors import TokenRejected
from secondgate.flows.known_tokens import TokenFacts
from secondgate.flows.services import Services
from secondgate.model.session import ApplicationSession
from secondgate.protocol.jws import CLOCK_SKEW_S
from secondgate.protocol.jwt import TokenKind
from secondgate.protocol.opaque_token import token_hash


async def load_application_session(services: Services, *, token: str, host: str) -> ApplicationSession | None:
    """Give the live session of a token for this host: at most one signature check and one read. None for all else.

    Raises Unavailable.
    """
    facts = _prove(services, token, host)
    if facts is None:
        return None
    read = services.sessions.load_application_session(facts.session_id)
    session = await services.single_flight.load(facts.session_id, read)
    if session is None or session.host != host or session.person_id != facts.person_id:
        return None
    return session if session.expires_at > services.now() else None


def _prove(services: Services, token: str, host: str) -> TokenFacts | None:
    now = services.now()
    facts = services.known_tokens.find(token, host=host, kids=services.keys.kids)
    if facts is not None:
        return facts if facts.issued_at <= now + CLOCK_SKEW_S and now < facts.expires_at else None
    try:
        claims = services.keys.verify(
            TokenKind.SESSION, token, issuer=services.portal_origin, audience=services.origin_of(host), now=now
        )
    except TokenRejected:
        return None
    issued_at, expires_at = claims["iat"], claims["exp"]
    assert isinstance(issued_at, int)  # noqa: S101 - proved by `verify`
    assert isinstance(expires_at, int)  # noqa: S101 - proved by `verify`
    facts = TokenFacts(token_hash(str(claims["sid"])), str(claims.get("sub")), issued_at, expires_at)
    services.known_tokens.put(token, facts, host=host)
    return facts
