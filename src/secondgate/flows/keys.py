"""Signing keys are replaced: when somebody says so, and by themselves when the interval is over.

The keys before stay: they are published, and prove what they signed, until nothing that they signed can be valid; the
one before the newest always. Of several replicas that rotate at once one does it. A new key is known to this process
at once, to others when they look next, and signs when all of them know it (`protocol.jwt`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlsplit

from secondgate.errors import Conflict, Malformed, Reason
from secondgate.flows.services import Services
from secondgate.model.audit import Actor, ActorKind, Who
from secondgate.model.keys import KeyRotation, SigningKey
from secondgate.protocol.duration import MAX_DURATION_S
from secondgate.protocol.jwt import SPREAD_S, new_signing_key
from secondgate.store.ports import ChangeKind

DAY_S = 86_400
DEFAULT_INTERVAL_DAYS = 42
MIN_INTERVAL_DAYS, MAX_INTERVAL_DAYS = 21, 365


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """When keys are rotated: every `interval_days`; `last_at` and `next_at` are Unix seconds."""

    interval_days: int
    last_at: int

    @property
    def next_at(self) -> int:
        """When the newest key is replaced."""
        return self.last_at + self.interval_days * DAY_S

    def days_left_at(self, now: int) -> int:
        """Give in how many days, begun ones counted, the newest key is replaced."""
        return min(self.interval_days, max(0, -(-(self.next_at - now) // DAY_S)))


async def load_key_times(services: Services) -> KeyTimes:
    """Read when the keys were rotated, and when they will be."""
    rotation, keys = await _load(services)
    return _times(rotation, keys)


async def save_key_interval(services: Services, days: int, *, actor: Who) -> KeyTimes:
    """Say after how many days keys are replaced. Raises Malformed."""
    if not MIN_INTERVAL_DAYS <= days <= MAX_INTERVAL_DAYS:
        raise Malformed(
            "key_rotation_interval_days", f"must be a whole number from {MIN_INTERVAL_DAYS} to {MAX_INTERVAL_DAYS}"
        )
    before = await load_key_times(services)
    await services.durable.save_key_rotation_interval(days)
    if before.interval_days != days:
        detail = {"before.interval_days": str(before.interval_days), "after.interval_days": str(days)}
        await services.write_event(services.new_event("signing_keys.updated", actor=actor, detail=detail))
    return KeyTimes(days, before.last_at)


async def rotate_keys(services: Services, *, actor: Who) -> KeyTimes:
    """Make a new signing key. Raises Conflict: CHANGED_MEANWHILE when another replica made one at the same time."""
    rotation, keys = await _load(services)
    if not await _rotate(services, rotation, keys, actor=actor):
        raise Conflict(Reason.CHANGED_MEANWHILE, "another replica rotates the keys at the same time")
    return await load_key_times(services)


async def rotate_keys_when_due(services: Services) -> bool:
    """Make a new signing key if the interval is over and no other replica does; whether this one did."""
    rotation, keys = await _load(services)
    if services.now() < _times(rotation, keys).next_at:
        return False
    return await _rotate(services, rotation, keys, actor=Actor(ActorKind.SYSTEM, "rotation"))


async def _load(services: Services) -> tuple[KeyRotation, tuple[SigningKey, ...]]:
    rotation = await services.durable.load_key_rotation()
    return rotation, await services.durable.list_signing_keys()


async def _rotate(services: Services, rotation: KeyRotation, keys: Sequence[SigningKey], *, actor: Who) -> bool:
    now = services.now()
    new = new_signing_key(
        keys[0].algorithm,
        now=max(now, keys[0].created_at + 1),  # two in one second still have an order
        name=urlsplit(services.portal_origin).hostname or "",
        random_bytes=services.random_bytes,
    )
    ended = [old.kid for newer, old in pairwise(keys) if newer.created_at + SPREAD_S + MAX_DURATION_S <= now]
    if not await services.durable.add_signing_key(new, expected_version=rotation.version, deleted=ended):
        return False
    services.keys.replace(await services.durable.list_signing_keys())
    await services.tell(ChangeKind.SIGNING_KEYS)
    await services.audit("signing_keys.rotated", actor=actor, kid=new.kid, ended=", ".join(ended))
    return True


def _times(rotation: KeyRotation, keys: Sequence[SigningKey]) -> KeyTimes:
    return KeyTimes(rotation.interval_days or DEFAULT_INTERVAL_DAYS, keys[0].created_at)
