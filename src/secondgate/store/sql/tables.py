"""The tables of the durable store, as SQLAlchemy Core sees them; `migrations` makes them.

`live` stands here too: the embedded live store keeps its records beside the durable ones. All times are
Unix seconds, UTC. What is sealed says so in its name.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from secondgate.errors import Malformed

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class StorableText(TypeDecorator[str]):
    """Text that both databases can hold: PostgreSQL knows no NUL, and neither knows a lone surrogate."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """Pass text on. Raises Malformed for what one of the databases would refuse."""
        if value is not None and ("\0" in value or not _is_unicode(value)):
            raise Malformed("text", "must be Unicode without NUL")
        return value


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


persons = Table(
    "persons",
    metadata,
    Column("id", StorableText, primary_key=True),
    Column("email", StorableText, nullable=False, unique=True),
    Column("name", StorableText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_login_at", BigInteger),
    Column("disabled", Boolean, nullable=False),
    Column("last_method", StorableText),
    Column("wrong_in_a_row", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
)

identities = Table(
    "identities",
    metadata,
    Column("namespace", StorableText, primary_key=True),
    Column("subject", StorableText, primary_key=True),
    Column("person_id", StorableText, ForeignKey("persons.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
)

authenticators = Table(
    "authenticators",
    metadata,
    Column("id", StorableText, primary_key=True),
    Column("person_id", StorableText, ForeignKey("persons.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("method", StorableText, nullable=False),
    Column("name", StorableText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("credential_id", LargeBinary, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("backup_eligible", Boolean, nullable=False),
    Column("aaguid", StorableText, nullable=False),
    Column("transports", StorableText, nullable=False),
    Column("sealed_totp_seed", LargeBinary),
    Column("last_totp_step", BigInteger, nullable=False),
)
_TOTP = authenticators.c.method == "totp"
Index(
    "uq_authenticators_one_totp",
    authenticators.c.person_id,
    unique=True,
    sqlite_where=_TOTP,
    postgresql_where=_TOTP,
)

wrong_codes = Table(
    "wrong_codes",
    metadata,
    Column("id", StorableText, primary_key=True),
    Column("person_id", StorableText, nullable=False),
    Column("address", StorableText, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
    Index("ix_wrong_codes_person_id_at", "person_id", "at"),
    Index("ix_wrong_codes_address_at", "address", "at"),
)

passes = Table(
    "passes",
    metadata,
    Column("id", StorableText, primary_key=True),
    Column("person_id", StorableText, ForeignKey("persons.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("code_mac", StorableText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", StorableText, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", StorableText, primary_key=True),
    Column("algorithm", StorableText, nullable=False),
    Column("sealed_private_key", LargeBinary, nullable=False),
    Column("certificate", StorableText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

key_rotation = Table(
    "key_rotation",
    metadata,
    Column("singleton", Integer, CheckConstraint("singleton = 1", name="one_row"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("interval_days", Integer),
)

access_version = Table(
    "access_version",
    metadata,
    Column("singleton", Integer, CheckConstraint("singleton = 1", name="one_row"), primary_key=True),
    Column("version", BigInteger, nullable=False),
)

access_objects = Table(
    "access_objects",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", StorableText, nullable=False),
    Column("id", StorableText, nullable=False),
    Column("document", StorableText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("uq_access_objects_kind_id", "kind", "id", unique=True),
)

application_revocations = Table(
    "application_revocations",
    metadata,
    Column("application_id", StorableText, primary_key=True),
    Column("revocations", BigInteger, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", StorableText, primary_key=True),
    Column("name", StorableText, nullable=False, unique=True),
    Column("token_hash", StorableText, nullable=False, unique=True),
    Column("permissions", StorableText, nullable=False),
    Column("networks", StorableText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("excluded_networks", StorableText, nullable=False),
    Column("not_before", BigInteger),
    Column("is_enabled", Boolean, nullable=False),
    Column("updated_at", BigInteger),
    Column("revision", BigInteger, nullable=False),
)

service_tokens = Table(
    "service_tokens",
    metadata,
    Column("id", StorableText, primary_key=True),
    Column("name", StorableText, nullable=False, unique=True),
    Column("client_id", StorableText, nullable=False, unique=True),
    Column("secret_hash", StorableText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("duration_s", BigInteger),
    Column("is_enabled", Boolean, nullable=False),
    Column("previous_secret_hash", StorableText, nullable=False),
    Column("previous_expires_at", BigInteger),
    Column("updated_at", BigInteger),
    Column("last_seen_at", BigInteger),
    Column("revision", BigInteger, nullable=False),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", StorableText, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("action", StorableText, nullable=False),
    Column("actor", StorableText, nullable=False),
    Column("actor_kind", StorableText, nullable=False),
    Column("actor_id", StorableText, nullable=False),
    Column("person_id", StorableText, nullable=False, index=True),
    Column("address", StorableText, nullable=False),
    Column("method", StorableText, nullable=False),
    Column("authenticator_id", StorableText, nullable=False),
    Column("detail", StorableText, nullable=False),
    Index("ix_audit_events_at_sequence", "at", "sequence"),
    Index("ix_audit_events_action_at", "action", "at"),
    sqlite_autoincrement=True,
)

instance = Table(
    "instance",
    metadata,
    Column("singleton", Integer, CheckConstraint("singleton = 1", name="one_row"), primary_key=True),
    Column("id", StorableText, nullable=False),
    Column("sealed_canary", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("metadata_number", BigInteger, nullable=False, server_default="0"),
)

live = Table(
    "live",
    metadata,
    Column("kind", StorableText, primary_key=True),
    Column("key", StorableText, primary_key=True),
    Column("owner", StorableText, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("tally", BigInteger),
    Column("expires_at", Double, nullable=False, index=True),
    Index("ix_live_owner_kind", "owner", "kind"),
)
