"""Migrations lead to the tables that the code knows, and several processes may run them at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from secondgate.errors import Unavailable
from secondgate.store.sql.database import Database, create_sqlite_file, sqlite_url
from secondgate.store.sql.migrate import Migrated, migrate
from secondgate.store.sql.migrations.versions import r0001_first, r0002_identities, r0003_service_tokens
from secondgate.store.sql.tables import metadata


@pytest.fixture
def url(database_url: str, tmp_path: Path) -> str:
    if database_url:
        return database_url
    create_sqlite_file(tmp_path / "x.sqlite3")
    return sqlite_url(tmp_path / "x.sqlite3")


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_an_empty_database_comes_to_the_newest_shape_once(url: str) -> None:
    assert await migrate(url) == Migrated("", "0004")
    assert await migrate(url) == Migrated("0004", "0004")


async def test_several_at_once_do_it_once(url: str) -> None:
    results = await asyncio.gather(*(migrate(url) for _ in range(5)))
    assert sorted(result.before for result in results) == ["", "0004", "0004", "0004", "0004"]


async def test_the_tables_are_those_the_code_knows(url: str) -> None:
    await migrate(url)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    database = Database(url)
    async with database.reading() as connection:
        found = await connection.run_sync(differences)
    await database.close()
    assert found == []


async def test_whoever_logged_in_before_subjects_were_kept_is_known_by_the_ways_they_came(url: str) -> None:
    database = Database(url)
    async with database.writing() as connection:
        await connection.run_sync(_make_first_shape)
    assert (await migrate(url)).before == "0001"
    async with database.reading() as connection:
        rows = await connection.execute(text("SELECT namespace, subject, person_id, created_at FROM identities"))
        found = {tuple(row) for row in rows}
    await database.close()
    assert found == {
        ("onetimepin", "pin@example.com", "pin", 5),
        ("headers", "headers@example.com", "headers", 5),
        ("onetimepin", "both@example.com", "both", 5),
        ("headers", "both@example.com", "both", 5),
        ("onetimepin", "unsaid@example.com", "unsaid", 5),
        ("headers", "unsaid@example.com", "unsaid", 5),
    }


async def test_people_outlive_the_way_to_the_newest_shape_in_which_nothing_is_managed_yet(url: str) -> None:
    database = Database(url)
    async with database.writing() as connection:
        await connection.run_sync(_make_first_shape)
    assert await migrate(url) == Migrated("0001", "0004")
    async with database.reading() as connection:
        people = await connection.execute(text("SELECT count(*) FROM persons"))
        version = await connection.execute(text("SELECT singleton, version FROM access_version"))
        objects = await connection.execute(text("SELECT count(*) FROM access_objects"))
    await database.close()
    assert (people.scalar_one(), [tuple(row) for row in version], objects.scalar_one()) == (5, [(1, 0)], 0)


async def test_a_service_token_of_before_is_enabled_and_has_the_duration_that_it_was_made_with(url: str) -> None:
    database = Database(url)
    async with database.writing() as connection:
        await connection.run_sync(_make_first_shape)
        await connection.run_sync(_make_service_tokens)
    assert await migrate(url) == Migrated("0003", "0004")
    async with database.reading() as connection:
        rows = await connection.execute(
            text("SELECT id, duration_s, is_enabled, previous_secret_hash, revision FROM service_tokens ORDER BY id")
        )
        found = [tuple(row) for row in rows]
    await database.close()
    assert found == [("ever", None, True, "", 0), ("year", 31_536_000, True, "", 0)]


def _make_service_tokens(connection: Connection) -> None:
    """Bring a database of the first shape to revision 0003, with service tokens in it."""
    with Operations.context(MigrationContext.configure(connection)):
        r0002_identities.upgrade()
        r0003_service_tokens.upgrade()
    connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    for id_, expires_at in (("year", 31_536_005), ("ever", None)):
        connection.execute(
            text("INSERT INTO service_tokens VALUES (:id, :id, :id, '', 5, :expires_at)"),
            {"id": id_, "expires_at": expires_at},
        )


def _make_first_shape(connection: Connection) -> None:
    """Make a database of revision 0001 with people in it, `never` one who has not logged in."""
    context = MigrationContext.configure(connection)
    with Operations.context(context):
        r0001_first.upgrade()
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
    for person_id, last_login_at in (("pin", 6), ("headers", 6), ("both", 6), ("unsaid", 6), ("never", None)):
        connection.execute(
            text(
                "INSERT INTO persons (id, email, name, created_at, last_login_at, disabled, wrong_in_a_row) "
                "VALUES (:id, :email, '', 5, :last_login_at, false, 0)"
            ),
            {"id": person_id, "email": f"{person_id}@example.com", "last_login_at": last_login_at},
        )
    for action, person_id, source in (
        ("login.succeeded", "pin", "onetimepin"),
        ("login.succeeded", "pin", "onetimepin"),
        ("login.failed", "pin", "headers"),
        ("login.succeeded", "headers", "headers"),
        ("login.succeeded", "both", "onetimepin"),
        ("login.succeeded", "both", "headers"),
        ("login.succeeded", "unsaid", "another"),
    ):
        connection.execute(
            text(
                "INSERT INTO audit_events (at, action, actor, person_id, address, detail) "
                "VALUES (6, :action, '', :person_id, '', :detail)"
            ),
            {"action": action, "person_id": person_id, "detail": json.dumps({"source": source})},
        )


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await migrate(sqlite_url(tmp_path / "x.sqlite3"))
    assert not names(tmp_path)
