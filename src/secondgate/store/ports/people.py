"""Ports of people: who they are, what they prove themselves with, their passes, and the wrong codes counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from secondgate.model.organization import Method
from secondgate.model.person import Authenticator, Person
from secondgate.model.secret import Secret
from secondgate.model.temporary_pass import TemporaryPass


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How many wrong codes are borne: pairs of (count, window in seconds), and the stop in a row."""

    per_person: tuple[tuple[int, int], ...] = ((5, 300), (20, 3600), (50, 86400))
    per_address: tuple[tuple[int, int], ...] = ((10, 300), (50, 3600))
    in_a_row: int = 100


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Which people are looked for; what is empty looks for nothing, and all that is not must fit.

    `email` is a whole address and `name` a whole name; `search` is a part of either. Letters of ASCII fit in either
    case, and in addresses all letters do.
    """

    email: str = ""
    name: str = ""
    search: str = ""


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some of the people who fit a filter; `total` is how many do."""

    people: tuple[Person, ...]
    total: int


class People(Protocol):
    """Persons."""

    async def find_or_create_person(self, *, new_id: str, email: str, name: str, now: int) -> Person:
        """Give the person with this (folded) address, as they are, made with `new_id` and `name` if there is none.

        Nobody is known by a subject by that: the first login claims who was made. Two callers at once get one person.
        """
        ...

    async def load_person_by_subject(self, namespace: str, subject: str) -> Person | None:
        """Load who is known by this subject in this namespace: `Identity.known_as` and `Identity.namespace`."""
        ...

    async def add_subject(self, person_id: str, *, namespace: str, subject: str, only_as_first: bool, now: int) -> bool:
        """Make a subject this person's; one step.

        False, and nothing is written, when the subject is somebody's already, or when `only_as_first` and the person
        has a subject or an authenticator. Raises NotFound.
        """
        ...

    async def save_last_login(self, person_id: str, *, name: str, now: int) -> None:
        """Write when a person logged in last, and a `name` that is not empty (one that is new is an update)."""
        ...

    async def save_person_email(self, person_id: str, email: str, *, now: int) -> bool:
        """Give a person another (folded) address; one step.

        Forgets their subjects that are another address than this one, in the namespaces of `ADDRESS_SOURCES`: whoever
        has the old address next is somebody else. False, and nothing is written, when the address is another person's
        or there is no such person.
        """
        ...

    async def load_person(self, person_id: str) -> Person | None:
        """Load by id."""
        ...

    async def load_person_by_email(self, email: str) -> Person | None:
        """Load by folded address."""
        ...

    async def list_people(self) -> tuple[Person, ...]:
        """List everyone, by address."""
        ...

    async def page_people(self, wanted: PeopleFilter, *, offset: int, limit: int) -> PeoplePage:
        """List those who fit, by address, from the `offset`th on, `limit` at most."""
        ...

    async def change_person(
        self, person_id: str, *, name: str | None = None, disabled: bool | None = None, now: int
    ) -> bool:
        """Rename, disable or enable a person, in one step; what is None stays. False when there is none."""
        ...

    async def save_last_method(self, person_id: str, method: Method) -> None:
        """Remember the method used last."""
        ...

    async def delete_person(self, person_id: str) -> bool:
        """Delete a person with authenticators, wrong codes and all; False when there is none."""
        ...


class Authenticators(Protocol):
    """Authenticators, with what must never be reused."""

    async def list_authenticators(self, person_id: str) -> tuple[Authenticator, ...]:
        """List a person's authenticators, the oldest first."""
        ...

    async def count_authenticators(self, person_ids: Collection[str]) -> Mapping[str, int]:
        """Count the authenticators of each of these people; who has none may be absent."""
        ...

    async def load_authenticator(self, person_id: str, authenticator_id: str) -> Authenticator | None:
        """Load one of this person's authenticators; None for another person's."""
        ...

    async def add_authenticator(
        self,
        authenticator: Authenticator,
        *,
        only_as_first: bool,
        totp_seed: Secret[bytes] | None = None,
        totp_step: int = 0,
    ) -> None:
        """Insert an authenticator in one transaction; `totp_seed` is sealed by the store.

        `totp_step` is the time step of the code that confirmed the seed: it is used up with the insertion.

        Raises Conflict: NOT_FIRST when `only_as_first` and the person has one already (two at once: one wins);
        ALREADY_ENROLLED for a second TOTP; CREDENTIAL_TAKEN when anyone has the credential id. Raises NotFound
        when there is no such person.
        """
        ...

    async def save_authenticator_name(self, person_id: str, authenticator_id: str, name: str) -> bool:
        """Rename; False when this person has no such authenticator."""
        ...

    async def delete_authenticator(self, person_id: str, authenticator_id: str) -> bool:
        """Delete; False when this person has no such authenticator."""
        ...

    async def load_totp(self, person_id: str) -> tuple[Authenticator, Secret[bytes]] | None:
        """Load a person's TOTP authenticator and its seed."""
        ...

    async def claim_totp_step(self, authenticator_id: str, *, step: int, now: int) -> bool:
        """Accept a time step if it is later than every one accepted before; one atomic comparison.

        True for exactly one caller. Also writes `now` as the last use.
        """
        ...

    async def claim_sign_count(self, authenticator_id: str, *, presented: int, now: int) -> bool:
        """Accept a signature counter if it is greater than the stored one, or if both are zero; atomic."""
        ...


class TemporaryPasses(Protocol):
    """Temporary passes: at most one a person."""

    async def save_pass(self, temporary_pass: TemporaryPass) -> None:
        """Insert in place of the person's earlier one, and end the person's row of wrong codes; one transaction.

        Raises NotFound when there is no such person.
        """
        ...

    async def load_pass(self, person_id: str) -> TemporaryPass | None:
        """Load a person's pass, used and expired ones too."""
        ...

    async def list_passes(self) -> tuple[TemporaryPass, ...]:
        """List everyone's, the oldest first."""
        ...

    async def claim_pass(self, person_id: str, *, code_mac: str, now: int) -> TemporaryPass | None:
        """Use up the person's pass if it has this code, and was neither used nor has expired; one atomic comparison.

        Gives it for exactly one caller, and None for all others.
        """
        ...

    async def delete_pass(self, person_id: str) -> TemporaryPass | None:
        """Delete a person's pass; gives what it was, None when there is none."""
        ...


class Attempts(Protocol):
    """Wrong-code counters: durable, over all sessions, browsers and replicas."""

    async def claim_attempt(self, *, person_id: str, address: str, limits: AttemptLimits, now: int) -> str:
        """Count an attempt as wrong before it is looked at, and give its id for `refund_attempt`.

        Atomic per person and per address: two hundred at once pass no more than the limits say. Raises
        TooManyAttempts (nothing is counted then) with the seconds until one more is possible. `person_id` may be
        empty (only the address counts), and so may `address`. Raises NotFound when there is no such person.
        """
        ...

    async def refund_attempt(self, attempt_id: str) -> None:
        """The attempt was right: forget it, and end the row of wrong ones."""
        ...
