"""What is administered, in memory: managed objects, tokens, signing keys, the audit log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from secondgate.errors import Conflict, Reason
from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from secondgate.model.api_token import ApiToken
from secondgate.model.audit import AuditEvent
from secondgate.model.keys import SigningKey
from secondgate.model.service_token import ServiceToken
from tests.fakes.storable import check_text


class MemoryAdministration:
    """Managed objects, tokens of the API and of machines, signing keys, the audit log."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[AuditEvent] = []
        self.signing_keys: list[SigningKey] = []
        self.service_tokens: dict[str, ServiceToken] = {}
        self.api_tokens: dict[str, ApiToken] = {}
        self.access_version = 0
        self.access_objects: dict[tuple[ObjectKind, str], AccessObject] = {}
        self.revocations: dict[str, int] = {}

    async def append_event(self, event: AuditEvent) -> None:
        check_text(event.action, event.actor, event.person_id, event.address)
        self.events.append(event)

    async def list_events(self, *, limit: int = 100, person_id: str = "") -> tuple[AuditEvent, ...]:
        wanted = [event for event in reversed(self.events) if person_id in ("", event.person_id)]
        return tuple(wanted[:limit])

    async def list_signing_keys(self) -> tuple[SigningKey, ...]:
        return tuple(sorted(self.signing_keys, key=lambda key: (-key.created_at, key.kid)))

    async def add_signing_key(self, key: SigningKey) -> None:
        self.signing_keys.append(key)

    async def list_service_tokens(self) -> tuple[ServiceToken, ...]:
        return tuple(sorted(self.service_tokens.values(), key=lambda token: token.name))

    async def add_service_token(self, token: ServiceToken) -> None:
        check_text(token.id, token.name, token.client_id, token.secret_hash)
        if any(token.name == one.name or token.client_id == one.client_id for one in self.service_tokens.values()):
            raise Conflict(Reason.NAME_TAKEN)
        self.service_tokens[token.id] = token

    async def save_service_token_secret(self, token_id: str, *, secret_hash: str, replaced_hash: str) -> bool:
        check_text(token_id, secret_hash, replaced_hash)
        found = self.service_tokens.get(token_id)
        if found is None or found.secret_hash != replaced_hash:
            return False
        self.service_tokens[token_id] = replace(found, secret_hash=secret_hash)
        return True

    async def delete_service_token(self, token_id: str) -> bool:
        check_text(token_id)
        return self.service_tokens.pop(token_id, None) is not None

    async def load_access_version(self) -> int:
        return self.access_version

    async def load_access_objects(self) -> StoredAccess:
        return StoredAccess(self.access_version, tuple(self.access_objects.values()), dict(self.revocations))

    async def replace_access_objects(
        self,
        *,
        expected_version: int,
        saved: Sequence[AccessObject] = (),
        deleted: Sequence[tuple[ObjectKind, str]] = (),
    ) -> bool:
        check_text(*(one.id for one in saved), *(id_ for _, id_ in deleted))
        written = [replace(one, document=json.loads(json.dumps(one.document))) for one in saved]
        if expected_version != self.access_version:
            return False
        self.access_version += 1
        for place in deleted:
            self.access_objects.pop(place, None)
        for one in written:
            old = self.access_objects.get((one.kind, one.id), one)
            self.access_objects[one.kind, one.id] = replace(one, created_at=old.created_at)
        return True

    async def revoke_application(self, application_id: str) -> None:
        check_text(application_id)
        self.access_version += 1
        self.revocations[application_id] = self.revocations.get(application_id, 0) + 1

    async def add_api_token(self, token: ApiToken) -> bool:
        check_text(token.id, token.name, token.token_hash)
        others = self.api_tokens.values()
        if token.id in self.api_tokens or any(token.name == one.name for one in others):
            return False
        if any(token.token_hash == one.token_hash for one in others):
            return False
        self.api_tokens[token.id] = token
        return True

    async def load_api_token(self, token_hash: str) -> ApiToken | None:
        check_text(token_hash)
        return next((one for one in self.api_tokens.values() if one.token_hash == token_hash), None)

    async def list_api_tokens(self) -> tuple[ApiToken, ...]:
        return tuple(sorted(self.api_tokens.values(), key=lambda token: token.name))

    async def replace_api_token(self, token: ApiToken) -> bool:
        check_text(token.id, token.name)
        old = self.api_tokens.get(token.id)
        if old is None:
            return False
        if any(one.name == token.name and one.id != token.id for one in self.api_tokens.values()):
            raise Conflict(Reason.NAME_TAKEN)
        self.api_tokens[token.id] = replace(token, token_hash=old.token_hash, created_at=old.created_at)
        return True

    async def save_api_token_used(self, token_id: str, *, now: int) -> None:
        check_text(token_id)
        if token_id in self.api_tokens:
            self.api_tokens[token_id] = replace(self.api_tokens[token_id], last_used_at=now)

    async def delete_api_token(self, token_id: str) -> bool:
        check_text(token_id)
        return self.api_tokens.pop(token_id, None) is not None
