"""The live store in the same database as the durable one; implements `ports.LiveStore` for one process.

An expired record is never given out, whether or not it was pruned already. Time comes from `clock` (Unix
seconds), so that records end when the process's own time says so.

Of every application session that is deleted `changes` tells, in the transaction that deletes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import ColumnElement, Row, and_, case, delete, literal, select

from secondgate.store.embedded_changes import EmbeddedChanges
from secondgate.store.ports import Change, ChangeKind, Kind, LiveRecord
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import live

_Deleted = Row[str, str, bytes, int | None]
_PRUNE_EVERY_S = 60.0
_MARK = b"1"


class EmbeddedLiveStore:
    """Live records in a migrated `database`, which it does not close. The methods are described in the port.

    Without `changes` nobody is told.
    """

    def __init__(
        self, database: Database, *, clock: Callable[[], float], changes: EmbeddedChanges | None = None
    ) -> None:
        self._database = database
        self._changes = changes
        self._clock = clock
        self._pruned_at = 0.0

    async def save(self, kind: Kind, key: str, value: bytes, *, ttl_s: int, owner: str = "") -> None:
        """Write or replace a record."""
        now = self._clock()
        insert = self._database.insert(live).values(
            kind=kind.value, key=key, owner=owner, value=value, tally=None, expires_at=now + ttl_s
        )
        replaced = {name: insert.excluded[name] for name in ("owner", "value", "tally", "expires_at")}
        async with self._database.writing() as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=[live.c.kind, live.c.key], set_=replaced)
            )
            if now - self._pruned_at >= _PRUNE_EVERY_S:
                self._pruned_at = now
                await connection.execute(delete(live).where(live.c.expires_at <= now))

    async def load(self, kind: Kind, key: str) -> bytes | None:
        """Read a record that has not expired."""
        wanted = select(live.c.value, live.c.tally).where(self._is_live(kind, key))
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
            return None if row is None else _value(row.value, row.tally)

    async def missing(self, kind: Kind, keys: Sequence[str]) -> frozenset[str]:
        """Give those of the keys of which there is no record."""
        if not keys:
            return frozenset()
        there = select(live.c.key).where(
            live.c.kind == kind.value, live.c.key.in_(keys), live.c.expires_at > self._clock()
        )
        async with self._database.reading() as connection:
            return frozenset(keys).difference((await connection.execute(there)).scalars())

    async def claim(self, kind: Kind, key: str) -> bytes | None:
        """Read and delete in one step."""
        deleted = await self._delete(self._is_live(kind, key), kinds=(kind,))
        return _value(deleted[0].value, deleted[0].tally) if deleted else None

    async def claim_once(self, kind: Kind, key: str, *, ttl_s: int) -> bool:
        """Mark a key as used; True for the first caller."""
        now = self._clock()
        insert = self._database.insert(live).values(
            kind=kind.value, key=key, owner="", value=_MARK, tally=None, expires_at=now + ttl_s
        )
        over_expired = insert.on_conflict_do_update(
            index_elements=[live.c.kind, live.c.key],
            set_={name: insert.excluded[name] for name in ("owner", "value", "tally", "expires_at")},
            where=live.c.expires_at <= now,
        )
        async with self._database.writing() as connection:
            marked = await connection.execute(over_expired.returning(live.c.key))
            return marked.one_or_none() is not None

    async def increment(self, kind: Kind, key: str, *, ttl_s: int) -> int:
        """Count up from the first count on."""
        now = self._clock()
        insert = self._database.insert(live).values(
            kind=kind.value, key=key, owner="", value=b"", tally=1, expires_at=now + ttl_s
        )
        is_over = live.c.expires_at <= now
        counted = insert.on_conflict_do_update(
            index_elements=[live.c.kind, live.c.key],
            set_={
                "tally": case((is_over, literal(1)), else_=live.c.tally + 1),
                "expires_at": case((is_over, insert.excluded.expires_at), else_=live.c.expires_at),
            },
        )
        async with self._database.writing() as connection:
            count: int = (await connection.execute(counted.returning(live.c.tally))).scalar_one()
            return count

    async def delete(self, kind: Kind, key: str) -> bool:
        """Delete; whether there was one."""
        return bool(await self._delete(self._is_live(kind, key), kinds=(kind,)))

    async def list_owned(self, kind: Kind, owner: str) -> tuple[LiveRecord, ...]:
        """List an owner's records of one kind that have not expired."""
        if not owner:
            return ()
        wanted = select(live.c.key, live.c.value).where(
            live.c.owner == owner, live.c.kind == kind.value, live.c.expires_at > self._clock()
        )
        async with self._database.reading() as connection:
            return tuple(LiveRecord(row.key, row.value) for row in await connection.execute(wanted))

    async def delete_owned(self, owner: str, *, kinds: tuple[Kind, ...]) -> int:
        """Delete an owner's records of these kinds; how many there were."""
        if not owner or not kinds:
            return 0
        theirs = and_(
            live.c.owner == owner, live.c.kind.in_([kind.value for kind in kinds]), live.c.expires_at > self._clock()
        )
        return len(await self._delete(theirs, kinds=kinds))

    async def _delete(self, which: ColumnElement[bool], *, kinds: tuple[Kind, ...]) -> Sequence[_Deleted]:
        """Delete records of some kinds, and give them; of application sessions tell."""
        statement = delete(live).where(which).returning(live.c.kind, live.c.key, live.c.value, live.c.tally)
        if self._changes is None or Kind.APPLICATION_SESSION not in kinds:
            async with self._database.writing() as connection:
                return (await connection.execute(statement)).all()
        ended: list[Change] = []
        try:
            async with self._database.writing() as connection:
                deleted = (await connection.execute(statement)).all()
                ended += _ended(deleted)
                await self._changes.write(connection, ended)
                return deleted
        finally:
            self._changes.tell(ended)

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
        await self._database.ping()

    async def close(self) -> None:
        """Do nothing: the connections belong to the durable store."""

    def _is_live(self, kind: Kind, key: str) -> ColumnElement[bool]:
        return and_(live.c.kind == kind.value, live.c.key == key, live.c.expires_at > self._clock())


def _ended(deleted: Iterable[_Deleted]) -> list[Change]:
    """Give what is told of records that were deleted."""
    sessions = (row.key for row in deleted if row.kind == Kind.APPLICATION_SESSION.value)
    return [Change(ChangeKind.SESSION_ENDED, key) for key in sessions]


def _value(value: bytes, tally: int | None) -> bytes:
    """Give a record's value; a counter's is its decimal digits, as in Redis."""
    return value if tally is None else str(tally).encode()
