"""By which subject in which namespace people are known.

Before, people had logged in with a one-time PIN or by the headers of a proxy, and were known by their address alone.
They keep the ways by which the audit log says they came, and no others: another way has to be joined. Where it says
nothing of somebody who has logged in, both ways stay open, as they were.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"

_SOURCES = ("headers", "onetimepin")


def upgrade() -> None:
    """Make the table, and write down by what people were known."""
    identities = op.create_table(
        "identities",
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text, sa.ForeignKey("persons.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_identities_person_id", "identities", ["person_id"])
    connection = op.get_bind()
    came_by = _sources_of_logins(connection)
    rows = []
    for person in connection.execute(
        sa.text("SELECT id, email, created_at FROM persons WHERE last_login_at IS NOT NULL ORDER BY id")
    ):
        rows += [
            {"namespace": source, "subject": person.email, "person_id": person.id, "created_at": person.created_at}
            for source in sorted(came_by.get(person.id) or _SOURCES)
        ]
    if rows:
        op.bulk_insert(identities, rows)


def _sources_of_logins(connection: sa.Connection) -> dict[str, set[str]]:
    """Read by what each person has logged in, by the person's id."""
    found: dict[str, set[str]] = {}
    for event in connection.execute(
        sa.text("SELECT DISTINCT person_id, detail FROM audit_events WHERE action = 'login.succeeded'")
    ):
        source = json.loads(event.detail).get("source")
        if source in _SOURCES:
            found.setdefault(event.person_id, set()).add(source)
    return found
