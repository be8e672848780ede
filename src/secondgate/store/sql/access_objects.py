"""The managed objects in SQL; implements `ports.AccessObjects`.

One row counts the changes. Whoever changes anything raises it from the number that was read before, so that of two at
once one is told that it decided by something old.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, select, update

from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from secondgate.model.audit import AuditEvent
from secondgate.store.ports import Sealer
from secondgate.store.sql.audit import event_insertion
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import access_objects, access_version, application_revocations

_SEALED = frozenset((ObjectKind.IDENTITY_PROVIDER,))
"""Kinds whose documents hold secrets of ours at others."""


class SqlAccessObjects:
    """The managed objects. The methods are described in the port."""

    _database: Database
    _sealer: Sealer

    async def load_access_version(self) -> int:
        """Read how often anything changed."""
        async with self._database.reading() as connection:
            version: int = (await connection.execute(select(access_version.c.version))).scalar_one()
        return version

    async def load_access_objects(self) -> StoredAccess:
        """Read everything of one moment."""
        wanted = select(access_objects).order_by(access_objects.c.sequence)
        while True:
            version = await self.load_access_version()
            async with self._database.reading() as connection:
                rows = (await connection.execute(wanted)).all()
                counted = (await connection.execute(select(application_revocations))).all()
            if await self.load_access_version() == version:
                break
        revocations = {row.application_id: row.revocations for row in counted}
        return StoredAccess(version, tuple(map(self._object, rows)), revocations)

    async def replace_access_objects(
        self,
        *,
        expected_version: int,
        saved: Sequence[AccessObject] = (),
        deleted: Sequence[tuple[ObjectKind, str]] = (),
        event: AuditEvent | None = None,
    ) -> bool:
        """Write and delete in one transaction; False, and nothing is done, when anything changed meanwhile."""
        raised = (
            update(access_version)
            .where(access_version.c.version == expected_version)
            .values(version=expected_version + 1)
        )
        async with self._database.writing() as connection:
            if (await connection.execute(raised)).rowcount != 1:
                return False
            for kind, id_ in deleted:
                gone = delete(access_objects).where(access_objects.c.kind == kind.value, access_objects.c.id == id_)
                await connection.execute(gone)
            for one in saved:
                row = {
                    "kind": one.kind.value,
                    "id": one.id,
                    "document": self._written(one),
                    "created_at": one.created_at,
                    "updated_at": one.updated_at,
                }
                insert = self._database.insert(access_objects).values(**row)
                new = {name: insert.excluded[name] for name in ("document", "updated_at")}
                await connection.execute(insert.on_conflict_do_update(index_elements=["kind", "id"], set_=new))
            if event is not None:
                await connection.execute(event_insertion(event))
        return True

    async def revoke_application(self, application_id: str) -> None:
        """Count one more revocation of all grants of an application."""
        insert = self._database.insert(application_revocations).values(application_id=application_id, revocations=1)
        counted = insert.on_conflict_do_update(
            index_elements=["application_id"], set_={"revocations": application_revocations.c.revocations + 1}
        )
        async with self._database.writing() as connection:
            await connection.execute(update(access_version).values(version=access_version.c.version + 1))
            await connection.execute(counted)

    def _written(self, one: AccessObject) -> str:
        text = json.dumps(one.document)
        if one.kind not in _SEALED:
            return text
        return base64.b64encode(self._sealer.seal(text.encode(), place=_place(one.kind, one.id))).decode("ascii")

    def _object(self, row: Row[Any]) -> AccessObject:
        text = row.document
        if row.kind in _SEALED:
            text = self._sealer.unseal(base64.b64decode(text), place=_place(row.kind, row.id)).decode()
        return AccessObject(ObjectKind(row.kind), row.id, json.loads(text), row.created_at, row.updated_at)


def _place(kind: str, id_: str) -> str:
    return f"access_objects/document/{kind}/{id_}"
