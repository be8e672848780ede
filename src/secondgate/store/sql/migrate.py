"""Brings a database to the newest shape: Alembic's migrations, run from inside the program.

Several replicas may do so at once: on PostgreSQL an advisory lock, on SQLite the write lock lets one go
first, and the others then find nothing to do. A migration is one transaction, on both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from secondgate.errors import StartRefused
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import metadata

_ADVISORY_LOCK = 0x5EC0_9D6A_7E00_0001
WAIT_S = 60.0
"""For others that migrate first."""
_SCRIPTS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migrated:
    """Between which revisions a migration went; an empty one is an empty database."""

    before: str
    after: str


async def migrate(database_url: str) -> Migrated:
    """Bring the database at `database_url` to the newest shape.

    Raises Unavailable, StartRefused (the database is newer than this program), InvalidConfiguration.
    """
    database = Database(database_url, wait_s=WAIT_S)
    try:
        return await migrate_database(database)
    finally:
        await database.close()


async def migrate_database(database: Database) -> Migrated:
    """Bring an open database to the newest shape; raises as `migrate` does.

    One that has it already is only read: whoever starts beside others that are at work waits for none of them.
    """
    head = ScriptDirectory(str(_SCRIPTS), version_locations=[str(_SCRIPTS / "versions")]).get_current_head() or ""
    async with database.reading() as connection:
        if await connection.run_sync(_revision) == head:
            return Migrated(head, head)
    async with database.writing() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        try:
            return await connection.run_sync(_upgrade)
        except CommandError as error:
            raise StartRefused(
                f"The database {database.label} was made by a newer version of Secondgate: "
                "install that version, or restore a backup from before it."
            ) from error


def _revision(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def _upgrade(connection: Connection) -> Migrated:
    scripts = ScriptDirectory(str(_SCRIPTS), version_locations=[str(_SCRIPTS / "versions")])
    before = _revision(connection)
    after = scripts.get_current_head() or ""

    def steps(revision: tuple[str, ...] | str, _context: MigrationContext) -> list[RevisionStep]:
        return scripts._upgrade_revs("head", cast("str", revision))  # noqa: SLF001 - as Alembic's own `upgrade` does

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, target_metadata=metadata)
        environment.run_migrations()
    return Migrated(before, after)
