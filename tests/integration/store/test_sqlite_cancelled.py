"""What is cancelled in the middle of SQLite's work leaves no lock, no task and no thread behind."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from secondgate.errors import Unavailable
from secondgate.stopping import stop
from secondgate.store.sql.database import Database, create_sqlite_file, sqlite_url
from secondgate.store.sql.sqlite_connections import SqliteConnections

ENDS_WITHIN_S = 10.0
COUNT, INSERT = text("SELECT count(*) FROM t"), text("INSERT INTO t VALUES (1)")


@pytest.fixture
async def database(tmp_path: Path) -> Database:
    path = tmp_path / "store.sqlite3"
    create_sqlite_file(path)
    database = Database(sqlite_url(path), wait_s=2.0)
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE t (a INTEGER)"))
    return database


async def read_and_write(database: Database) -> None:
    while True:
        async with database.writing() as connection:
            await connection.execute(COUNT)
            await connection.execute(INSERT)
        async with database.reading() as connection:
            await connection.execute(COUNT)


async def write_and_close(database: Database) -> None:
    """Write once more, close, and see that nothing goes on behind it."""
    async with database.writing() as connection:
        await connection.execute(INSERT)
    await database.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=ENDS_WITHIN_S)
    assert not left


async def test_a_write_that_waits_for_a_lock_is_given_up_at_once_and_for_good(database: Database) -> None:
    before = set(threading.enumerate())
    assert database.path is not None
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.create_task(read_and_write(database)) for _ in range(3)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(ENDS_WITHIN_S):
        await stop(*waiting)
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(ENDS_WITHIN_S):
        await write_and_close(database)
    assert {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("Thread-")} == set()


@pytest.mark.parametrize("seed", range(8))
async def test_wherever_work_is_cancelled_the_next_write_succeeds(database: Database, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - nothing is kept secret by it
    for _ in range(10):
        tasks = [asyncio.create_task(read_and_write(database)) for _ in range(random.randint(1, 4))]
        await asyncio.sleep(random.random() * 0.02)
        for task in tasks[: random.randint(0, 4)]:
            task.cancel()
        await asyncio.sleep(random.random() * 0.002)
        async with asyncio.timeout(ENDS_WITHIN_S):
            await stop(*tasks)
            async with database.writing() as connection:
                await connection.execute(INSERT)
    async with asyncio.timeout(ENDS_WITHIN_S):
        await write_and_close(database)


async def test_a_connection_that_was_told_to_stop_can_be_closed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    create_sqlite_file(path)
    connections = SqliteConnections(path, 2.0)
    connection = await connections.open()
    connection.stop()
    async with asyncio.timeout(ENDS_WITHIN_S):
        with pytest.raises(ValueError, match="Connection closed"):
            await connection.close()
        await connection.close()
        await connections.ended()


async def test_what_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    database = Database(sqlite_url(tmp_path / "nowhere" / "store.sqlite3"), wait_s=2.0)
    with pytest.raises(Unavailable):
        await database.ping()
    await database.close()
    assert threading.active_count() <= before + 1  # the one that waited for the other's end stays for the next work
