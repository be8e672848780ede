"""What the flows ask of the stores.

Two natures. The **durable** store (SQLite or PostgreSQL) keeps people, authenticators, wrong-code
counters, signing keys and the audit log: losing it would let whoever comes first enrol. The **live**
store (embedded in the SQLite file, or Redis) keeps what may be lost: people then log in again.

Verbs: `load_`, `save_`, `delete_`, `list_`; `claim_` is one atomic step that succeeds for one caller
only. Every method raises Unavailable when the store cannot answer. Times are Unix seconds, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from secondgate.model.api_token import ApiToken
from secondgate.model.audit import AuditEvent
from secondgate.model.keys import SigningKey
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator, Person
from secondgate.model.secret import Secret
from secondgate.model.service_token import ServiceToken


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How many wrong codes are borne: pairs of (count, window in seconds), and the stop in a row."""

    per_person: tuple[tuple[int, int], ...] = ((5, 300), (20, 3600), (50, 86400))
    per_address: tuple[tuple[int, int], ...] = ((10, 300), (50, 3600))
    in_a_row: int = 100


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
        """Write when a person logged in last, and a `name` that is not empty."""
        ...

    async def save_person_email(self, person_id: str, email: str) -> bool:
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

    async def save_person_disabled(self, person_id: str, *, disabled: bool) -> bool:
        """Disable or enable a person; False when there is none."""
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
        """Replace everything of the token with this id but its hash; False when there is none."""
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


class DurableStore(
    People, Authenticators, Attempts, Audit, SigningKeys, ServiceTokens, AccessObjects, ApiTokens, Protocol
):
    """All of the durable store."""

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
        ...

    async def close(self) -> None:
        """Give back all connections."""
        ...


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
    USED = "used"
    COUNTER = "counter"


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


class Sealer(Protocol):
    """Encryption at rest, bound to a place: a sealed value moved to another row does not open."""

    def seal(self, value: bytes, *, place: str) -> bytes:
        """Encrypt for `place` (table, column, row)."""
        ...

    def unseal(self, sealed: bytes, *, place: str) -> bytes:
        """Decrypt. Raises Unavailable when key or place is not the one it was sealed under."""
        ...


@dataclass(frozen=True, slots=True)
class OutgoingAnswer:
    """What another server answered."""

    status: int
    body: bytes


class Outgoing(Protocol):
    """Requests to other servers: bounded in time and size, never redirected, TLS verified.

    A host in a private network is asked only where one of `configured_urls`, which an operator wrote, names it. All
    methods raise Unavailable, without anything secret in the text, when there is no answer within these bounds.
    """

    async def get(
        self, url: str, *, configured_urls: tuple[str, ...], headers: Mapping[str, str] | None = None
    ) -> OutgoingAnswer:
        """Read."""
        ...

    async def post_form(
        self, url: str, form: Mapping[str, str], *, configured_urls: tuple[str, ...], headers: Mapping[str, str]
    ) -> OutgoingAnswer:
        """Send a form."""
        ...

    async def post_json(
        self, url: str, value: Mapping[str, object], *, configured_urls: tuple[str, ...]
    ) -> OutgoingAnswer:
        """Send a JSON object."""
        ...

    async def close(self) -> None:
        """Give back all connections."""
        ...


class Mailer(Protocol):
    """Sends e-mail."""

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Hand over one message in plain text. Raises Unavailable when it was not taken."""
        ...
