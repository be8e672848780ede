"""Changes told through the database; implements `ports.Changes` beside the embedded live store.

One process serves, and its own listeners hear of a change at once. Others on the same database (the command line) are
told by a row of the table of live records, which lives for a while and is looked for a few times a second.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from secondgate.stopping import stop
from secondgate.store.change_text import decode_change, encode_change
from secondgate.store.ports import Change, ChangeListener, Kind
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import live

log = structlog.get_logger("secondgate.store")

POLL_EVERY_S = 0.25
_ROW_LIFE_S = 15
_ANSWER_S = 1.0
_BETWEEN = b"\0"
"""What stands between the changes of one row, which are those of one transaction."""


class EmbeddedChanges:
    """Tells through a migrated `database`, which it does not close. `clock` gives Unix seconds."""

    def __init__(
        self, database: Database, *, clock: Callable[[], float], random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._database = database
        self._clock = clock
        self._random_bytes = random_bytes
        self._process = random_bytes(16).hex()
        self._listeners: list[ChangeListener] = []

    async def publish(self, change: Change) -> None:
        """Tell everybody who listens. Raises Unavailable."""
        try:
            async with self._database.writing() as connection:
                await self.write(connection, [change])
        finally:
            self.tell([change])

    async def write(self, connection: AsyncConnection, changes: Sequence[Change]) -> None:
        """Write changes for other processes, within the transaction that makes them."""
        if not changes:
            return
        row = {
            "kind": Kind.CHANGE.value,
            "key": self._random_bytes(16).hex(),
            "owner": self._process,
            "value": _BETWEEN.join(map(encode_change, changes)),
            "tally": None,
            "expires_at": self._clock() + _ROW_LIFE_S,
        }
        await connection.execute(live.insert().values(**row))

    def tell(self, changes: Sequence[Change]) -> None:
        """Tell the listeners of this process; also where nobody knows whether the transaction was committed."""
        for listener in tuple(self._listeners):
            for change in changes:
                listener.changed(change)

    def listen(self, listener: ChangeListener) -> AbstractAsyncContextManager[None]:
        """Tell `listener` of every change while the context lasts."""
        return self._listening(listener)

    @asynccontextmanager
    async def _listening(self, listener: ChangeListener) -> AsyncIterator[None]:
        told = _Told(listener)
        self._listeners.append(listener)
        told.set_connected(is_connected=True)
        task = asyncio.create_task(self._listen(told))
        try:
            yield
        finally:
            await stop(task)
            self._listeners.remove(listener)
            told.set_connected(is_connected=False)

    async def _listen(self, told: _Told) -> None:
        """Look for the rows of others until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    rows = await self._rows()
            except Exception as error:  # noqa: BLE001 - whatever it was, listening goes on
                if told.is_connected:
                    log.warning("changes.not_heard", reason=type(error).__name__)
                told.set_connected(is_connected=False)
            else:
                told.set_connected(is_connected=True)
                told.tell(rows)
            await asyncio.sleep(POLL_EVERY_S)

    async def _rows(self) -> dict[str, bytes]:
        """Read what others wrote; what is over too, since their clocks need not be ours."""
        wanted = select(live.c.key, live.c.value).where(live.c.kind == Kind.CHANGE.value, live.c.owner != self._process)
        async with self._database.reading() as connection:
            return {row.key: row.value for row in await connection.execute(wanted)}


class _Told:
    """A listener, and what it was told."""

    def __init__(self, listener: ChangeListener) -> None:
        self.is_connected = False
        self._listener = listener
        self._seen: frozenset[str] = frozenset()

    def set_connected(self, *, is_connected: bool) -> None:
        """Tell whether changes are heard, where that is news."""
        if is_connected == self.is_connected:
            return
        self.is_connected = is_connected
        if is_connected:
            self._listener.connected()
        else:
            self._listener.disconnected()

    def tell(self, rows: Mapping[str, bytes]) -> None:
        """Tell of the changes of rows that were not there before."""
        for key, value in rows.items():
            if key not in self._seen:
                for text in value.split(_BETWEEN):
                    if change := decode_change(text):
                        self._listener.changed(change)
        self._seen = frozenset(rows)
