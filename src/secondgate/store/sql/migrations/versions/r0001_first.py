"""The first shape: persons, authenticators, wrong codes, signing keys, audit log, instance, live records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "persons",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("email", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_login_at", sa.BigInteger),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("last_method", sa.Text),
        sa.Column("wrong_in_a_row", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "authenticators",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text, sa.ForeignKey("persons.id", ondelete="CASCADE"), nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("credential_id", sa.LargeBinary, unique=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("backup_eligible", sa.Boolean, nullable=False),
        sa.Column("aaguid", sa.Text, nullable=False),
        sa.Column("transports", sa.Text, nullable=False),
        sa.Column("sealed_totp_seed", sa.LargeBinary),
        sa.Column("last_totp_step", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_authenticators_person_id", "authenticators", ["person_id"])
    one_totp = sa.text("method = 'totp'")
    op.create_index(
        "uq_authenticators_one_totp",
        "authenticators",
        ["person_id"],
        unique=True,
        sqlite_where=one_totp,
        postgresql_where=one_totp,
    )
    op.create_table(
        "wrong_codes",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_wrong_codes_person_id_at", "wrong_codes", ["person_id", "at"])
    op.create_index("ix_wrong_codes_address_at", "wrong_codes", ["address", "at"])
    op.create_index("ix_wrong_codes_at", "wrong_codes", ["at"])
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text, primary_key=True),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("sealed_private_key", sa.LargeBinary, nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit_events",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_events_person_id", "audit_events", ["person_id"])
    op.create_table(
        "instance",
        sa.Column("singleton", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("sealed_canary", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.CheckConstraint("singleton = 1", name="one_row"),
    )
    op.create_table(
        "live",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("tally", sa.BigInteger),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index("ix_live_expires_at", "live", ["expires_at"])
    op.create_index("ix_live_owner_kind", "live", ["owner", "kind"])
