"""What is administered, in memory: managed objects, tokens, signing keys, the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from secondgate.errors import Conflict, Reason
from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from secondgate.model.api_token import ApiToken
from secondgate.model.audit import EVERY_EVENT, AuditEvent, EventFilter, EventPlace, place_of
from secondgate.model.keys import KeyRotation, SigningKey
from secondgate.model.service_token import ServiceToken
from tests.fakes.storable import check_text


class MemoryAdministration:
    """Managed objects, tokens of the API and of machines, signing keys, the audit log."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[AuditEvent] = []
        self.sequence = 0
        self.signing_keys: list[SigningKey] = []
        self.key_rotation = KeyRotation()
        self.service_tokens: dict[str, ServiceToken] = {}
        self.api_tokens: dict[str, ApiToken] = {}
        self.access_version = 0
        self.access_objects: dict[tuple[ObjectKind, str], AccessObject] = {}
        self.revocations: dict[str, int] = {}

    async def append_event(self, event: AuditEvent) -> None:
        _check_event(event)
        self.sequence += 1
        self.events.append(replace(event, sequence=self.sequence))

    async def list_events(
        self,
        matching: EventFilter = EVERY_EVENT,
        *,
        limit: int = 100,
        after: EventPlace | None = None,
        oldest_first: bool = False,
    ) -> tuple[AuditEvent, ...]:
        wanted = sorted(filter(matching.selects, self.events), key=place_of, reverse=not oldest_first)
        if after is not None:
            wanted = [one for one in wanted if (place_of(one) > after if oldest_first else place_of(one) < after)]
        return tuple(wanted[:limit])

    async def prune_events(self, *, before: int, limit: int, event: Callable[[int], AuditEvent]) -> int:
        old = sorted((one for one in self.events if one.at < before), key=place_of)[:limit]
        gone = {one.sequence for one in old}
        self.events = [one for one in self.events if one.sequence not in gone]
        if old:
            await self.append_event(event(len(old)))
        return len(old)

    async def list_signing_keys(self) -> tuple[SigningKey, ...]:
        return tuple(sorted(self.signing_keys, key=lambda key: (-key.created_at, key.kid)))

    async def load_key_rotation(self) -> KeyRotation:
        return self.key_rotation

    async def save_key_rotation_interval(self, days: int) -> None:
        self.key_rotation = replace(self.key_rotation, interval_days=days)

    async def add_signing_key(
        self, key: SigningKey, *, expected_version: int | None = None, deleted: Sequence[str] = ()
    ) -> bool:
        version = self.key_rotation.version
        if expected_version not in (None, version):
            return False
        self.key_rotation = replace(self.key_rotation, version=version + 1)
        self.signing_keys = [*(one for one in self.signing_keys if one.kid not in deleted), key]
        return True

    async def list_service_tokens(self) -> tuple[ServiceToken, ...]:
        return tuple(sorted(self.service_tokens.values(), key=lambda token: token.name))

    async def add_service_token(self, token: ServiceToken) -> None:
        check_text(token.id, token.name, token.client_id, token.secret_hash)
        if any(token.name == one.name or token.client_id == one.client_id for one in self.service_tokens.values()):
            raise Conflict(Reason.NAME_TAKEN)
        self.service_tokens[token.id] = token

    async def replace_service_token(self, token: ServiceToken) -> bool:
        check_text(token.id, token.name, token.secret_hash, token.previous_secret_hash)
        old = self.service_tokens.get(token.id)
        if old is None or old.revision != token.revision:
            return False
        if any(one.name == token.name and one.id != token.id for one in self.service_tokens.values()):
            raise Conflict(Reason.NAME_TAKEN)
        self.service_tokens[token.id] = replace(
            token,
            client_id=old.client_id,
            created_at=old.created_at,
            last_seen_at=old.last_seen_at,
            revision=old.revision + 1,
        )
        return True

    async def save_service_token_seen(self, token_id: str, *, now: int) -> None:
        check_text(token_id)
        if token_id in self.service_tokens:
            self.service_tokens[token_id] = replace(self.service_tokens[token_id], last_seen_at=now)

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
        event: AuditEvent | None = None,
    ) -> bool:
        check_text(*(one.id for one in saved), *(id_ for _, id_ in deleted))
        written = [replace(one, document=json.loads(json.dumps(one.document))) for one in saved]
        if expected_version != self.access_version:
            return False
        if event is not None:
            _check_event(event)
        self.access_version += 1
        for place in deleted:
            self.access_objects.pop(place, None)
        for one in written:
            old = self.access_objects.get((one.kind, one.id), one)
            self.access_objects[one.kind, one.id] = replace(one, created_at=old.created_at)
        if event is not None:
            await self.append_event(event)
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
        if old is None or old.revision != token.revision:
            return False
        if any(one.name == token.name and one.id != token.id for one in self.api_tokens.values()):
            raise Conflict(Reason.NAME_TAKEN)
        self.api_tokens[token.id] = replace(
            token, created_at=old.created_at, last_used_at=old.last_used_at, revision=old.revision + 1
        )
        return True

    async def save_api_token_used(self, token_id: str, *, now: int) -> None:
        check_text(token_id)
        if token_id in self.api_tokens:
            self.api_tokens[token_id] = replace(self.api_tokens[token_id], last_used_at=now)

    async def delete_api_token(self, token_id: str) -> bool:
        check_text(token_id)
        return self.api_tokens.pop(token_id, None) is not None


def _check_event(event: AuditEvent) -> None:
    check_text(event.id, event.action, event.actor, event.actor_id, event.person_id, event.address)
    check_text(event.factor.method, event.factor.authenticator_id)
