"""Signing keys in SQL, sealed at rest; implements `ports.SigningKeys`."""

from __future__ import annotations

from sqlalchemy import select

from secondgate.model.keys import SigningAlgorithm, SigningKey
from secondgate.model.secret import Secret
from secondgate.store.ports import Sealer
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import signing_keys


def _key_place(kid: str) -> str:
    return f"signing_keys/private_key/{kid}"


class SqlSigningKeys:
    """Signing keys. The methods are described in the port."""

    _database: Database
    _sealer: Sealer

    async def list_signing_keys(self) -> tuple[SigningKey, ...]:
        """List the newest first."""
        wanted = select(signing_keys).order_by(signing_keys.c.created_at.desc(), signing_keys.c.kid)
        async with self._database.reading() as connection:
            rows = (await connection.execute(wanted)).all()
        return tuple(
            SigningKey(
                kid=row.kid,
                algorithm=SigningAlgorithm(row.algorithm),
                private_key=Secret(self._sealer.unseal(row.sealed_private_key, place=_key_place(row.kid))),
                certificate=row.certificate,
                created_at=row.created_at,
            )
            for row in rows
        )

    async def add_signing_key(self, key: SigningKey) -> None:
        """Insert."""
        row = {
            "kid": key.kid,
            "algorithm": key.algorithm.value,
            "sealed_private_key": self._sealer.seal(key.private_key.reveal(), place=_key_place(key.kid)),
            "certificate": key.certificate,
            "created_at": key.created_at,
        }
        async with self._database.writing() as connection:
            await connection.execute(signing_keys.insert().values(**row))
