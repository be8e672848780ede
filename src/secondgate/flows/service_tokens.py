"""Service tokens: made, given another secret, revoked. The secret is told once, and only its hash is kept.

That hash is one SHA-256: a secret of 256 random bits cannot be guessed, however fast guesses are hashed, so a slow
hash would protect nothing and cost every request. The gate knows of a change when it looks next.
"""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import replace

from secondgate.errors import Conflict, Malformed, NotFound, Reason
from secondgate.flows.services import Services
from secondgate.model.access import Access
from secondgate.model.audit import Who
from secondgate.model.policy import OneServiceToken, rules_in
from secondgate.model.secret import Secret
from secondgate.model.service_token import ServiceToken
from secondgate.protocol.opaque_token import token_hash
from secondgate.protocol.service_token import new_client_id, new_client_secret

NAME_MAX_CHARS = 350


async def list_service_tokens(services: Services) -> tuple[ServiceToken, ...]:
    """List all, by name."""
    return await services.durable.list_service_tokens()


async def create_service_token(
    services: Services, *, name: str, duration_s: int | None, actor: Who
) -> tuple[ServiceToken, Secret[str]]:
    """Make a token that is valid for `duration_s` seconds, or for ever; gives it with its secret.

    Raises Malformed for a name that no rule could hold, Conflict: NAME_TAKEN.
    """
    now = services.now()
    secret = new_client_secret(services.random_bytes)
    token = ServiceToken(
        id=services.new_id(),
        name=parse_token_name(name),
        client_id=new_client_id(services.random_bytes),
        secret_hash=token_hash(secret.reveal()),
        created_at=now,
        expires_at=None if duration_s is None else now + duration_s,
    )
    await services.durable.add_service_token(token)
    await _audit(services, "service_token.created", token, actor)
    return token, secret


async def rotate_service_token(services: Services, reference: str, *, actor: Who) -> tuple[ServiceToken, Secret[str]]:
    """Give a token, by name or id, another secret; the old one proves nothing from then on, and it expires as before.

    Raises NotFound; Conflict: EXPIRED for a token that no secret makes valid, UNKNOWN_OR_USED when somebody else
    rotated or revoked it meanwhile.
    """
    token = await load_service_token(services, reference)
    if not token.is_valid_at(services.now()):
        raise Conflict(Reason.EXPIRED, f"the service token {token.name!r} has expired: revoke it and make another")
    secret = new_client_secret(services.random_bytes)
    secret_hash = token_hash(secret.reveal())
    if not await services.durable.save_service_token_secret(
        token.id, secret_hash=secret_hash, replaced_hash=token.secret_hash
    ):
        raise Conflict(Reason.UNKNOWN_OR_USED, f"the service token {token.name!r} was changed meanwhile; look again")
    await _audit(services, "service_token.rotated", token, actor)
    return replace(token, secret_hash=secret_hash), secret


async def revoke_service_token(services: Services, reference: str, *, actor: Who) -> ServiceToken:
    """Delete a token, by name or id; gives what it was. Raises NotFound."""
    token = await load_service_token(services, reference)
    if not await services.durable.delete_service_token(token.id):
        raise _not_found(reference)
    await _audit(services, "service_token.revoked", token, actor)
    return token


async def load_service_token(services: Services, reference: str) -> ServiceToken:
    """Load by name or id. Raises NotFound, naming what there is not."""
    for token in await services.durable.list_service_tokens():
        if reference in {token.name, token.id}:
            return token
    raise _not_found(reference)


def parse_token_name(text: str) -> str:
    """Give the name of a token: 1 to 350 printable characters without blanks around them, and no id.

    What has the form of an id is refused: rules mean a token by its id or its name, and must mean one. Raises
    Malformed.
    """
    if not text or text != text.strip() or len(text) > NAME_MAX_CHARS or not all(map(_is_printable, text)):
        raise Malformed("name", f"use 1 to {NAME_MAX_CHARS} printable characters, without spaces around them")
    if _is_id(text):
        raise Malformed("name", "must not have the form of an id")
    return text


def unknown_references(services: Services, access: Access) -> frozenset[str]:
    """Give what rules call a service token, and no token that the gate knows is called."""
    groups = access.rulebook.groups
    criteria = [policy.criteria for application in access.applications for policy in application.policies]
    rules = (rule for one in criteria for rule in rules_in(one, groups))
    named = {rule.reference for rule in rules if isinstance(rule, OneServiceToken)}
    return frozenset(named - services.service_tokens.references)


def _is_printable(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _not_found(reference: str) -> NotFound:
    return NotFound(Reason.NOT_FOUND, f"there is no service token {reference!r}")


async def _audit(services: Services, action: str, token: ServiceToken, actor: Who) -> None:
    await services.audit(action, actor=actor, id=token.id, name=token.name, client_id=token.client_id)
