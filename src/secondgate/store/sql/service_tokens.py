"""Service tokens in SQL; implements `ports.ServiceTokens`."""

from __future__ import annotations

from sqlalchemy import delete, exc, select, update

from secondgate.errors import Conflict, Reason
from secondgate.model.service_token import ServiceToken
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import service_tokens


class SqlServiceTokens:
    """Service tokens. The methods are described in the port."""

    _database: Database

    async def list_service_tokens(self) -> tuple[ServiceToken, ...]:
        """List all, by name."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(service_tokens))).all()
        tokens = (
            ServiceToken(
                id=row.id,
                name=row.name,
                client_id=row.client_id,
                secret_hash=row.secret_hash,
                created_at=row.created_at,
                expires_at=row.expires_at,
            )
            for row in rows
        )
        # sorted here: the order of PostgreSQL depends on its locale
        return tuple(sorted(tokens, key=lambda token: token.name))

    async def add_service_token(self, token: ServiceToken) -> None:
        """Insert; the unique keys decide who comes first."""
        row = {
            "id": token.id,
            "name": token.name,
            "client_id": token.client_id,
            "secret_hash": token.secret_hash,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
        }
        try:
            async with self._database.writing() as connection:
                await connection.execute(service_tokens.insert().values(**row))
        except exc.IntegrityError as error:
            raise Conflict(Reason.NAME_TAKEN, f"there is a service token named {token.name!r} already") from error

    async def save_service_token_secret(self, token_id: str, *, secret_hash: str, replaced_hash: str) -> bool:
        """Replace a secret, in one statement."""
        of_token = (service_tokens.c.id == token_id) & (service_tokens.c.secret_hash == replaced_hash)
        async with self._database.writing() as connection:
            done = await connection.execute(update(service_tokens).where(of_token).values(secret_hash=secret_hash))
            return done.rowcount == 1

    async def delete_service_token(self, token_id: str) -> bool:
        """Delete; False when there is none."""
        async with self._database.writing() as connection:
            done = await connection.execute(delete(service_tokens).where(service_tokens.c.id == token_id))
            return done.rowcount == 1
