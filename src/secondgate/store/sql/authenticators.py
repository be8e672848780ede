"""Authenticators in SQL; implements `ports.Authenticators`.

What must be used once (a TOTP step, a signature counter) is claimed by one UPDATE with its condition: the
number of rows says who won. Two first enrolments at once are ordered by a lock on the person's row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Row, and_, delete, exc, func, select, update

from secondgate.errors import Conflict, NotFound, Reason
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.model.secret import Secret
from secondgate.store.ports import Sealer
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import authenticators, persons

_KEPT_INSIDE = ("sealed_totp_seed", "last_totp_step")
_AUTHENTICATOR = tuple(column for column in authenticators.c if column.name not in _KEPT_INSIDE)


def _authenticator(row: Row[*tuple[Any, ...]]) -> Authenticator:
    return Authenticator(
        id=row.id,
        person_id=row.person_id,
        method=Method(row.method),
        name=row.name,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        credential_id=row.credential_id or b"",
        public_key=row.public_key,
        sign_count=row.sign_count,
        backup_eligible=row.backup_eligible,
        aaguid=row.aaguid,
        transports=tuple(json.loads(row.transports)),
    )


def _seed_place(authenticator_id: str) -> str:
    return f"authenticators/totp_seed/{authenticator_id}"


class SqlAuthenticators:
    """Authenticators. The methods are described in the port."""

    _database: Database
    _sealer: Sealer

    async def list_authenticators(self, person_id: str) -> tuple[Authenticator, ...]:
        """List a person's authenticators, the oldest first."""
        wanted = select(*_AUTHENTICATOR).where(authenticators.c.person_id == person_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(wanted.order_by(authenticators.c.created_at, authenticators.c.id))
            return tuple(_authenticator(row) for row in rows)

    async def count_authenticators(self, person_ids: Collection[str]) -> Mapping[str, int]:
        """Count the authenticators of each of these people."""
        owner = authenticators.c.person_id
        counted = select(owner, func.count()).where(owner.in_(person_ids)).group_by(owner)
        async with self._database.reading() as connection:
            return {row[0]: row[1] for row in await connection.execute(counted)}

    async def load_authenticator(self, person_id: str, authenticator_id: str) -> Authenticator | None:
        """Load one of this person's authenticators; None for another person's."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*_AUTHENTICATOR).where(_of(person_id, authenticator_id)))
            row = rows.one_or_none()
            return None if row is None else _authenticator(row)

    async def add_authenticator(
        self,
        authenticator: Authenticator,
        *,
        only_as_first: bool,
        totp_seed: Secret[bytes] | None = None,
        totp_step: int = 0,
    ) -> None:
        """Insert an authenticator in one transaction. Raises Conflict, NotFound."""
        sealed = None
        if totp_seed is not None:
            sealed = self._sealer.seal(totp_seed.reveal(), place=_seed_place(authenticator.id))
        row = {
            "id": authenticator.id,
            "person_id": authenticator.person_id,
            "method": authenticator.method.value,
            "name": authenticator.name,
            "created_at": authenticator.created_at,
            "last_used_at": authenticator.last_used_at,
            "credential_id": authenticator.credential_id or None,
            "public_key": authenticator.public_key,
            "sign_count": authenticator.sign_count,
            "backup_eligible": authenticator.backup_eligible,
            "aaguid": authenticator.aaguid,
            "transports": json.dumps(authenticator.transports),
            "sealed_totp_seed": sealed,
            "last_totp_step": totp_step,
        }
        person_id = authenticator.person_id
        try:
            async with self._database.writing() as connection:
                person = select(persons.c.id).where(persons.c.id == person_id).with_for_update()
                if (await connection.execute(person)).one_or_none() is None:
                    raise NotFound(Reason.NOT_FOUND, "no such person")
                theirs = select(authenticators.c.method).where(authenticators.c.person_id == person_id)
                methods = (await connection.execute(theirs)).scalars().all()
                if methods and only_as_first:
                    raise Conflict(Reason.NOT_FIRST, "the person has an authenticator already")
                if authenticator.method is Method.TOTP and Method.TOTP.value in methods:
                    raise Conflict(Reason.ALREADY_ENROLLED, "the person has a TOTP authenticator already")
                await connection.execute(authenticators.insert().values(**row))
        except exc.IntegrityError as error:
            # person and TOTP are held by the lock: what is left is somebody's credential id
            raise Conflict(Reason.CREDENTIAL_TAKEN, "this credential is registered already") from error

    async def save_authenticator_name(self, person_id: str, authenticator_id: str, name: str) -> bool:
        """Rename; False when this person has no such authenticator."""
        async with self._database.writing() as connection:
            done = await connection.execute(
                update(authenticators).where(_of(person_id, authenticator_id)).values(name=name)
            )
            return done.rowcount == 1

    async def delete_authenticator(self, person_id: str, authenticator_id: str) -> bool:
        """Delete; a deleted TOTP authenticator ends the row of wrong codes. False when there is none."""
        async with self._database.writing() as connection:
            await connection.execute(select(persons.c.id).where(persons.c.id == person_id).with_for_update())
            done = await connection.execute(
                delete(authenticators).where(_of(person_id, authenticator_id)).returning(authenticators.c.method)
            )
            method = done.scalar_one_or_none()
            if method == Method.TOTP.value:
                await connection.execute(update(persons).where(persons.c.id == person_id).values(wrong_in_a_row=0))
            return method is not None

    async def load_totp(self, person_id: str) -> tuple[Authenticator, Secret[bytes]] | None:
        """Load a person's TOTP authenticator and its seed."""
        wanted = select(*_AUTHENTICATOR, authenticators.c.sealed_totp_seed).where(
            authenticators.c.person_id == person_id, authenticators.c.method == Method.TOTP.value
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            return None
        seed = self._sealer.unseal(row.sealed_totp_seed or b"", place=_seed_place(row.id))
        return _authenticator(row), Secret(seed)

    async def claim_totp_step(self, authenticator_id: str, *, step: int, now: int) -> bool:
        """Accept a time step later than every one accepted before."""
        claim = update(authenticators).where(
            authenticators.c.id == authenticator_id,
            authenticators.c.method == Method.TOTP.value,
            authenticators.c.last_totp_step < step,
        )
        async with self._database.writing() as connection:
            return (await connection.execute(claim.values(last_totp_step=step, last_used_at=now))).rowcount == 1

    async def claim_sign_count(self, authenticator_id: str, *, presented: int, now: int) -> bool:
        """Accept a greater signature counter, or zero after zero."""
        count = authenticators.c.sign_count
        claim = update(authenticators).where(
            authenticators.c.id == authenticator_id,
            authenticators.c.method != Method.TOTP.value,
            count == 0 if presented == 0 else count < presented,
        )
        async with self._database.writing() as connection:
            return (await connection.execute(claim.values(sign_count=presented, last_used_at=now))).rowcount == 1


def _of(person_id: str, authenticator_id: str) -> Any:  # noqa: ANN401 - SQLAlchemy's type of a condition
    return and_(authenticators.c.person_id == person_id, authenticators.c.id == authenticator_id)
