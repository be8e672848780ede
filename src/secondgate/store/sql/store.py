"""The durable store in SQL: its parts put together; implements `ports.DurableStore`."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select, update

from secondgate.store.ports import Sealer
from secondgate.store.sql.access_objects import SqlAccessObjects
from secondgate.store.sql.api_tokens import SqlApiTokens
from secondgate.store.sql.attempts import SqlAttempts, new_attempt_id
from secondgate.store.sql.audit import SqlAudit
from secondgate.store.sql.authenticators import SqlAuthenticators
from secondgate.store.sql.database import Database
from secondgate.store.sql.passes import SqlTemporaryPasses
from secondgate.store.sql.people import SqlPeople
from secondgate.store.sql.service_tokens import SqlServiceTokens
from secondgate.store.sql.signing_keys import SqlSigningKeys
from secondgate.store.sql.tables import instance


class SqlDurableStore(
    SqlPeople,
    SqlAuthenticators,
    SqlTemporaryPasses,
    SqlAttempts,
    SqlAudit,
    SqlSigningKeys,
    SqlServiceTokens,
    SqlAccessObjects,
    SqlApiTokens,
):
    """The durable store in a migrated `database`, its secrets sealed by `sealer`."""

    def __init__(
        self, database: Database, sealer: Sealer, *, new_attempt_id: Callable[[], str] = new_attempt_id
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._new_attempt_id = new_attempt_id

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
        await self._database.ping()

    async def load_created_at(self) -> int:
        """Give when the store was made."""
        async with self._database.reading() as connection:
            created_at: int = (await connection.execute(select(instance.c.created_at))).scalar_one()
        return created_at

    async def raise_metadata_number(self, number: int) -> int:
        """Remember the number of FIDO Metadata in use, unless a higher one was, and give the highest."""
        raised = update(instance).where(instance.c.metadata_number < number).values(metadata_number=number)
        async with self._database.writing() as connection:
            await connection.execute(raised)
            highest: int = (await connection.execute(select(instance.c.metadata_number))).scalar_one()
        return highest

    async def close(self) -> None:
        """Give back all connections."""
        await self._database.close()
