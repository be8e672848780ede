"""Wrong-code counters in SQL; implements `ports.Attempts`.

An attempt is counted as wrong before its code is looked at, under a lock on the person's row and then on the
address, so that any number at once passes no more than the limits say (NIST SP 800-63B, section 5.2.2).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sqlalchemy import Column, Select, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from secondgate.errors import NotFound, Reason, TooManyAttempts
from secondgate.store.attempt_limits import largest_count, longest_window_s, resets_in_s
from secondgate.store.ports import AttemptLimits
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import persons, wrong_codes

_PRUNED_AT_ONCE = 100
_KEPT_AT_LEAST_S = 3600
"""An attempt whose code is still being looked at must be there to be refunded, whatever the limits."""


class SqlAttempts:
    """Wrong-code counters. The methods are described in the port."""

    _database: Database
    _new_attempt_id: Callable[[], str]

    async def claim_attempt(self, *, person_id: str, address: str, limits: AttemptLimits, now: int) -> str:
        """Count an attempt as wrong. Raises TooManyAttempts, and NotFound for a person who does not exist."""
        attempt_id = self._new_attempt_id()
        async with self._database.writing() as connection:
            if person_id:
                await self._claim_in_a_row(connection, person_id, limits)
            if address and not self._database.is_sqlite:
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(hashtextextended(:address, 0))"), {"address": address}
                )
            wait_s = 0
            for column, value, windows in (
                (wrong_codes.c.person_id, person_id, limits.per_person),
                (wrong_codes.c.address, address, limits.per_address),
            ):
                if value:
                    recent = (await connection.execute(_recent(column, value, windows))).scalars().all()
                    wait_s = max(wait_s, resets_in_s(recent, windows, now=now))
            if wait_s:
                raise TooManyAttempts(wait_s)
            await connection.execute(
                wrong_codes.insert().values(id=attempt_id, person_id=person_id, address=address, at=now)
            )
            longest_s = longest_window_s((*limits.per_person, *limits.per_address))
            await _prune(connection, now - max(longest_s, _KEPT_AT_LEAST_S))
        return attempt_id

    async def refund_attempt(self, attempt_id: str) -> None:
        """Forget an attempt that was right, and end the row of wrong ones."""
        whose = select(wrong_codes.c.person_id).where(wrong_codes.c.id == attempt_id)
        async with self._database.writing() as connection:
            person_id = (await connection.execute(whose)).scalar_one_or_none()
            if person_id is None:
                return
            # the person's row first, as everyone locks it first
            await connection.execute(select(persons.c.id).where(persons.c.id == person_id).with_for_update())
            done = await connection.execute(delete(wrong_codes).where(wrong_codes.c.id == attempt_id))
            if done.rowcount:
                await connection.execute(update(persons).where(persons.c.id == person_id).values(wrong_in_a_row=0))

    @staticmethod
    async def _claim_in_a_row(connection: AsyncConnection, person_id: str, limits: AttemptLimits) -> None:
        """Lock the person's row and count the attempt in it; a raised error rolls it back."""
        locked = select(persons.c.wrong_in_a_row).where(persons.c.id == person_id).with_for_update()
        in_a_row = (await connection.execute(locked)).scalar_one_or_none()
        if in_a_row is None:
            raise NotFound(Reason.NOT_FOUND, "no such person")
        if in_a_row >= limits.in_a_row:
            raise TooManyAttempts(None)
        await connection.execute(update(persons).where(persons.c.id == person_id).values(wrong_in_a_row=in_a_row + 1))


def new_attempt_id() -> str:
    """Make an attempt's id."""
    return secrets.token_hex(16)


def _recent(column: Column[str], value: str, windows: tuple[tuple[int, int], ...]) -> Select[int]:
    wanted = select(wrong_codes.c.at).where(column == value)
    return wanted.order_by(wrong_codes.c.at.desc()).limit(largest_count(windows))


async def _prune(connection: AsyncConnection, before_at: int) -> None:
    """Delete some rows that no limit looks at; those that another transaction holds are left to it."""
    old = select(wrong_codes.c.id).where(wrong_codes.c.at <= before_at).limit(_PRUNED_AT_ONCE)
    chosen = old.with_for_update(skip_locked=True).scalar_subquery()
    await connection.execute(delete(wrong_codes).where(wrong_codes.c.id.in_(chosen)))
