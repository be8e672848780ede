"""Signing keys in SQL, sealed at rest; implements `ports.SigningKeys`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update

from secondgate.model.keys import KeyRotation, SigningAlgorithm, SigningKey
from secondgate.model.secret import Secret
from secondgate.store.ports import Sealer
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import key_rotation, signing_keys


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

    async def load_key_rotation(self) -> KeyRotation:
        """Read how keys are rotated."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(key_rotation))).one()
        return KeyRotation(row.version, row.interval_days)

    async def save_key_rotation_interval(self, days: int) -> None:
        """Write after how many days a key is replaced."""
        async with self._database.writing() as connection:
            await connection.execute(update(key_rotation).values(interval_days=days))

    async def add_signing_key(
        self, key: SigningKey, *, expected_version: int | None = None, deleted: Sequence[str] = ()
    ) -> bool:
        """Insert, delete and count; False when another one was added meanwhile."""
        counted = update(key_rotation).values(version=key_rotation.c.version + 1)
        if expected_version is not None:
            counted = counted.where(key_rotation.c.version == expected_version)
        row = {
            "kid": key.kid,
            "algorithm": key.algorithm.value,
            "sealed_private_key": self._sealer.seal(key.private_key.reveal(), place=_key_place(key.kid)),
            "certificate": key.certificate,
            "created_at": key.created_at,
        }
        async with self._database.writing() as connection:
            if (await connection.execute(counted)).rowcount != 1:
                return False
            await connection.execute(delete(signing_keys).where(signing_keys.c.kid.in_(deleted)))
            await connection.execute(signing_keys.insert().values(**row))
        return True
