"""A connection pool to SQLite or PostgreSQL, its transactions, and what the drivers' errors mean.

This is the one place where a driver's error becomes Unavailable. Reads are single statements outside of any
transaction; writes are transactions: `BEGIN IMMEDIATE` on SQLite, so that a transaction that read first is
never refused its write, and READ COMMITTED on PostgreSQL, where callers lock the rows they decide by.

SQLite is opened with a write-ahead log and synchronous=FULL (an acknowledged commit survives a power cut:
https://www.sqlite.org/pragma.html#pragma_synchronous). Writers of one process queue in front of it in order,
because SQLite's own waiting is polling and starves some when there are many.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, Connection, event, exc, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.schema import Table

from secondgate.errors import InvalidConfiguration, Malformed, Problem, Unavailable
from secondgate.store.sql.sqlite_connections import SqliteConnections

_POOL_SIZE = 8
_WRITES = "secondgate_writes"
_BUGS = (exc.IntegrityError, exc.ProgrammingError)
"""What the caller must know about, or what is our own mistake: never an outage."""


def sqlite_url(path: Path) -> str:
    """Give the URL of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


class Database:
    """A pool of connections to one database.

    `url` is `sqlite:///path` or a libpq URL, `postgresql://user:password@host/name?sslmode=…`. `wait_s` bounds
    every wait: for a connection, for a lock, for a statement. Raises InvalidConfiguration for another URL.
    """

    def __init__(self, url: str, *, wait_s: float = 5.0) -> None:
        scheme = url.partition(":")[0]
        self.path: Path | None = None
        self._sqlite: SqliteConnections | None = None
        self._wait_s = wait_s
        self._writers = asyncio.Lock()
        if scheme == "sqlite" and url.startswith("sqlite:///"):
            self.path = Path(url.removeprefix("sqlite:///"))
            self._sqlite = SqliteConnections(self.path, wait_s)
            self._engine = _sqlite_engine(self.path, self._sqlite, wait_s)
        elif scheme in ("postgresql", "postgres"):
            self._engine = _postgresql_engine(url, wait_s)
        else:
            raise InvalidConfiguration(
                (Problem("storage.database", "must be empty (SQLite in data_dir) or a postgresql:// URL"),)
            )
        self.is_sqlite = self.path is not None
        self.label = str(self.path) if self.path else _label(url)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for single statements that read. Raises Unavailable."""
        with errors_translated():
            async with self._engine.connect() as connection:
                if not self.is_sqlite:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside a transaction, committed at the end unless something was raised.

        Raises Unavailable; after that the transaction may have been committed or not.
        """
        with errors_translated():
            if not self.is_sqlite:
                async with self._engine.begin() as connection:
                    yield connection
                return
            async with asyncio.timeout(self._wait_s):
                await self._writers.acquire()
            try:
                async with self._engine.connect() as connection:
                    await connection.execution_options(**{_WRITES: True})
                    async with connection.begin():
                        yield connection
            finally:
                self._writers.release()

    def insert(self, table: Table) -> postgresql.Insert:
        """Give an INSERT that knows `on_conflict_…` in this database's own dialect."""
        # the two classes have the same methods, and no common one that is typed
        return cast("postgresql.Insert", sqlite.insert(table)) if self.is_sqlite else postgresql.insert(table)

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give back all connections."""
        await self._engine.dispose()
        if self._sqlite is not None:
            await self._sqlite.ended()


@contextmanager
def errors_translated() -> Iterator[None]:
    """Turn what drivers raise into what callers know: Unavailable, or Malformed from a bound value.

    Violated constraints pass, for the caller to name, and so do mistakes in our statements.
    """
    try:
        yield
    except _BUGS:
        raise
    except exc.DBAPIError as error:
        raise Unavailable(f"the database cannot answer: {_kind(error.orig or error)}") from error
    except exc.StatementError as error:
        if isinstance(error.orig, Malformed):
            raise error.orig from error
        raise
    except (
        exc.TimeoutError,
        OSError,
        TimeoutError,
        sqlite3.Error,
    ) as error:
        raise Unavailable(f"the database cannot answer: {_kind(error)}") from error


def _kind(error: BaseException) -> str:
    """Name an error without its text, which may quote values."""
    cause = error.__cause__ or error
    name = getattr(cause, "sqlite_errorname", "") or getattr(cause, "sqlstate", "")
    return f"{type(cause).__name__} {name}".strip()


def _label(url: str) -> str:
    """Name a database for messages: without user and password."""
    parts = urlsplit(url)
    return f"postgresql://{parts.hostname or 'localhost'}{unquote(parts.path)}"


def create_sqlite_file(path: Path) -> None:
    """Make an empty SQLite file that only its owner can read. Raises OSError, also when there is one.

    SQLite gives its `-wal` and `-shm` files the same mode.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _sqlite_engine(path: Path, connections: SqliteConnections, wait_s: float) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        async_creator=connections.open,
        pool_size=_POOL_SIZE,
        max_overflow=0,
        pool_timeout=wait_s,
        hide_parameters=True,  # an error's text may reach a log
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(dbapi_connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
        cursor = dbapi_connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: str, wait_s: float) -> AsyncEngine:
    return create_async_engine(
        "postgresql+asyncpg://",
        # the driver reads the URL itself, so that libpq's parameters mean what they mean elsewhere
        connect_args={
            "dsn": url,
            "timeout": wait_s,
            "command_timeout": 2 * wait_s,
            "server_settings": {"lock_timeout": f"{wait_s * 1000:.0f}", "application_name": "secondgate"},
        },
        pool_size=_POOL_SIZE,
        max_overflow=0,
        pool_timeout=wait_s,
        hide_parameters=True,  # an error's text may reach a log
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
    )
