"""Tokens of the admin API: made once, shown once, known by their hash.

A token is 256 random bits, so that its hash needs no salt and no stretching: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from secondgate.errors import Conflict, Forbidden, NotFound, Reason
from secondgate.flows.services import Services
from secondgate.model.api_token import ApiToken, Permission
from secondgate.model.audit import Who
from secondgate.model.policy import Address, Network
from secondgate.model.secret import Secret
from secondgate.protocol.opaque_token import new_token

PREFIX = "sg_"
USED_EVERY_S = 60


def api_token_hash(token: str) -> str:
    """Give the name under which a token is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


async def create_api_token(
    services: Services,
    *,
    name: str,
    permissions: Iterable[Permission],
    networks: tuple[Network, ...] = (),
    expires_at: int | None = None,
    actor: Who,
) -> tuple[ApiToken, Secret[str]]:
    """Make a token, and give it with what opens it, which nobody sees again. Raises Conflict(NAME_TAKEN)."""
    secret = PREFIX + new_token(services.random_bytes)
    token = ApiToken(
        id=services.new_id(),
        name=name,
        token_hash=api_token_hash(secret),
        permissions=frozenset(permissions),
        networks=networks,
        created_at=services.now(),
        expires_at=expires_at,
    )
    if not await services.durable.add_api_token(token):
        raise Conflict(Reason.NAME_TAKEN, f"there is a token named {name!r} already")
    await services.audit(
        "api_token.created", actor=actor, name=name, id=token.id, permissions=", ".join(sorted(token.permissions))
    )
    return token, Secret(secret)


async def verify_api_token(services: Services, *, presented: str, address: Address) -> ApiToken:
    """Prove a token that was presented. Raises Forbidden(API_TOKEN): unknown, expired, or from elsewhere."""
    token = await services.durable.load_api_token(api_token_hash(presented))
    if token is None:
        raise Forbidden(Reason.API_TOKEN, "the token is not known")
    now = services.now()
    if not token.is_valid_at(now):
        raise Forbidden(Reason.API_TOKEN, "the token has expired")
    if not token.may_come_from(address):
        raise Forbidden(Reason.API_TOKEN, "the token may not be used from this address")
    if token.last_used_at is None or now - token.last_used_at >= USED_EVERY_S:
        await services.durable.save_api_token_used(token.id, now=now)
        token = replace(token, last_used_at=now)
    return token


async def revoke_api_token(services: Services, token_id: str, *, actor: Who) -> ApiToken:
    """Delete a token, which ends it at once; gives what it was. Raises NotFound."""
    token = next((one for one in await services.durable.list_api_tokens() if one.id == token_id), None)
    if token is None or not await services.durable.delete_api_token(token_id):
        raise NotFound(Reason.NOT_FOUND, "there is no such token")
    await services.audit("api_token.revoked", actor=actor, name=token.name, id=token.id)
    return token
