"""Tokens of the API in SQL; implements `ports.ApiTokens`."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.exc import IntegrityError

from secondgate.errors import Conflict, Reason
from secondgate.model.api_token import ApiToken, Permission
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import api_tokens


class SqlApiTokens:
    """Tokens of the API. The methods are described in the port."""

    _database: Database

    async def add_api_token(self, token: ApiToken) -> bool:
        """Insert; False when the name is another token's."""
        try:
            async with self._database.writing() as connection:
                made = {"created_at": token.created_at, "last_used_at": token.last_used_at}
                await connection.execute(api_tokens.insert().values(**_row(token), **made))
        except IntegrityError:
            return False
        return True

    async def load_api_token(self, token_hash: str) -> ApiToken | None:
        """Load by the hash of what was presented."""
        async with self._database.reading() as connection:
            wanted = select(api_tokens).where(api_tokens.c.token_hash == token_hash)
            row = (await connection.execute(wanted)).first()
        return _token(row) if row else None

    async def list_api_tokens(self) -> tuple[ApiToken, ...]:
        """List all, by name."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(api_tokens))).all()
        # sorted here: the order of PostgreSQL depends on its locale
        return tuple(sorted(map(_token, rows), key=lambda token: token.name))

    async def replace_api_token(self, token: ApiToken) -> bool:
        """Replace by its revision, in one statement."""
        of_token = (api_tokens.c.id == token.id) & (api_tokens.c.revision == token.revision)
        changed = update(api_tokens).where(of_token).values(**{**_row(token), "revision": token.revision + 1})
        try:
            async with self._database.writing() as connection:
                return (await connection.execute(changed)).rowcount == 1
        except IntegrityError as error:
            raise Conflict(Reason.NAME_TAKEN, f"there is a token named {token.name!r} already") from error

    async def save_api_token_used(self, token_id: str, *, now: int) -> None:
        """Remember when it was used."""
        async with self._database.writing() as connection:
            await connection.execute(update(api_tokens).where(api_tokens.c.id == token_id).values(last_used_at=now))

    async def delete_api_token(self, token_id: str) -> bool:
        """Delete; False when there is none."""
        async with self._database.writing() as connection:
            gone = delete(api_tokens).where(api_tokens.c.id == token_id)
            return (await connection.execute(gone)).rowcount == 1


def _row(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "token_hash": token.token_hash,
        "permissions": json.dumps(token.grants or sorted(token.permissions)),
        "networks": json.dumps([str(network) for network in token.networks]),
        "excluded_networks": json.dumps([str(network) for network in token.excluded_networks]),
        "expires_at": token.expires_at,
        "not_before": token.not_before,
        "is_enabled": token.is_enabled,
        "updated_at": token.updated_at,
        "revision": token.revision,
    }


def _token(row: Row[Any]) -> ApiToken:
    written = json.loads(row.permissions)
    grants = tuple(_permissions(one) for one in written if isinstance(one, list))
    given = _permissions([one for one in written if isinstance(one, str)])
    return ApiToken(
        id=row.id,
        name=row.name,
        token_hash=row.token_hash,
        permissions=frozenset((*given, *(one for grant in grants for one in grant))),
        networks=tuple(ip_network(one) for one in json.loads(row.networks)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        excluded_networks=tuple(ip_network(one) for one in json.loads(row.excluded_networks)),
        not_before=row.not_before,
        is_enabled=row.is_enabled,
        updated_at=row.updated_at,
        grants=grants,
        revision=row.revision,
    )


def _permissions(names: list[str]) -> tuple[Permission, ...]:
    """Give permissions by their names; one that a newer version gave is none that this one honours."""
    known = {permission.value for permission in Permission}
    return tuple(Permission(name) for name in names if name in known)
