"""The managed objects, the tokens of those who manage them by the API, and temporary passes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Make the tables, and remember when a person was changed."""
    op.add_column("persons", sa.Column("updated_at", sa.BigInteger))
    version = op.create_table(
        "access_version",
        sa.Column("singleton", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint("singleton = 1", name="one_row"),
    )
    op.bulk_insert(version, [{"singleton": 1, "version": 0}])
    op.create_table(
        "access_objects",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("uq_access_objects_kind_id", "access_objects", ["kind", "id"], unique=True)
    op.create_table(
        "application_revocations",
        sa.Column("application_id", sa.Text, primary_key=True),
        sa.Column("revocations", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        sa.Column("permissions", sa.Text, nullable=False),
        sa.Column("networks", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
    )
    op.create_table(
        "passes",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text, sa.ForeignKey("persons.id", ondelete="CASCADE"), nullable=False, unique=True),
        sa.Column("code_mac", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
    )
