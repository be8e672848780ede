"""Service tokens: made, given another secret, revoked. The secret is told once, and only its hash is kept.

That hash is one SHA-256: a secret of 256 random bits cannot be guessed, however fast guesses are hashed, so a slow
hash would protect nothing and cost every request. The gate of this process knows of a change at once, others when
they look next.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from secondgate.errors import Conflict, Malformed, NotFound, Reason
from secondgate.flows.services import Services
from secondgate.model.access import Access
from secondgate.model.audit import Who
from secondgate.model.policy import OneServiceToken, rules_in
from secondgate.model.secret import Secret
from secondgate.model.service_token import ServiceToken
from secondgate.protocol.opaque_token import token_hash
from secondgate.protocol.service_token import new_client_id, new_client_secret
from secondgate.store.ports import ChangeKind

NAME_MAX_CHARS = 350
ATTEMPTS = 8
SEEN_EVERY_S = 60
"""When a token was seen last is written this often, and not with every request."""


async def list_service_tokens(services: Services) -> tuple[ServiceToken, ...]:
    """List all, by name."""
    return await services.durable.list_service_tokens()


async def create_service_token(
    services: Services,
    *,
    name: str,
    duration_s: int | None,
    is_enabled: bool = True,
    actor: Who,
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
        expires_at=_expiry(duration_s, now),
        duration_s=duration_s,
        is_enabled=is_enabled,
    )
    await services.durable.add_service_token(token)
    await _tell_tokens(services)
    await _audit(services, "service_token.created", token, actor)
    return token, secret


async def rotate_service_token(
    services: Services, reference: str, *, previous_expires_at: int | None = None, actor: Who
) -> tuple[ServiceToken, Secret[str]]:
    """Give a token, by name or id, another secret; it expires as before.

    The old secret proves nothing from then on, or from `previous_expires_at`, Unix seconds. Raises NotFound;
    Conflict: EXPIRED for a token that no secret makes valid, UNKNOWN_OR_USED when somebody else changed or revoked it
    meanwhile.
    """
    token = await load_service_token(services, reference)
    now = services.now()
    if token.is_expired_at(now):
        raise Conflict(
            Reason.EXPIRED, f"the service token {token.name!r} has expired: refresh it, or revoke it and make another"
        )
    secret = new_client_secret(services.random_bytes)
    is_kept = previous_expires_at is not None and previous_expires_at > now
    rotated = replace(
        token,
        secret_hash=token_hash(secret.reveal()),
        previous_secret_hash=token.secret_hash if is_kept else "",
        previous_expires_at=previous_expires_at if is_kept else None,
        updated_at=now,
    )
    if not await services.durable.replace_service_token(rotated):
        raise Conflict(Reason.UNKNOWN_OR_USED, f"the service token {token.name!r} was changed meanwhile; look again")
    await _tell_tokens(services)
    await _audit(services, "service_token.rotated", token, actor)
    return replace(rotated, revision=token.revision + 1), secret


async def change_service_token(
    services: Services,
    reference: str,
    decide: Callable[[ServiceToken], ServiceToken],
    *,
    actor: Who,
) -> ServiceToken:
    """Change a token as `decide` says, by what it is at this moment; a changed duration begins now.

    Raises what `decide` raises, NotFound, Malformed for the name; Conflict: NAME_TAKEN, CHANGED_MEANWHILE when others
    are faster all the time.
    """
    for _ in range(ATTEMPTS):
        token = await load_service_token(services, reference)
        now = services.now()
        changed = decide(token)
        parse_token_name(changed.name)
        if changed.duration_s != token.duration_s:
            changed = replace(changed, expires_at=_expiry(changed.duration_s, now))
        if changed == token:
            return token
        if await services.durable.replace_service_token(replace(changed, updated_at=now)):
            await _tell_tokens(services)
            detail = {
                f"{when}.{name}": str(getattr(one, name))
                for name in ("name", "duration_s", "expires_at", "is_enabled", "previous_expires_at")
                if getattr(token, name) != getattr(changed, name)
                for when, one in (("before", token), ("after", changed))
            }
            await _audit(services, "service_token.updated", token, actor, **detail)
            return replace(changed, updated_at=now, revision=token.revision + 1)
    raise Conflict(Reason.CHANGED_MEANWHILE, f"others change the service token {reference!r} at the same time")


async def refresh_service_token(services: Services, reference: str, *, actor: Who) -> ServiceToken:
    """Let a token's duration begin anew, also where it has expired. Raises as `change_service_token`."""

    def extend(token: ServiceToken) -> ServiceToken:
        return replace(token, expires_at=_expiry(token.duration_s, services.now()))

    return await change_service_token(services, reference, extend, actor=actor)


async def revoke_service_token(services: Services, reference: str, *, actor: Who) -> ServiceToken:
    """Delete a token, by name or id; gives what it was. Raises NotFound."""
    token = await load_service_token(services, reference)
    if not await services.durable.delete_service_token(token.id):
        raise _not_found(reference)
    await _tell_tokens(services)
    await _audit(services, "service_token.revoked", token, actor)
    return token


async def _tell_tokens(services: Services) -> None:
    """Let the gate of this process know what was changed, and all others."""
    await know_service_tokens(services)
    await services.tell(ChangeKind.SERVICE_TOKENS)


async def know_service_tokens(services: Services) -> None:
    """Let the gate of this process know what is stored now, and remember which tokens proved a machine lately."""
    seen = services.service_tokens.take_seen()
    tokens = await services.durable.list_service_tokens()
    services.service_tokens.replace(tokens)
    for token in tokens:
        at = seen.get(token.id)
        if at is not None and (token.last_seen_at is None or at - token.last_seen_at >= SEEN_EVERY_S):
            await services.durable.save_service_token_seen(token.id, now=at)


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


def _expiry(duration_s: int | None, now: int) -> int | None:
    return None if duration_s is None else now + duration_s


async def _audit(services: Services, action: str, token: ServiceToken, actor: Who, **detail: Any) -> None:  # noqa: ANN401 - text
    await services.audit(action, actor=actor, id=token.id, name=token.name, client_id=token.client_id, **detail)
