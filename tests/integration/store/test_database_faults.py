"""A database that is locked, full, gone or restarted: Unavailable within bounds, nothing half done, and back again."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import TextClause, text

from secondgate.errors import Unavailable
from secondgate.model.audit import AuditEvent
from secondgate.store.opening import SQLITE_FILE, Opened, open_durable
from secondgate.store.sql.database import Database

NOW = 1_800_000_000
EVENT = AuditEvent(NOW, "login.succeeded", "ada@example.com")

pytestmark = [pytest.mark.case(87)]


@pytest.fixture
async def opened(database_url: str, tmp_path: Path) -> AsyncIterator[Opened]:
    opened = await open_durable(data_dir=tmp_path, database_url=database_url, now=NOW, wait_s=0.3)
    yield opened
    await opened.durable.close()


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[Opened]:
    opened = await open_durable(data_dir=tmp_path, now=NOW, wait_s=0.3)
    yield opened
    await opened.durable.close()


async def run(database: Database, *statements: TextClause) -> None:
    """Run statements in one transaction."""
    async with database.writing() as connection:
        for statement in statements:
            await connection.execute(statement)


async def test_a_locked_sqlite_is_unavailable_for_writers_and_readable(on_sqlite: Opened, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / SQLITE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    writes = [on_sqlite.durable.append_event(EVENT) for _ in range(20)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    assert time.monotonic() - began < 3
    assert await on_sqlite.durable.list_events() == ()
    other.execute("ROLLBACK")
    other.close()
    await on_sqlite.durable.append_event(EVENT)
    assert await on_sqlite.durable.list_events() == (EVENT,)


@pytest.mark.case(84)
async def test_a_full_disk_is_unavailable_and_keeps_what_was_there(on_sqlite: Opened) -> None:
    await on_sqlite.durable.append_event(EVENT)
    async with on_sqlite.database.reading() as connection:
        pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    long = AuditEvent(NOW, "login.succeeded", "a" * 100_000)
    with pytest.raises(Unavailable):
        await on_sqlite.durable.append_event(long)
    assert await on_sqlite.durable.list_events() == (EVENT,)


async def test_a_file_that_vanished_is_not_made_anew(on_sqlite: Opened, tmp_path: Path) -> None:
    await on_sqlite.database.close()
    (tmp_path / SQLITE_FILE).unlink()
    with pytest.raises(Unavailable):
        await on_sqlite.durable.ping()
    assert not (tmp_path / SQLITE_FILE).exists()


async def test_a_restarted_postgresql_is_asked_again(postgres_url: str, tmp_path: Path) -> None:
    opened = await open_durable(data_dir=tmp_path, database_url=postgres_url, now=NOW)
    await asyncio.gather(*(opened.durable.ping() for _ in range(5)))
    admin = Database(postgres_url)
    async with admin.writing() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await admin.close()
    for _ in range(6):
        await opened.durable.append_event(EVENT)
    assert len(await opened.durable.list_events()) == 6
    await opened.durable.close()


async def test_a_connection_lost_inside_a_transaction_leaves_nothing_half_done(
    postgres_url: str, tmp_path: Path
) -> None:
    opened = await open_durable(data_dir=tmp_path, database_url=postgres_url, now=NOW)
    insert = text(
        "INSERT INTO persons (id, email, name, created_at, disabled, wrong_in_a_row) VALUES ('x', 'x', '', 1, false, 0)"
    )
    with pytest.raises(Unavailable):
        await run(opened.database, insert, text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert await opened.durable.list_people() == ()
    await opened.durable.close()


async def test_an_exhausted_pool_is_unavailable_within_the_wait(opened: Opened) -> None:
    held = [opened.database.reading() for _ in range(8)]
    for reading in held:
        await reading.__aenter__()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await opened.durable.list_events()
    assert time.monotonic() - began < 2
    for reading in held:
        await reading.__aexit__(None, None, None)
    assert await opened.durable.list_events() == ()


async def test_a_row_locked_by_another_is_unavailable_within_the_wait(postgres_url: str, tmp_path: Path) -> None:
    opened = await open_durable(data_dir=tmp_path, database_url=postgres_url, now=NOW, wait_s=0.3)
    await opened.durable.find_or_create_person(new_id="ada", email="ada@example.com", name="", now=NOW)
    other = Database(postgres_url)
    async with other.writing() as connection:
        await connection.execute(text("SELECT id FROM persons FOR UPDATE"))
        with pytest.raises(Unavailable):
            await opened.durable.change_person("ada", disabled=True, now=NOW)
    await other.close()
    assert await opened.durable.change_person("ada", disabled=True, now=NOW)
    await opened.durable.close()


@pytest.mark.parametrize(
    ("change", "with_"), [("/test_", "/no_such_database_"), ("//postgres@", "//nobody_here:secret@")]
)
async def test_a_postgresql_that_refuses_us_is_unavailable_and_names_no_password(
    postgres_url: str, change: str, with_: str
) -> None:
    database = Database(postgres_url.replace(change, with_, 1))
    with pytest.raises(Unavailable) as refusal:
        await database.ping()
    assert "secret" not in str(refusal.value) + database.label
    await database.close()


async def test_a_writer_given_up_frees_the_next_one(opened: Opened) -> None:
    for delay_ms in range(20):
        writing = asyncio.create_task(opened.durable.append_event(EVENT))
        await asyncio.sleep(delay_ms / 4000)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    await asyncio.wait_for(opened.durable.append_event(EVENT), 1)
    assert (await opened.durable.list_events())[0] == EVENT


@pytest.mark.case(97)
async def test_errors_name_no_values_down_to_their_causes(opened: Opened) -> None:
    overflow = text("SELECT abs(CAST(:secret AS BIGINT))").bindparams(secret=-(2**63))
    with pytest.raises(Unavailable) as outage:
        await run(opened.database, overflow)
    assert str(2**63) not in "".join(traceback.format_exception(outage.value))
