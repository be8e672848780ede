"""Working stores in memory: what they promise is held by the same contract suites as the real ones.

Everything happens between two awaits, so each method is atomic in one event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from secondgate.errors import Conflict, Malformed, NotFound, Reason, TooManyAttempts
from secondgate.model.audit import AuditEvent
from secondgate.model.keys import SigningKey
from secondgate.model.organization import Method
from secondgate.model.person import ADDRESS_SOURCES, Authenticator, Person, folded_email
from secondgate.model.secret import Secret
from secondgate.model.service_token import ServiceToken
from secondgate.store.attempt_limits import resets_in_s
from secondgate.store.ports import AttemptLimits, Kind, LiveRecord


@dataclass(frozen=True, slots=True)
class _Attempt:
    id: str
    person_id: str
    address: str
    at: int


class MemoryPeople:
    """Persons."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.subjects: dict[tuple[str, str], str] = {}
        self.authenticators: dict[str, Authenticator] = {}
        self.seeds: dict[str, Secret[bytes]] = {}
        self.steps: dict[str, int] = {}
        self.attempts: list[_Attempt] = []
        self.in_a_row: dict[str, int] = {}
        self.events: list[AuditEvent] = []
        self.signing_keys: list[SigningKey] = []
        self.service_tokens: dict[str, ServiceToken] = {}
        self.attempts_made = 0

    async def find_or_create_person(self, *, new_id: str, email: str, name: str, now: int) -> Person:
        _check_text(new_id, email, name)
        person = await self.load_person_by_email(email)
        if person is None:
            person = self.people[new_id] = Person(new_id, folded_email(email), name, now)
        return person

    async def load_person_by_subject(self, namespace: str, subject: str) -> Person | None:
        _check_text(namespace, subject)
        return self.people.get(self.subjects.get((namespace, subject), ""))

    async def add_subject(
        self,
        person_id: str,
        *,
        namespace: str,
        subject: str,
        only_as_first: bool,
        now: int,  # noqa: ARG002 - the port's
    ) -> bool:
        _check_text(person_id, namespace, subject)
        if person_id not in self.people:
            raise NotFound(Reason.NOT_FOUND)
        has_authenticator = any(one.person_id == person_id for one in self.authenticators.values())
        if only_as_first and (has_authenticator or person_id in self.subjects.values()):
            return False
        if (namespace, subject) in self.subjects:
            return False
        self.subjects[namespace, subject] = person_id
        return True

    async def save_last_login(self, person_id: str, *, name: str, now: int) -> None:
        _check_text(person_id, name)
        person = self.people.get(person_id)
        if person is not None:
            self.people[person_id] = replace(person, name=name or person.name, last_login_at=now)

    async def save_person_email(self, person_id: str, email: str) -> bool:
        _check_text(person_id, email)
        email, person, other = folded_email(email), self.people.get(person_id), await self.load_person_by_email(email)
        if person is None or (other is not None and other.id != person_id):
            return False
        self.people[person_id] = replace(person, email=email)
        self.subjects = {
            (namespace, subject): of
            for (namespace, subject), of in self.subjects.items()
            if of != person_id or namespace not in ADDRESS_SOURCES or subject == email
        }
        return True

    async def load_person(self, person_id: str) -> Person | None:
        _check_text(person_id)
        return self.people.get(person_id)

    async def load_person_by_email(self, email: str) -> Person | None:
        _check_text(email)
        return next((person for person in self.people.values() if person.email == folded_email(email)), None)

    async def list_people(self) -> tuple[Person, ...]:
        return tuple(sorted(self.people.values(), key=lambda person: person.email))

    async def save_person_disabled(self, person_id: str, *, disabled: bool) -> bool:
        person = await self.load_person(person_id)
        if person is not None:
            self.people[person_id] = replace(person, disabled=disabled)
        return person is not None

    async def save_last_method(self, person_id: str, method: Method) -> None:
        person = await self.load_person(person_id)
        if person is not None:
            self.people[person_id] = replace(person, last_method=method)

    async def delete_person(self, person_id: str) -> bool:
        _check_text(person_id)
        for authenticator_id in [one.id for one in self.authenticators.values() if one.person_id == person_id]:
            self._forget(authenticator_id)
        self.attempts = [attempt for attempt in self.attempts if attempt.person_id != person_id]
        self.in_a_row.pop(person_id, None)
        self.subjects = {key: of for key, of in self.subjects.items() if of != person_id}
        return self.people.pop(person_id, None) is not None

    def _forget(self, authenticator_id: str) -> None:
        del self.authenticators[authenticator_id]
        self.seeds.pop(authenticator_id, None)
        self.steps.pop(authenticator_id, None)


class MemoryDurableStore(MemoryPeople):
    """All of the durable store."""

    async def list_authenticators(self, person_id: str) -> tuple[Authenticator, ...]:
        _check_text(person_id)
        theirs = [one for one in self.authenticators.values() if one.person_id == person_id]
        return tuple(sorted(theirs, key=lambda one: (one.created_at, one.id)))

    async def load_authenticator(self, person_id: str, authenticator_id: str) -> Authenticator | None:
        _check_text(person_id, authenticator_id)
        found = self.authenticators.get(authenticator_id)
        return found if found is not None and found.person_id == person_id else None

    async def add_authenticator(
        self,
        authenticator: Authenticator,
        *,
        only_as_first: bool,
        totp_seed: Secret[bytes] | None = None,
        totp_step: int = 0,
    ) -> None:
        _check_text(authenticator.id, authenticator.person_id, authenticator.name)
        if authenticator.person_id not in self.people:
            raise NotFound(Reason.NOT_FOUND, "no such person")
        theirs = await self.list_authenticators(authenticator.person_id)
        if theirs and only_as_first:
            raise Conflict(Reason.NOT_FIRST)
        if authenticator.method is Method.TOTP and any(one.method is Method.TOTP for one in theirs):
            raise Conflict(Reason.ALREADY_ENROLLED)
        taken = {one.credential_id for one in self.authenticators.values() if one.credential_id}
        if authenticator.credential_id in taken:
            raise Conflict(Reason.CREDENTIAL_TAKEN)
        self.authenticators[authenticator.id] = authenticator
        self.steps[authenticator.id] = totp_step
        if totp_seed is not None:
            self.seeds[authenticator.id] = totp_seed

    async def save_authenticator_name(self, person_id: str, authenticator_id: str, name: str) -> bool:
        _check_text(name)
        found = await self.load_authenticator(person_id, authenticator_id)
        if found is not None:
            self.authenticators[found.id] = replace(found, name=name)
        return found is not None

    async def delete_authenticator(self, person_id: str, authenticator_id: str) -> bool:
        found = await self.load_authenticator(person_id, authenticator_id)
        if found is not None:
            self._forget(found.id)
            if found.method is Method.TOTP:
                self.in_a_row.pop(person_id, None)
        return found is not None

    async def load_totp(self, person_id: str) -> tuple[Authenticator, Secret[bytes]] | None:
        for one in await self.list_authenticators(person_id):
            if one.method is Method.TOTP:
                return one, self.seeds[one.id]
        return None

    async def claim_totp_step(self, authenticator_id: str, *, step: int, now: int) -> bool:
        found = self.authenticators.get(authenticator_id)
        if found is None or found.method is not Method.TOTP or step <= self.steps[found.id]:
            return False
        self.steps[found.id] = step
        self.authenticators[found.id] = replace(found, last_used_at=now)
        return True

    async def claim_sign_count(self, authenticator_id: str, *, presented: int, now: int) -> bool:
        found = self.authenticators.get(authenticator_id)
        if found is None or found.method is Method.TOTP:
            return False
        if presented <= found.sign_count and not presented == found.sign_count == 0:
            return False
        self.authenticators[found.id] = replace(found, sign_count=presented, last_used_at=now)
        return True

    async def claim_attempt(self, *, person_id: str, address: str, limits: AttemptLimits, now: int) -> str:
        _check_text(person_id, address)
        if person_id:
            if person_id not in self.people:
                raise NotFound(Reason.NOT_FOUND, "no such person")
            if self.in_a_row.get(person_id, 0) >= limits.in_a_row:
                raise TooManyAttempts(None)
        of_person = [attempt.at for attempt in self.attempts if person_id and attempt.person_id == person_id]
        of_address = [attempt.at for attempt in self.attempts if address and attempt.address == address]
        wait_s = max(
            resets_in_s(sorted(of_person, reverse=True), limits.per_person, now=now),
            resets_in_s(sorted(of_address, reverse=True), limits.per_address, now=now),
        )
        if wait_s:
            raise TooManyAttempts(wait_s)
        self.attempts_made += 1
        attempt = _Attempt(f"attempt-{self.attempts_made}", person_id, address, now)
        self.attempts.append(attempt)
        if person_id:
            self.in_a_row[person_id] = self.in_a_row.get(person_id, 0) + 1
        return attempt.id

    async def refund_attempt(self, attempt_id: str) -> None:
        for attempt in self.attempts:
            if attempt.id == attempt_id:
                self.attempts.remove(attempt)
                self.in_a_row.pop(attempt.person_id, None)
                return

    async def append_event(self, event: AuditEvent) -> None:
        _check_text(event.action, event.actor, event.person_id, event.address)
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
        _check_text(token.id, token.name, token.client_id, token.secret_hash)
        if any(token.name == one.name or token.client_id == one.client_id for one in self.service_tokens.values()):
            raise Conflict(Reason.NAME_TAKEN)
        self.service_tokens[token.id] = token

    async def save_service_token_secret(self, token_id: str, *, secret_hash: str, replaced_hash: str) -> bool:
        _check_text(token_id, secret_hash, replaced_hash)
        found = self.service_tokens.get(token_id)
        if found is None or found.secret_hash != replaced_hash:
            return False
        self.service_tokens[token_id] = replace(found, secret_hash=secret_hash)
        return True

    async def delete_service_token(self, token_id: str) -> bool:
        _check_text(token_id)
        return self.service_tokens.pop(token_id, None) is not None

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Live:
    value: bytes
    owner: str
    expires_at: float


class MemoryLiveStore:
    """Records that expire by `clock` (Unix seconds)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.records: dict[tuple[Kind, str], _Live] = {}

    async def save(self, kind: Kind, key: str, value: bytes, *, ttl_s: int, owner: str = "") -> None:
        self.records[kind, key] = _Live(value, owner, self._clock() + ttl_s)

    async def load(self, kind: Kind, key: str) -> bytes | None:
        found = self._find(kind, key)
        return None if found is None else found.value

    async def claim(self, kind: Kind, key: str) -> bytes | None:
        found = self._find(kind, key)
        self.records.pop((kind, key), None)
        return None if found is None else found.value

    async def claim_once(self, kind: Kind, key: str, *, ttl_s: int) -> bool:
        if self._find(kind, key) is not None:
            return False
        self.records[kind, key] = _Live(b"1", "", self._clock() + ttl_s)
        return True

    async def increment(self, kind: Kind, key: str, *, ttl_s: int) -> int:
        found = self._find(kind, key)
        count = 1 if found is None else int(found.value) + 1
        expires_at = self._clock() + ttl_s if found is None else found.expires_at
        self.records[kind, key] = _Live(str(count).encode(), "", expires_at)
        return count

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self.claim(kind, key) is not None

    async def list_owned(self, kind: Kind, owner: str) -> tuple[LiveRecord, ...]:
        return tuple(LiveRecord(key, found.value) for key, found in self._owned(kind, owner))

    async def delete_owned(self, owner: str, *, kinds: tuple[Kind, ...]) -> int:
        theirs = [(kind, key) for kind in kinds for key, _ in self._owned(kind, owner)]
        for kind, key in theirs:
            del self.records[kind, key]
        return len(theirs)

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def _find(self, kind: Kind, key: str) -> _Live | None:
        found = self.records.get((kind, key))
        return found if found is not None and found.expires_at > self._clock() else None

    def _owned(self, kind: Kind, owner: str) -> list[tuple[str, _Live]]:
        return [
            (key, found)
            for (of_kind, key), found in self.records.items()
            if of_kind is kind and owner and found.owner == owner and found.expires_at > self._clock()
        ]


def _check_text(*texts: str) -> None:
    for text in texts:
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise Malformed("text", "must be Unicode without NUL")
