"""The audit log in SQL, append only; implements `ports.Audit`."""

from __future__ import annotations

import json

from sqlalchemy import select

from secondgate.model.audit import AuditEvent
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import audit_events


class SqlAudit:
    """The audit log. The methods are described in the port."""

    _database: Database

    async def append_event(self, event: AuditEvent) -> None:
        """Append."""
        row = {
            "at": event.at,
            "action": event.action,
            "actor": event.actor,
            "person_id": event.person_id,
            "address": event.address,
            "detail": json.dumps(dict(event.detail)),
        }
        async with self._database.writing() as connection:
            await connection.execute(audit_events.insert().values(**row))

    async def list_events(self, *, limit: int = 100, person_id: str = "") -> tuple[AuditEvent, ...]:
        """List the newest first, of everyone or of one person."""
        wanted = select(audit_events).order_by(audit_events.c.sequence.desc()).limit(limit)
        if person_id:
            wanted = wanted.where(audit_events.c.person_id == person_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted)
            return tuple(
                AuditEvent(row.at, row.action, row.actor, row.person_id, row.address, json.loads(row.detail))
                for row in rows
            )
