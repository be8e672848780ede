"""Ports of what is administered: managed objects, tokens of the API and of machines, signing keys, the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from secondgate.model.api_token import ApiToken
from secondgate.model.audit import AuditEvent
from secondgate.model.keys import SigningKey
from secondgate.model.service_token import ServiceToken


class Audit(Protocol):
    """The audit log: append only."""

    async def append_event(self, event: AuditEvent) -> None:
        """Append."""
        ...

    async def list_events(self, *, limit: int = 100, person_id: str = "") -> tuple[AuditEvent, ...]:
        """List the newest first, of everyone or of one person."""
        ...


class SigningKeys(Protocol):
    """Signing keys, sealed at rest."""

    async def list_signing_keys(self) -> tuple[SigningKey, ...]:
        """List the newest first."""
        ...

    async def add_signing_key(self, key: SigningKey) -> None:
        """Insert."""
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
    ) -> bool:
        """Write and delete in one transaction, and count the change.

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
        """Replace everything of the token with this id but its hash and when it was made; False when there is none.

        Raises Conflict(NAME_TAKEN) when the name is another token's.
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

    async def save_service_token_secret(self, token_id: str, *, secret_hash: str, replaced_hash: str) -> bool:
        """Put another secret in place of the one with `replaced_hash`; one atomic comparison.

        False when the token has another secret by now, or is gone.
        """
        ...

    async def delete_service_token(self, token_id: str) -> bool:
        """Delete; False when there is none."""
        ...
