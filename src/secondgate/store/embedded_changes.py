"""Changes told within one process, and to others that work on the same SQLite file (`ports.Changes`).

The command line is such another process: it leaves a row for what it changed, which the process that serves finds when
it looks next, a quarter of a second later at most.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from secondgate.cancelling import end
from secondgate.errors import Unavailable
from secondgate.store.ports import Change, ChangeKind, ChangeListener, Kind
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import live

log = structlog.get_logger("secondgate.store")

LOOK_EVERY_S = 0.25
KEPT_S = 15


class EmbeddedChanges:
    """Tells and hears of changes in a migrated `database`. `clock` gives Unix seconds."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._listeners: list[ChangeListener] = []
        self._told: dict[str, None] = {}

    async def publish(self, change: Change) -> None:
        """Tell everybody who listens."""
        async with self._database.writing() as connection:
            written = await self.write(connection, [change])
        self.tell(written)

    async def write(self, connection: AsyncConnection, changes: Sequence[Change]) -> dict[str, Change]:
        """Leave changes for other processes, as a part of a transaction; `tell` is called with them when it is done.

        Where it is not known whether it was done nobody calls `tell`: then this process finds them like the others.
        """
        written = {secrets.token_hex(16): change for change in changes}
        rows = [
            {
                "kind": Kind.CHANGE.value,
                "key": key,
                "owner": "",
                "value": f"{change.kind.value} {change.key}".encode(),
                "tally": None,
                "expires_at": self._clock() + KEPT_S,
            }
            for key, change in written.items()
        ]
        if rows:
            await connection.execute(self._database.insert(live), rows)
        return written

    def tell(self, written: Mapping[str, Change]) -> None:
        """Tell who listens in this process."""
        self._told.update(dict.fromkeys(written))
        for listener in self._listeners:
            for change in written.values():
                listener.changed(change)

    @asynccontextmanager
    async def listen(self, listener: ChangeListener) -> AsyncIterator[None]:
        """Tell `listener` of every change."""
        self._listeners.append(listener)
        listener.connected()
        task = asyncio.ensure_future(self._look(listener))
        try:
            yield
        finally:
            await end(task)
            self._listeners.remove(listener)

    async def _look(self, listener: ChangeListener) -> None:
        found: dict[str, bytes] = {}
        is_connected = True
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            told = tuple(self._told)
            rows = await self._rows()
            if is_connected and rows is None:
                listener.disconnected()
            elif not is_connected and rows is not None:
                listener.connected()
            is_connected = rows is not None
            if rows is None:
                continue
            for key in rows.keys() - found.keys() - self._told.keys():
                name, _, about = rows[key].decode().partition(" ")
                if name in set(ChangeKind):
                    listener.changed(Change(ChangeKind(name), about))
            found = rows
            for key in told:
                if key not in rows:
                    self._told.pop(key, None)

    async def _rows(self) -> dict[str, bytes] | None:
        """Read what was left lately; None where that cannot be done, for whatever reason: looking never ends."""
        wanted = select(live.c.key, live.c.value).where(
            live.c.kind == Kind.CHANGE.value, live.c.expires_at > self._clock()
        )
        try:
            async with self._database.reading() as connection:
                return {row.key: row.value for row in await connection.execute(wanted)}
        except Unavailable:
            return None
        except Exception:
            log.exception("changes.error")
            return None
