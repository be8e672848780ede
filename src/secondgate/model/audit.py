"""What is written to the audit log: who did what, from where, with which factor, and how it ended.

An action is `noun.verb`, as `login.succeeded` or `totp.rejected`: how it ended and what it changed follow from the
verb, so that an event cannot say two things.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ActorKind(StrEnum):
    """What did something, or through what."""

    TOKEN = "api_token"  # noqa: S105 - a kind of actor
    PERSON = "person"
    COMMAND_LINE = "command_line"
    SYSTEM = "system"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. `call` is the call of the API that asked for it: method and path."""

    kind: ActorKind
    name: str = ""
    id: str = ""
    address: str = ""
    call: str = ""


Who = Actor | str
"""An actor; text is the address of the person who does it to what is theirs, and empty where nobody knows who it is."""


def actor_of(who: Who, *, person_id: str) -> Actor:
    """Give the actor that is meant; `person_id` is whom the event is about."""
    if isinstance(who, Actor):
        return who
    return Actor(ActorKind.PERSON, who, person_id) if who else Actor(ActorKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Factor:
    """What a person proved themselves with, or tried to; both are empty where nothing was proved.

    `authenticator_id` is empty where the identity provider vouches for the proof.
    """

    method: str = ""
    authenticator_id: str = ""


NO_FACTOR = Factor()


class Outcome(StrEnum):
    """How something ended."""

    SUCCESS = "success"
    FAILURE = "failure"


class Effect(StrEnum):
    """What something did to what is kept; `view`: nothing."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    VIEW = "view"


FAILURES = frozenset(("failed", "mismatch", "refused", "rejected"))
EFFECTS: Mapping[Effect, frozenset[str]] = {
    Effect.CREATE: frozenset(("added", "created", "joined")),
    Effect.UPDATE: frozenset(("disabled", "email_changed", "enabled", "renamed", "rotated", "updated", "used")),
    Effect.DELETE: frozenset(("deleted", "ended", "pruned", "removed", "revoked", "tokens_revoked")),
}
"""The verbs that change anything; all others do not."""

LOGIN_FAILURES = frozenset(
    (
        "application.refused",
        "login.failed",
        "login.refused",
        "pass.rejected",
        "pin.rejected",
        "totp.rejected",
        "webauthn.rejected",
    )
)
"""What a person's login failed by."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event. `person_id` is whom it is about, `detail` holds facts about it.

    Nothing in it is a secret: never a code, a seed, a token or a cookie. `sequence` is its place in the log, given
    when it is written.
    """

    at: int
    action: str
    actor: str
    person_id: str = ""
    address: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    actor_kind: ActorKind = ActorKind.UNKNOWN
    actor_id: str = ""
    factor: Factor = NO_FACTOR
    sequence: int = field(default=0, compare=False)

    @property
    def verb(self) -> str:
        """What was done: the last word of the action."""
        return self.action.rpartition(".")[2]

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return Outcome.FAILURE if self.verb in FAILURES else Outcome.SUCCESS

    @property
    def effect(self) -> Effect:
        """What it did."""
        return next((effect for effect, verbs in EFFECTS.items() if self.verb in verbs), Effect.VIEW)

    def value(self, name: EventField) -> str:
        """Give the field that a filter looks at."""
        return str(getattr(self, name))


class EventField(StrEnum):
    """What events are selected by; the values are the names of their fields."""

    ID = "id"
    ACTION = "action"
    VERB = "verb"
    ACTOR = "actor"
    ACTOR_KIND = "actor_kind"
    ACTOR_ID = "actor_id"
    PERSON_ID = "person_id"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are wanted: from `since` on, before `before` (Unix seconds), and by the values of fields.

    `wanted` names the values that a field may have, `unwanted` those that it must not have. `actor_part` is a part of
    the actor's name, in lower case as addresses are.
    """

    since: int | None = None
    before: int | None = None
    wanted: Mapping[EventField, frozenset[str]] = field(default_factory=dict)
    unwanted: Mapping[EventField, frozenset[str]] = field(default_factory=dict)
    actor_part: str = ""
    not_actor_part: str = ""

    def selects(self, event: AuditEvent) -> bool:
        """Whether an event is wanted."""
        return (
            (self.since is None or event.at >= self.since)
            and (self.before is None or event.at < self.before)
            and all(event.value(name) in values for name, values in self.wanted.items())
            and not any(event.value(name) in values for name, values in self.unwanted.items())
            and self.actor_part in event.actor.lower()
            and (not self.not_actor_part or self.not_actor_part not in event.actor.lower())
        )


EVERY_EVENT = EventFilter()


@dataclass(frozen=True, slots=True, order=True)
class EventPlace:
    """Where an event stands in the log: by time, and by the order of writing within a second."""

    at: int
    sequence: int


def place_of(event: AuditEvent) -> EventPlace:
    """Give where an event stands."""
    return EventPlace(event.at, event.sequence)
