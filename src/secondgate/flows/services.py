"""What the flows work with, made once by the composition root."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from secondgate.flows.machines import KnownServiceTokens, MachineAssertions
from secondgate.flows.presented_jwts import PresentedJwts
from secondgate.flows.provider_documents import ProviderDocuments
from secondgate.model.access import Access
from secondgate.model.audit import NO_FACTOR, AuditEvent, Factor, Who, actor_of
from secondgate.protocol.jwt import KeyRing
from secondgate.protocol.metadata import Metadata
from secondgate.protocol.opaque_token import token_hash
from secondgate.protocol.webauthn import RelyingParty
from secondgate.store.ports import AttemptLimits, Changes, DurableStore, Kind, LiveStore, Mailer, Outgoing, Sealer
from secondgate.store.sessions import Sessions

log = structlog.get_logger("secondgate.flows")

REPEAT_S = 60
MAX_DETAIL_CHARS = 6000


class Spawn(Protocol):
    """Runs something after the answer was sent; the composition root waits for it when it stops."""

    def __call__(self, work: Coroutine[None, None, None], /) -> None:
        """Start `work`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Stores, keys, clock and randomness.

    `authenticator_metadata` gives what is known of models of authenticators; it is asked only where models are
    required. `access` gives the settings of this moment. `origin_of` gives the origin of an application's host.
    `mac_key` authenticates what browsers hand back (CSRF tokens) and hides PINs at rest.
    """

    portal_origin: str
    origin_of: Callable[[str], str]
    access: Callable[[], Access]
    durable: DurableStore
    live: LiveStore
    changes: Changes
    sessions: Sessions
    sealer: Sealer
    mailer: Mailer | None
    outgoing: Outgoing
    documents: ProviderDocuments
    jwts: PresentedJwts
    keys: KeyRing
    relying_party: RelyingParty
    authenticator_metadata: Callable[[], Metadata]
    mac_key: bytes = field(repr=False)
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    spawn: Spawn
    limits: AttemptLimits = field(default_factory=AttemptLimits)
    service_tokens: KnownServiceTokens = field(default_factory=KnownServiceTokens)
    machine_assertions: MachineAssertions = field(default_factory=MachineAssertions)

    def now(self) -> int:
        """Give the time in whole Unix seconds."""
        return int(self.clock())

    def new_id(self) -> str:
        """Make a random identifier that opens nothing (UUID version 4)."""
        return str(uuid.UUID(bytes=self.random_bytes(16), version=4))

    def new_event(
        self,
        action: str,
        *,
        actor: Who,
        person_id: str = "",
        address: str = "",
        factor: Factor = NO_FACTOR,
        detail: Mapping[str, str],
    ) -> AuditEvent:
        """Make an event of this moment. `address` is where the actor is, unless the actor says so."""
        who = actor_of(actor, person_id=person_id)
        facts = {**detail, **({"call": who.call} if who.call else {})}
        return AuditEvent(
            at=self.now(),
            action=action,
            actor=who.name,
            person_id=person_id,
            address=address or who.address,
            detail={name: _bounded(value) for name, value in facts.items()},
            id=self.new_id(),
            actor_kind=who.kind,
            actor_id=who.id,
            factor=factor,
        )

    async def audit(
        self,
        action: str,
        *,
        actor: Who,
        person_id: str = "",
        address: str = "",
        factor: Factor = NO_FACTOR,
        **detail: str,
    ) -> None:
        """Write one event to the audit log, and the same as a log line."""
        await self.write_event(
            self.new_event(action, actor=actor, person_id=person_id, address=address, factor=factor, detail=detail)
        )

    async def audit_seldom(
        self, action: str, *, of: str, actor: Who, person_id: str = "", address: str = "", **detail: str
    ) -> bool:
        """Write an event that may repeat with every request: once a minute for what `of` names, on all replicas.

        Gives whether it was written this time.
        """
        key = token_hash(f"audit:{action}:{of}")
        if not await self.live.claim_once(Kind.USED, key, ttl_s=REPEAT_S):
            return False
        await self.write_event(self.new_event(action, actor=actor, person_id=person_id, address=address, detail=detail))
        return True

    async def write_event(self, event: AuditEvent) -> None:
        """Write an event to the audit log, and as a log line."""
        log_event(event)
        await self.durable.append_event(event)


def log_event(event: AuditEvent) -> None:
    """Write an event as a log line: its action is the line's name, in both."""
    log.info(
        event.action,
        **{
            "actor": event.actor,
            "actor_kind": event.actor_kind,
            "actor_id": event.actor_id,
            "person_id": event.person_id,
            "address": event.address,
            "factor": event.factor.method,
            "authenticator_id": event.factor.authenticator_id,
            **event.detail,
            "audit_id": event.id,
        },
    )


def _bounded(text: str) -> str:
    """Keep what others said short, so that nobody fills the log with one event."""
    return text if len(text) <= MAX_DETAIL_CHARS else f"{text[:MAX_DETAIL_CHARS]}… ({len(text)} characters)"
