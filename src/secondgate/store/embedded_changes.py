"""Changes told within one process, and to others that work on the same SQLite file (`ports.Changes`).

The command line is such another process: it leaves a row for what it changed, which the process that serves finds when
it looks next, a quarter of a second later at most.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from secondgate.errors import Unavailable
from secondgate.store.ports import Change, ChangeKind, ChangeListener, Kind
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import live

LOOK_EVERY_S = 0.25
KEPT_S = 15


class EmbeddedChanges:
    """Tells and hears of changes in a migrated `database`. `clock` gives Unix seconds."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._listeners: list[ChangeListener] = []
        self._seen: dict[str, None] = {}

    async def publish(self, change: Change) -> None:
        """Tell everybody who listens."""
        async with self._database.writing() as connection:
            await self.write(connection, [change])
        self.tell([change])

    async def write(self, connection: AsyncConnection, changes: list[Change]) -> None:
        """Leave changes for other processes, as a part of a transaction; `tell` is called when it is done."""
        rows = []
        for change in changes:
            key = secrets.token_hex(16)
            self._seen[key] = None
            rows.append(
                {
                    "kind": Kind.CHANGE.value,
                    "key": key,
                    "owner": "",
                    "value": f"{change.kind.value} {change.key}".encode(),
                    "tally": None,
                    "expires_at": self._clock() + KEPT_S,
                }
            )
        if rows:
            await connection.execute(self._database.insert(live), rows)

    def tell(self, changes: list[Change]) -> None:
        """Tell who listens in this process."""
        for listener in self._listeners:
            for change in changes:
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
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._listeners.remove(listener)

    async def _look(self, listener: ChangeListener) -> None:
        told = dict(self._seen)
        is_connected = True
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                rows = await self._rows()
            except Unavailable:
                if is_connected:
                    listener.disconnected()
                is_connected = False
                continue
            if not is_connected:
                is_connected = True
                listener.connected()
            for key, value in rows.items():
                name, _, about = value.decode().partition(" ")
                if key not in told and key not in self._seen and name in set(ChangeKind):
                    listener.changed(Change(ChangeKind(name), about))
            told = dict.fromkeys(rows)
            for key in [key for key in self._seen if key not in rows]:
                self._seen.pop(key)

    async def _rows(self) -> dict[str, bytes]:
        wanted = select(live.c.key, live.c.value).where(
            live.c.kind == Kind.CHANGE.value, live.c.expires_at > self._clock()
        )
        async with self._database.reading() as connection:
            return {row.key: row.value for row in await connection.execute(wanted)}
