"""What the flows ask of the stores.

Two natures. The **durable** store (SQLite or PostgreSQL) keeps people, authenticators, wrong-code
counters, signing keys and the audit log: losing it would let whoever comes first enrol. The **live**
store (embedded in the SQLite file, or Redis) keeps what may be lost: people then log in again.

Verbs: `load_`, `save_`, `delete_`, `list_`; `claim_` is one atomic step that succeeds for one caller
only. Every method raises Unavailable when the store cannot answer. Times are Unix seconds, UTC.
"""

from __future__ import annotations

from secondgate.store.ports.administration import AccessObjects, ApiTokens, Audit, ServiceTokens, SigningKeys
from secondgate.store.ports.changes import Change, ChangeKind, ChangeListener, Changes
from secondgate.store.ports.durable import DurableStore
from secondgate.store.ports.live import Kind, LiveRecord, LiveStore
from secondgate.store.ports.outside import Mailer, Outgoing, OutgoingAnswer, Sealer
from secondgate.store.ports.people import (
    AttemptLimits,
    Attempts,
    Authenticators,
    People,
    PeopleFilter,
    PeoplePage,
    TemporaryPasses,
)

__all__ = [
    "AccessObjects",
    "ApiTokens",
    "AttemptLimits",
    "Attempts",
    "Audit",
    "Authenticators",
    "Change",
    "ChangeKind",
    "ChangeListener",
    "Changes",
    "DurableStore",
    "Kind",
    "LiveRecord",
    "LiveStore",
    "Mailer",
    "Outgoing",
    "OutgoingAnswer",
    "People",
    "PeopleFilter",
    "PeoplePage",
    "Sealer",
    "ServiceTokens",
    "SigningKeys",
    "TemporaryPasses",
]
