"""The managed objects, the tokens of those who manage them by the API, and temporary passes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"

_ADDED_TO_AUDIT_EVENTS = ("id", "actor_kind", "actor_id", "method", "authenticator_id")


def upgrade() -> None:
    """Make the tables, remember when a person was changed, and extend the audit log."""
    _extend_audit_log()
    op.add_column("persons", sa.Column("updated_at", sa.BigInteger))
    op.add_column("instance", sa.Column("metadata_number", sa.BigInteger, nullable=False, server_default="0"))
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
        sa.Column("excluded_networks", sa.Text, nullable=False),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("updated_at", sa.BigInteger),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    rotation = op.create_table(
        "key_rotation",
        sa.Column("singleton", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("interval_days", sa.Integer),
        sa.CheckConstraint("singleton = 1", name="one_row"),
    )
    op.bulk_insert(rotation, [{"singleton": 1, "version": 0}])
    for column in (
        sa.Column("duration_s", sa.BigInteger),
        sa.Column("is_enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("previous_secret_hash", sa.Text, nullable=False, server_default=""),
        sa.Column("previous_expires_at", sa.BigInteger),
        sa.Column("updated_at", sa.BigInteger),
        sa.Column("last_seen_at", sa.BigInteger),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("service_tokens", column)
    op.execute("UPDATE service_tokens SET duration_s = expires_at - created_at")
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


def _extend_audit_log() -> None:
    """Let events say who did it, and with what. Those of before did not know more than who it was."""
    for name in _ADDED_TO_AUDIT_EVENTS:
        op.add_column("audit_events", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE audit_events SET id = 'event-' || sequence")
    op.execute(
        "UPDATE audit_events SET actor_kind = CASE actor WHEN '' THEN 'unknown' WHEN 'command-line'"
        " THEN 'command_line' ELSE 'person' END"
    )
    op.create_index("ix_audit_events_id", "audit_events", ["id"])
    op.create_index("ix_audit_events_at_sequence", "audit_events", ["at", "sequence"])
    op.create_index("ix_audit_events_action_at", "audit_events", ["action", "at"])
