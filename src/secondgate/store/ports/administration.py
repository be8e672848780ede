"""Ports of what is administered: managed objects, tokens of the API and of machines, signing keys, the audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from secondgate.model.api_token import ApiToken
from secondgate.model.audit import EVERY_EVENT, AuditEvent, EventFilter, EventPlace
from secondgate.model.keys import KeyRotation, SigningKey
from secondgate.model.service_token import ServiceToken


class Audit(Protocol):
    """The audit log: append only. No event is ever changed, and none is deleted but by age."""

    async def append_event(self, event: AuditEvent) -> None:
        """Append; its place in the log is given here."""
        ...

    async def list_events(
        self,
        matching: EventFilter = EVERY_EVENT,
        *,
        limit: int = 100,
        after: EventPlace | None = None,
        oldest_first: bool = False,
    ) -> tuple[AuditEvent, ...]:
        """List the events that a filter selects, the newest first unless `oldest_first`.

        `after` is the place of the last event of the page before: with it the next page begins behind it.
        """
        ...

    async def prune_events(self, *, before: int, limit: int, event: Callable[[int], AuditEvent]) -> int:
        """Delete the oldest events of before a time, `limit` at most; gives how many.

        If there were any, the event that is made of their number is appended in the same transaction.
        """
        ...


class SigningKeys(Protocol):
    """Signing keys, sealed at rest."""

    async def list_signing_keys(self) -> tuple[SigningKey, ...]:
        """List the newest first."""
        ...

    async def load_key_rotation(self) -> KeyRotation:
        """Read how keys are rotated, and how many were made: before the keys are read, to add one by."""
        ...

    async def save_key_rotation_interval(self, days: int) -> None:
        """Write after how many days a key is replaced."""
        ...

    async def add_signing_key(
        self, key: SigningKey, *, expected_version: int | None = None, deleted: Sequence[str] = ()
    ) -> bool:
        """Insert, delete others by their ids, and count it; one transaction.

        False, and nothing is done, when a key was added since `expected_version` was read; None: whatever happened.
        """
        ...


class AccessObjects(Protocol):
    """The managed objects, where no file manages them."""

    async def load_access_version(self) -> int:
        """Read how often anything changed: cheap, to find out whether to read again."""
        ...

    async def load_access_objects(self) -> StoredAccess:
        """Read everything of one moment, in the order in which it was made."""
        ...

    async def replace_access_objects(
        self,
        *,
        expected_version: int,
        saved: Sequence[AccessObject] = (),
        deleted: Sequence[tuple[ObjectKind, str]] = (),
        event: AuditEvent | None = None,
    ) -> bool:
        """Write and delete in one transaction, and count the change; the event that tells of it is part of it.

        False, and nothing is done, when anything changed since `expected_version` was read.
        """
        ...

    async def revoke_application(self, application_id: str) -> None:
        """Count one more revocation of all grants of an application, and count the change; one transaction."""
        ...


class ApiTokens(Protocol):
    """Tokens of the API; of each only the hash of what opens it is known."""

    async def add_api_token(self, token: ApiToken) -> bool:
        """Insert; False when the name is another token's."""
        ...

    async def load_api_token(self, token_hash: str) -> ApiToken | None:
        """Load by the hash of what was presented."""
        ...

    async def list_api_tokens(self) -> tuple[ApiToken, ...]:
        """List all, by name."""
        ...

    async def replace_api_token(self, token: ApiToken) -> bool:
        """Replace everything of the token with this id but when it was made and used, and count the change.

        False, and nothing is done, when there is none of this `revision`: it was changed, or is gone. Raises
        Conflict(NAME_TAKEN) when the name is another token's.
        """
        ...

    async def save_api_token_used(self, token_id: str, *, now: int) -> None:
        """Remember when it was used."""
        ...

    async def delete_api_token(self, token_id: str) -> bool:
        """Delete; False when there is none."""
        ...


class ServiceTokens(Protocol):
    """Service tokens of machines; of their secrets only the hashes."""

    async def list_service_tokens(self) -> tuple[ServiceToken, ...]:
        """List all, by name."""
        ...

    async def add_service_token(self, token: ServiceToken) -> None:
        """Insert; of two at once one wins. Raises Conflict: NAME_TAKEN when another one has the name or client id."""
        ...

    async def replace_service_token(self, token: ServiceToken) -> bool:
        """Replace everything of the token with this id but its client id and when it was made and seen; count it.

        False, and nothing is done, when there is none of this `revision`: it was changed, or is gone. Raises
        Conflict(NAME_TAKEN) when the name is another token's.
        """
        ...

    async def save_service_token_seen(self, token_id: str, *, now: int) -> None:
        """Remember when it proved a machine."""
        ...

    async def delete_service_token(self, token_id: str) -> bool:
        """Delete; False when there is none."""
        ...
