"""People, authenticators and wrong codes in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from secondgate.errors import Conflict, NotFound, Reason, TooManyAttempts
from secondgate.model.organization import Method
from secondgate.model.person import ADDRESS_SOURCES, Authenticator, Person, folded_email
from secondgate.model.secret import Secret
from secondgate.model.temporary_pass import TemporaryPass
from secondgate.store.attempt_limits import resets_in_s
from secondgate.store.ports import AttemptLimits, PeopleFilter, PeoplePage
from tests.fakes.storable import check_text


@dataclass(frozen=True, slots=True)
class _Attempt:
    id: str
    person_id: str
    address: str
    at: int


def _fits(person: Person, wanted: PeopleFilter) -> bool:
    name, part = _lower(person.name), wanted.search
    return (
        (not wanted.email or person.email == folded_email(wanted.email))
        and (not wanted.name or name == _lower(wanted.name))
        and (not part or folded_email(part) in person.email or _lower(part) in name)
    )


def _lower(text: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in text)


class MemoryPeople:
    """Persons."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, Person] = {}
        self.subjects: dict[tuple[str, str], str] = {}
        self.authenticators: dict[str, Authenticator] = {}
        self.seeds: dict[str, Secret[bytes]] = {}
        self.steps: dict[str, int] = {}
        self.passes: dict[str, TemporaryPass] = {}
        self.attempts: list[_Attempt] = []
        self.in_a_row: dict[str, int] = {}
        self.attempts_made = 0

    async def find_or_create_person(self, *, new_id: str, email: str, name: str, now: int) -> Person:
        check_text(new_id, email, name)
        person = await self.load_person_by_email(email)
        if person is None:
            person = self.people[new_id] = Person(new_id, folded_email(email), name, now)
        return person

    async def load_person_by_subject(self, namespace: str, subject: str) -> Person | None:
        check_text(namespace, subject)
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
        check_text(person_id, namespace, subject)
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
        check_text(person_id, name)
        person = self.people.get(person_id)
        if person is not None:
            updated_at = now if name and name != person.name else person.updated_at
            self.people[person_id] = replace(person, name=name or person.name, last_login_at=now, updated_at=updated_at)

    async def save_person_email(self, person_id: str, email: str, *, now: int) -> bool:
        check_text(person_id, email)
        email, person, other = folded_email(email), self.people.get(person_id), await self.load_person_by_email(email)
        if person is None or (other is not None and other.id != person_id):
            return False
        self.people[person_id] = replace(person, email=email, updated_at=now)
        self.subjects = {
            (namespace, subject): of
            for (namespace, subject), of in self.subjects.items()
            if of != person_id or namespace not in ADDRESS_SOURCES or subject == email
        }
        return True

    async def load_person(self, person_id: str) -> Person | None:
        check_text(person_id)
        return self.people.get(person_id)

    async def load_person_by_email(self, email: str) -> Person | None:
        check_text(email)
        return next((person for person in self.people.values() if person.email == folded_email(email)), None)

    async def list_people(self) -> tuple[Person, ...]:
        return tuple(sorted(self.people.values(), key=lambda person: person.email))

    async def page_people(self, wanted: PeopleFilter, *, offset: int, limit: int) -> PeoplePage:
        check_text(wanted.email, wanted.name, wanted.search)
        fitting = [person for person in await self.list_people() if _fits(person, wanted)]
        return PeoplePage(tuple(fitting[offset : offset + limit]), len(fitting))

    async def change_person(
        self, person_id: str, *, name: str | None = None, disabled: bool | None = None, now: int
    ) -> bool:
        check_text(person_id, name or "")
        person = await self.load_person(person_id)
        if person is not None:
            name = person.name if name is None else name
            disabled = person.disabled if disabled is None else disabled
            self.people[person_id] = replace(person, name=name, disabled=disabled, updated_at=now)
        return person is not None

    async def save_last_method(self, person_id: str, method: Method) -> None:
        person = await self.load_person(person_id)
        if person is not None:
            self.people[person_id] = replace(person, last_method=method)

    async def delete_person(self, person_id: str) -> bool:
        check_text(person_id)
        for authenticator_id in [one.id for one in self.authenticators.values() if one.person_id == person_id]:
            self._forget(authenticator_id)
        self.attempts = [attempt for attempt in self.attempts if attempt.person_id != person_id]
        self.in_a_row.pop(person_id, None)
        self.passes.pop(person_id, None)
        self.subjects = {key: of for key, of in self.subjects.items() if of != person_id}
        return self.people.pop(person_id, None) is not None

    def _forget(self, authenticator_id: str) -> None:
        del self.authenticators[authenticator_id]
        self.seeds.pop(authenticator_id, None)
        self.steps.pop(authenticator_id, None)


class MemoryAuthenticators(MemoryPeople):
    """Authenticators, and the wrong codes that are counted."""

    async def list_authenticators(self, person_id: str) -> tuple[Authenticator, ...]:
        check_text(person_id)
        theirs = [one for one in self.authenticators.values() if one.person_id == person_id]
        return tuple(sorted(theirs, key=lambda one: (one.created_at, one.id)))

    async def count_authenticators(self, person_ids: Collection[str]) -> Mapping[str, int]:
        return Counter(one.person_id for one in self.authenticators.values() if one.person_id in person_ids)

    async def load_authenticator(self, person_id: str, authenticator_id: str) -> Authenticator | None:
        check_text(person_id, authenticator_id)
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
        check_text(authenticator.id, authenticator.person_id, authenticator.name)
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
        check_text(name)
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
        check_text(person_id, address)
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


class MemoryPasses(MemoryPeople):
    """Temporary passes."""

    async def save_pass(self, temporary_pass: TemporaryPass) -> None:
        check_text(temporary_pass.id, temporary_pass.person_id, temporary_pass.code_mac, temporary_pass.created_by)
        if temporary_pass.person_id not in self.people:
            raise NotFound(Reason.NOT_FOUND)
        self.passes[temporary_pass.person_id] = temporary_pass
        self.in_a_row.pop(temporary_pass.person_id, None)

    async def load_pass(self, person_id: str) -> TemporaryPass | None:
        check_text(person_id)
        return self.passes.get(person_id)

    async def list_passes(self) -> tuple[TemporaryPass, ...]:
        return tuple(sorted(self.passes.values(), key=lambda one: (one.created_at, one.id)))

    async def claim_pass(self, person_id: str, *, code_mac: str, now: int) -> TemporaryPass | None:
        check_text(person_id, code_mac)
        found = self.passes.get(person_id)
        if found is None or found.code_mac != code_mac or found.used_at is not None or found.expires_at <= now:
            return None
        self.passes[person_id] = replace(found, used_at=now)
        return self.passes[person_id]

    async def delete_pass(self, person_id: str) -> TemporaryPass | None:
        check_text(person_id)
        return self.passes.pop(person_id, None)
