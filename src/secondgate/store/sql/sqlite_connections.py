"""Connections to a SQLite file: each has a thread of its own, and ends whatever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import aiosqlite

_ROWS_AT_ONCE = 64


class SqliteConnections:
    """Opens connections to one file; `wait_s` bounds the wait for a lock, and for the end of the threads."""

    def __init__(self, path: Path, wait_s: float) -> None:
        # mode=rw: a file that went missing is an error and not a new, empty database
        self._file = f"file:{quote(str(path))}?mode=rw"
        self._wait_s = wait_s
        self._threads: list[Thread] = []

    async def open(self) -> aiosqlite.Connection:
        """Open one. Raises sqlite3.Error."""
        # isolation_level=None: transactions are begun by us and not by the driver's guess
        connect = partial(
            sqlite3.connect,
            self._file,
            uri=True,
            timeout=self._wait_s,
            isolation_level=None,
            factory=_SqliteConnection,
        )
        connection = _Connection(connect, _ROWS_AT_ONCE)
        thread = connection._thread  # noqa: SLF001 - SQLAlchemy does the same where it connects itself
        thread.daemon = True
        self._threads = [*self._running(), thread]
        return await connection

    async def ended(self) -> None:
        """Wait until the threads have ended, which still tell this event loop how: it may be closed then."""
        give_up_at = time.monotonic() + self._wait_s
        for thread in self._running():
            await asyncio.to_thread(thread.join, max(0.0, give_up_at - time.monotonic()))

    def _running(self) -> Iterator[Thread]:
        return (thread for thread in self._threads if thread.is_alive())


class _SqliteConnection(sqlite3.Connection):
    """A connection whose transaction ends when it is closed.

    SQLite waits with that for the last unfinished statement (https://www.sqlite.org/c3ref/close.html), which whatever
    was cancelled may still hold: until then nobody could write.
    """

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


class _Connection(aiosqlite.Connection):
    """A connection that tells its thread once to stop.

    A second time aiosqlite waits, where not even a cancellation ends it, for a thread that has stopped already. That
    happens where SQLAlchemy closes the connection of something that was cancelled, and is itself cancelled there.
    """

    _is_told_to_stop = False

    def stop(self) -> asyncio.Future[Any] | None:
        """Close, and let the thread end behind what it has to do; give when it does, None if it was told before."""
        if self._is_told_to_stop:
            return None
        self._is_told_to_stop = True
        return super().stop()
