"""The port of the live store: records that expire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What a live record is; each kind is a key space of its own."""

    LOGIN = "login"
    DEVICE = "device"
    MFA_SESSION = "mfa"
    APPLICATION_SESSION = "app"
    DEVICE_WINDOW = "window"
    PIN = "pin"
    PENDING_TOTP = "pending-totp"
    CHALLENGE = "challenge"
    LOGIN_STATE = "login-state"
    PROVIDER_SESSION = "provider-session"
    LOGOUT_STATE = "logout-state"
    HAND_OVER = "hand-over"
    EVALUATIONS = "evaluations"
    POLICY_TEST = "policy-test"
    USED = "used"
    COUNTER = "counter"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """A record with its key."""

    key: str
    value: bytes


class LiveStore(Protocol):
    """Records that expire. Keys are hashes or public ids: a key never opens anything by itself."""

    async def save(self, kind: Kind, key: str, value: bytes, *, ttl_s: int, owner: str = "") -> None:
        """Write or replace a record that lives `ttl_s` seconds; an `owner` (a person's id) can list it."""
        ...

    async def load(self, kind: Kind, key: str) -> bytes | None:
        """Read a record that has not expired."""
        ...

    async def missing(self, kind: Kind, keys: Sequence[str]) -> frozenset[str]:
        """Give those of the keys, each named once, of which there is no record; one question where none is missing."""
        ...

    async def claim(self, kind: Kind, key: str) -> bytes | None:
        """Read and delete in one step: of many callers one gets it."""
        ...

    async def claim_once(self, kind: Kind, key: str, *, ttl_s: int) -> bool:
        """Mark a key as used: True for the first caller, False for the others while the mark lives."""
        ...

    async def increment(self, kind: Kind, key: str, *, ttl_s: int) -> int:
        """Count up and give the new count; the counter lives `ttl_s` seconds from its first count."""
        ...

    async def delete(self, kind: Kind, key: str) -> bool:
        """Delete; whether there was one."""
        ...

    async def list_owned(self, kind: Kind, owner: str) -> tuple[LiveRecord, ...]:
        """List an owner's records of one kind that have not expired."""
        ...

    async def delete_owned(self, owner: str, *, kinds: tuple[Kind, ...]) -> int:
        """Delete an owner's records of these kinds; how many there were."""
        ...

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
        ...

    async def close(self) -> None:
        """Give back all connections."""
        ...
