"""Migrations lead to the tables that the code knows, and several processes may run them at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from secondgate.errors import Unavailable
from secondgate.store.sql.database import Database, create_sqlite_file, sqlite_url
from secondgate.store.sql.migrate import Migrated, migrate
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
    assert await migrate(url) == Migrated("", "0003")
    assert await migrate(url) == Migrated("0003", "0003")


async def test_several_at_once_do_it_once(url: str) -> None:
    results = await asyncio.gather(*(migrate(url) for _ in range(5)))
    assert sorted(result.before for result in results) == ["", "0003", "0003", "0003", "0003"]


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


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await migrate(sqlite_url(tmp_path / "x.sqlite3"))
    assert not names(tmp_path)
