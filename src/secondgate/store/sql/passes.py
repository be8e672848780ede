"""Temporary passes in SQL; implements `ports.TemporaryPasses`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, select, update

from secondgate.errors import NotFound, Reason
from secondgate.model.temporary_pass import TemporaryPass
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import passes, persons


class SqlTemporaryPasses:
    """Temporary passes. The methods are described in the port."""

    _database: Database

    async def save_pass(self, temporary_pass: TemporaryPass) -> None:
        """Insert in place of the person's earlier one; whoever writes one locks the person's row first."""
        person_id = temporary_pass.person_id
        row = {
            "id": temporary_pass.id,
            "person_id": person_id,
            "code_mac": temporary_pass.code_mac,
            "created_at": temporary_pass.created_at,
            "created_by": temporary_pass.created_by,
            "expires_at": temporary_pass.expires_at,
            "used_at": temporary_pass.used_at,
        }
        async with self._database.writing() as connection:
            done = await connection.execute(update(persons).where(persons.c.id == person_id).values(wrong_in_a_row=0))
            if done.rowcount == 0:
                raise NotFound(Reason.NOT_FOUND, "there is no such person")
            await connection.execute(delete(passes).where(passes.c.person_id == person_id))
            await connection.execute(passes.insert().values(**row))

    async def load_pass(self, person_id: str) -> TemporaryPass | None:
        """Load a person's pass."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(passes).where(passes.c.person_id == person_id))).one_or_none()
        return None if row is None else _pass(row)

    async def list_passes(self) -> tuple[TemporaryPass, ...]:
        """List everyone's, the oldest first."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(passes))).all()
        # sorted here: the order of PostgreSQL depends on its locale
        return tuple(sorted(map(_pass, rows), key=lambda one: (one.created_at, one.id)))

    async def claim_pass(self, person_id: str, *, code_mac: str, now: int) -> TemporaryPass | None:
        """Use up a pass, in one statement."""
        usable = (
            (passes.c.person_id == person_id)
            & (passes.c.code_mac == code_mac)
            & passes.c.used_at.is_(None)
            & (passes.c.expires_at > now)
        )
        async with self._database.writing() as connection:
            claimed = await connection.execute(update(passes).where(usable).values(used_at=now).returning(passes))
            row = claimed.one_or_none()
        return None if row is None else _pass(row)

    async def delete_pass(self, person_id: str) -> TemporaryPass | None:
        """Delete a person's pass."""
        async with self._database.writing() as connection:
            gone = await connection.execute(delete(passes).where(passes.c.person_id == person_id).returning(passes))
            row = gone.one_or_none()
        return None if row is None else _pass(row)


def _pass(row: Row[*tuple[Any, ...]]) -> TemporaryPass:
    return TemporaryPass(
        id=row.id,
        person_id=row.person_id,
        code_mac=row.code_mac,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )
