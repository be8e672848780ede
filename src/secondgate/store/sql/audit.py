"""The audit log in SQL, append only; implements `ports.Audit`.

Nothing here changes an event, and events are deleted by age alone, the oldest first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Insert, Row, delete, false, func, not_, or_, select, tuple_

from secondgate.model.audit import EVERY_EVENT, ActorKind, AuditEvent, EventField, EventFilter, EventPlace, Factor
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import audit_events


def event_insertion(event: AuditEvent) -> Insert:
    """Give the statement that appends an event: part of the transaction that does what it tells."""
    row = {
        "id": event.id,
        "at": event.at,
        "action": event.action,
        "actor": event.actor,
        "actor_kind": event.actor_kind.value,
        "actor_id": event.actor_id,
        "person_id": event.person_id,
        "address": event.address,
        "method": event.factor.method,
        "authenticator_id": event.factor.authenticator_id,
        "detail": json.dumps(dict(event.detail)),
    }
    return audit_events.insert().values(**row)


class SqlAudit:
    """The audit log. The methods are described in the port."""

    _database: Database

    async def append_event(self, event: AuditEvent) -> None:
        """Append."""
        async with self._database.writing() as connection:
            await connection.execute(event_insertion(event))

    async def list_events(
        self,
        matching: EventFilter = EVERY_EVENT,
        *,
        limit: int = 100,
        after: EventPlace | None = None,
        oldest_first: bool = False,
    ) -> tuple[AuditEvent, ...]:
        """List those that a filter selects, the newest first or the oldest first."""
        table = audit_events.c
        wanted = select(audit_events).where(*_conditions(matching)).limit(limit)
        if oldest_first:
            wanted = wanted.order_by(table.at, table.sequence)
        else:
            wanted = wanted.order_by(table.at.desc(), table.sequence.desc())
        if after is not None:
            here, there = tuple_(table.at, table.sequence), tuple_(after.at, after.sequence)
            wanted = wanted.where(here > there if oldest_first else here < there)
        async with self._database.reading() as connection:
            return tuple(map(_event, await connection.execute(wanted)))

    async def prune_events(self, *, before: int, limit: int, event: Callable[[int], AuditEvent]) -> int:
        """Delete the oldest ones before a time, and append how many; one transaction."""
        table = audit_events.c
        oldest = select(table.sequence).where(table.at < before).order_by(table.at, table.sequence).limit(limit)
        async with self._database.writing() as connection:
            gone = await connection.execute(delete(audit_events).where(table.sequence.in_(oldest)))
            if gone.rowcount:
                await connection.execute(event_insertion(event(gone.rowcount)))
        return gone.rowcount


def _conditions(matching: EventFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    actor = func.lower(audit_events.c.actor)
    if matching.since is not None:
        conditions.append(audit_events.c.at >= matching.since)
    if matching.before is not None:
        conditions.append(audit_events.c.at < matching.before)
    conditions += [_is_one_of(field, values) for field, values in matching.wanted.items()]
    conditions += [not_(_is_one_of(field, values)) for field, values in matching.unwanted.items()]
    if matching.actor_part:
        conditions.append(actor.contains(matching.actor_part, autoescape=True))
    if matching.not_actor_part:
        conditions.append(not_(actor.contains(matching.not_actor_part, autoescape=True)))
    return conditions


def _is_one_of(field: EventField, values: frozenset[str]) -> ColumnElement[bool]:
    if field is not EventField.VERB:
        return audit_events.c[field.value].in_(sorted(values))
    action = audit_events.c.action
    return or_(false(), *(action.endswith(f".{verb}", autoescape=True) for verb in sorted(values)))


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        at=row.at,
        action=row.action,
        actor=row.actor,
        person_id=row.person_id,
        address=row.address,
        detail=json.loads(row.detail),
        id=row.id,
        actor_kind=ActorKind(row.actor_kind),
        actor_id=row.actor_id,
        factor=Factor(row.method, row.authenticator_id),
        sequence=row.sequence,
    )
