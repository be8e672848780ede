"""Service tokens in SQL; implements `ports.ServiceTokens`."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import delete, exc, select, update

from secondgate.errors import Conflict, Reason
from secondgate.model.service_token import ServiceToken
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import service_tokens

_KEPT = frozenset(("id", "client_id", "created_at", "last_seen_at"))


class SqlServiceTokens:
    """Service tokens. The methods are described in the port."""

    _database: Database

    async def list_service_tokens(self) -> tuple[ServiceToken, ...]:
        """List all, by name."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(service_tokens))).all()
        # sorted here: the order of PostgreSQL depends on its locale
        return tuple(sorted((ServiceToken(**row._asdict()) for row in rows), key=lambda token: token.name))

    async def add_service_token(self, token: ServiceToken) -> None:
        """Insert; the unique keys decide who comes first."""
        try:
            async with self._database.writing() as connection:
                await connection.execute(service_tokens.insert().values(**asdict(token)))
        except exc.IntegrityError as error:
            raise _taken(token) from error

    async def replace_service_token(self, token: ServiceToken) -> bool:
        """Replace by its revision, in one statement."""
        row = {name: value for name, value in asdict(token).items() if name not in _KEPT}
        of_token = (service_tokens.c.id == token.id) & (service_tokens.c.revision == token.revision)
        changed = update(service_tokens).where(of_token).values(**{**row, "revision": token.revision + 1})
        try:
            async with self._database.writing() as connection:
                return (await connection.execute(changed)).rowcount == 1
        except exc.IntegrityError as error:
            raise _taken(token) from error

    async def save_service_token_seen(self, token_id: str, *, now: int) -> None:
        """Remember when it proved a machine."""
        seen = update(service_tokens).where(service_tokens.c.id == token_id).values(last_seen_at=now)
        async with self._database.writing() as connection:
            await connection.execute(seen)

    async def delete_service_token(self, token_id: str) -> bool:
        """Delete; False when there is none."""
        async with self._database.writing() as connection:
            done = await connection.execute(delete(service_tokens).where(service_tokens.c.id == token_id))
            return done.rowcount == 1


def _taken(token: ServiceToken) -> Conflict:
    return Conflict(Reason.NAME_TAKEN, f"there is a service token named {token.name!r} already")
