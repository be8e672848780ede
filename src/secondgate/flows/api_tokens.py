"""Tokens of the admin API: made once, shown once, known by their hash.

A token is 256 random bits, so that its hash needs no salt and no stretching: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from secondgate.errors import Conflict, Forbidden, NotFound, Reason
from secondgate.flows.service_tokens import ATTEMPTS, parse_token_name
from secondgate.flows.services import Services
from secondgate.model.api_token import ApiToken, Permission
from secondgate.model.audit import Who
from secondgate.model.policy import Address, Network
from secondgate.model.secret import Secret
from secondgate.protocol.opaque_token import new_token

PREFIX = "sg_"
USED_EVERY_S = 60
_SHOWN = ("name", "permissions", "networks", "excluded_networks", "not_before", "expires_at", "is_enabled")
"""What the audit log has of a change."""


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
    """Make a token, and give it with what opens it. Raises as `add_api_token`."""
    return await add_api_token(
        services,
        ApiToken(
            id=services.new_id(),
            name=name,
            token_hash="",
            permissions=frozenset(permissions),
            networks=networks,
            created_at=services.now(),
            expires_at=expires_at,
        ),
        actor=actor,
    )


async def add_api_token(
    services: Services, token: ApiToken, *, giver: ApiToken | None = None, actor: Who
) -> tuple[ApiToken, Secret[str]]:
    """Make this token, and give it with what opens it, which nobody sees again.

    `giver` is the token that makes it; None: an administrator at the command line. Raises Malformed for the name,
    Forbidden(PERMISSION) where that would give more than the giver has, Conflict(NAME_TAKEN).
    """
    parse_token_name(token.name)
    _verify_may_give(giver, token)
    secret = PREFIX + new_token(services.random_bytes)
    token = replace(token, token_hash=api_token_hash(secret))
    if not await services.durable.add_api_token(token):
        raise Conflict(Reason.NAME_TAKEN, f"there is a token named {token.name!r} already")
    await _audit(services, "api_token.created", token, actor, permissions=_text(token.permissions))
    return token, Secret(secret)


async def change_api_token(
    services: Services,
    token_id: str,
    decide: Callable[[ApiToken], ApiToken],
    *,
    giver: ApiToken | None = None,
    actor: Who,
) -> ApiToken:
    """Change a token as `decide` says, by what it is at this moment.

    `giver` must have all that the token has, before and after. Raises what `decide` raises, NotFound, Malformed,
    Forbidden(PERMISSION); Conflict: NAME_TAKEN, CHANGED_MEANWHILE when others are faster all the time.
    """
    for _ in range(ATTEMPTS):
        token = await load_api_token(services, token_id)
        changed = decide(token)
        parse_token_name(changed.name)
        for one in (token, changed):
            _verify_may_give(giver, one)
        if changed == token:
            return token
        changed = replace(changed, updated_at=services.now())
        if await services.durable.replace_api_token(changed):
            detail = {
                f"{when}.{name}": _text(getattr(one, name))
                for name in _SHOWN
                if getattr(token, name) != getattr(changed, name)
                for when, one in (("before", token), ("after", changed))
            }
            action = "api_token.rotated" if changed.token_hash != token.token_hash else "api_token.updated"
            await _audit(services, action, token, actor, **detail)
            return replace(changed, revision=token.revision + 1)
    raise Conflict(Reason.CHANGED_MEANWHILE, "others change the token at the same time")


async def rotate_api_token(
    services: Services, token_id: str, *, giver: ApiToken | None = None, actor: Who
) -> tuple[ApiToken, Secret[str]]:
    """Let something else open a token, and give it: what opened it before opens nothing. Raises as `change_api_token`.

    Whoever does this can use the token from then on, so that it is making one.
    """
    secret = PREFIX + new_token(services.random_bytes)
    token_hash = api_token_hash(secret)
    token = await change_api_token(
        services, token_id, lambda one: replace(one, token_hash=token_hash), giver=giver, actor=actor
    )
    return token, Secret(secret)


async def load_api_token(services: Services, reference: str) -> ApiToken:
    """Load by name or id. Raises NotFound."""
    for token in await services.durable.list_api_tokens():
        if reference in {token.id, token.name}:
            return token
    raise NotFound(Reason.NOT_FOUND, f"there is no token {reference!r}")


async def verify_api_token(services: Services, *, presented: str, address: Address) -> ApiToken:
    """Prove a token that was presented. Raises Forbidden(API_TOKEN): unknown, out of its time, or from elsewhere."""
    token = await services.durable.load_api_token(api_token_hash(presented))
    if token is None:
        raise Forbidden(Reason.API_TOKEN, "the token is not known")
    now = services.now()
    if token.is_expired_at(now):
        raise Forbidden(Reason.API_TOKEN, "the token has expired")
    if not token.is_valid_at(now):
        raise Forbidden(Reason.API_TOKEN, "the token is disabled" if not token.is_enabled else "it is not valid yet")
    if not token.may_come_from(address):
        raise Forbidden(Reason.API_TOKEN, "the token may not be used from this address")
    if token.last_used_at is None or now - token.last_used_at >= USED_EVERY_S:
        await services.durable.save_api_token_used(token.id, now=now)
        token = replace(token, last_used_at=now)
    return token


async def revoke_api_token(services: Services, reference: str, *, actor: Who) -> ApiToken:
    """Delete a token, by name or id, which ends it at once; gives what it was. Raises NotFound."""
    token = await load_api_token(services, reference)
    if not await services.durable.delete_api_token(token.id):
        raise NotFound(Reason.NOT_FOUND, f"there is no token {reference!r}")
    await _audit(services, "api_token.revoked", token, actor)
    return token


def _verify_may_give(giver: ApiToken | None, token: ApiToken) -> None:
    if giver is not None and (reason := giver.reason_not_to_give(token)):
        raise Forbidden(Reason.PERMISSION, reason)


def _text(value: object) -> str:
    return ", ".join(sorted(map(str, value))) if isinstance(value, (frozenset, tuple)) else str(value)


async def _audit(services: Services, action: str, token: ApiToken, actor: Who, **detail: Any) -> None:  # noqa: ANN401 - text
    await services.audit(action, actor=actor, name=token.name, id=token.id, **detail)
