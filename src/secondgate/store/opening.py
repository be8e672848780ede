"""Opens the durable store, and refuses to where that would open doors.

Whoever comes first to an empty store may enrol, so an empty store where there was one is never started
with. Key file and database belong together: the database holds a canary sealed under the key.

    key file   database            what happens
    absent     empty               first start: both are made
    fits       holds the canary    opened
    absent     holds the canary    refused: the key was lost, or this is a second replica without it
    present    empty or missing    refused: the database was lost
    other      holds the canary    refused: the wrong key

A first start writes `sealing.key.new`, commits the canary, and renames: a crash between any two of these is
recovered from at the next start. A lock on the folder lets one process at a time do so.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import exc, func, inspect, select, text

from secondgate.errors import StartRefused, Unavailable
from secondgate.model.secret import Secret
from secondgate.store.sealing import KEY_BYTES, KeyFileSealer, load_key, save_key, sync_folder
from secondgate.store.sql.database import Database, create_sqlite_file, sqlite_url
from secondgate.store.sql.migrate import migrate_database
from secondgate.store.sql.store import SqlDurableStore
from secondgate.store.sql.tables import authenticators, instance, persons, signing_keys

KEY_FILE = "sealing.key"
SQLITE_FILE = "secondgate.sqlite3"
_CANARY = b"secondgate"
_CANARY_PLACE = "instance/canary"
_LOCK_WAIT_S = 30.0
_LOCK_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Opened:
    """The durable store, its database (the embedded live store shares it), and the sealer of its key file."""

    durable: SqlDurableStore
    database: Database
    sealer: KeyFileSealer
    instance_id: str


async def open_durable(
    *,
    data_dir: Path,
    database_url: str = "",
    now: int,
    random_bytes: Callable[[int], bytes] = os.urandom,
    wait_s: float = 5.0,
) -> Opened:
    """Open the durable store, migrated; make it at the very first start.

    `database_url` is empty for SQLite in `data_dir`, or `postgresql://…`. `now` is Unix seconds. Raises
    StartRefused with what to do, Unavailable, InvalidConfiguration.
    """
    try:
        async with _locked(data_dir):
            return await _Opening(data_dir, database_url, now, random_bytes, wait_s).run()
    except OSError as error:
        raise StartRefused(f"The folder {data_dir} cannot be used: {error.strerror or error}.") from error


class _Opening:
    def __init__(
        self, data_dir: Path, database_url: str, now: int, random_bytes: Callable[[int], bytes], wait_s: float
    ) -> None:
        self._key_path = data_dir / KEY_FILE
        self._new_key_path = data_dir / f"{KEY_FILE}.new"
        self._sqlite_path = None if database_url else data_dir / SQLITE_FILE
        self._database = Database(database_url or sqlite_url(data_dir / SQLITE_FILE), wait_s=wait_s)
        self._now = now
        self._random_bytes = random_bytes

    async def run(self) -> Opened:
        try:
            return await self._open()
        except BaseException:
            await self._database.close()
            raise

    async def _open(self) -> Opened:
        key = load_key(self._key_path)
        canary = await self._load_canary()
        if canary is None:
            if key is not None:
                raise StartRefused(
                    f"There is a key, {self._key_path}, but the database {self._database.label} is empty or missing: "
                    f"restore it from a backup. Only to begin anew without any person, remove {self._key_path}."
                )
            return await self._first_start()
        if key is None:
            return await self._finish_first_start(canary)
        sealer = self._sealer(key)
        if not _is_opened_by(sealer, canary):
            raise StartRefused(
                f"The key {self._key_path} is not the one that the database {self._database.label} is sealed under: "
                "restore the key or the database, so that both are from the same installation."
            )
        await migrate_database(self._database)
        return await self._opened(sealer)

    async def _first_start(self) -> Opened:
        key = Secret(self._random_bytes(KEY_BYTES))
        save_key(self._new_key_path, key)
        if self._sqlite_path and not self._sqlite_path.exists():
            create_sqlite_file(self._sqlite_path)
            sync_folder(self._sqlite_path.parent)
        await migrate_database(self._database)
        sealer = self._sealer(key)
        row = {
            "singleton": 1,
            "id": self._random_bytes(16).hex(),
            "sealed_canary": sealer.seal(_CANARY, place=_CANARY_PLACE),
            "created_at": self._now,
        }
        try:
            async with self._database.writing() as connection:
                await connection.execute(instance.insert().values(**row))
        except exc.IntegrityError as error:
            self._new_key_path.unlink()
            raise self._no_key() from error
        self._keep_new_key()
        return await self._opened(sealer)

    async def _finish_first_start(self, canary: bytes) -> Opened:
        """Finish a first start that crashed between commit and rename; refuse if it was none."""
        try:
            key = load_key(self._new_key_path)
        except StartRefused:
            key = None
        sealer = None if key is None else self._sealer(key)
        if sealer is None or not _is_opened_by(sealer, canary):
            raise self._no_key()
        await migrate_database(self._database)
        self._keep_new_key()
        return await self._opened(sealer)

    def _keep_new_key(self) -> None:
        self._new_key_path.rename(self._key_path)
        sync_folder(self._key_path.parent)

    def _no_key(self) -> StartRefused:
        return StartRefused(
            f"The database {self._database.label} is in use, but its key {self._key_path} is missing: restore it from "
            f"a backup, or, if this is a further replica, copy {KEY_FILE} from the first one."
        )

    async def _opened(self, sealer: KeyFileSealer) -> Opened:
        async with self._database.reading() as connection:
            instance_id: str = (await connection.execute(select(instance.c.id))).scalar_one()
        return Opened(SqlDurableStore(self._database, sealer), self._database, sealer, instance_id)

    def _sealer(self, key: Secret[bytes]) -> KeyFileSealer:
        return KeyFileSealer(key, random_bytes=self._random_bytes)

    async def _load_canary(self) -> bytes | None:
        """Read the canary without changing anything; None for a database that is empty or missing.

        Raises StartRefused for a damaged one.
        """
        if self._sqlite_path and not self._sqlite_path.exists():
            return None
        try:
            async with self._database.reading() as connection:
                if self._database.is_sqlite:
                    found = (await connection.execute(text("PRAGMA quick_check(1)"))).scalar_one()
                    if found != "ok":
                        raise self._damaged()
                tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
                if instance.name in tables:
                    canary: bytes | None = (await connection.execute(select(instance.c.sealed_canary))).scalar()
                    if canary is not None:
                        return canary
                for table in (persons, authenticators, signing_keys):
                    held = select(func.count()).select_from(table)
                    if table.name in tables and (await connection.execute(held)).scalar_one():
                        raise self._damaged()
        except Unavailable as error:
            if _is_damage(error):
                raise self._damaged() from error
            raise
        return None

    def _damaged(self) -> StartRefused:
        return StartRefused(
            f"The database {self._database.label} is damaged: restore it from a backup. It was left as it is."
        )


def _is_opened_by(sealer: KeyFileSealer, canary: bytes) -> bool:
    try:
        return sealer.unseal(canary, place=_CANARY_PLACE) == _CANARY
    except Unavailable:
        return False


def _is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says, somewhere down the chain, that a file is damaged or is no database."""
    while error is not None:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF if isinstance(error, sqlite3.Error) else 0
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return True
        error = error.__cause__
    return False


@asynccontextmanager
async def _locked(folder: Path) -> AsyncIterator[None]:
    """Let one process at a time open a folder's store. Raises Unavailable after 30 seconds."""
    descriptor = _open_folder(folder)
    try:
        try:
            async with asyncio.timeout(_LOCK_WAIT_S):
                while not _is_lock_taken(descriptor):  # noqa: ASYNC110 - another process tells us of no event
                    await asyncio.sleep(_LOCK_POLL_S)
        except TimeoutError as error:
            raise Unavailable(f"another process is opening {folder}") from error
        yield
    finally:
        os.close(descriptor)


def _open_folder(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _is_lock_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
