"""Deletes events of the audit log that are older than they are kept, and writes down that it did.

Of several replicas one does it in an hour. It goes batch by batch, so that nobody waits for a long transaction, and
each batch writes its own event in the same transaction: nothing is gone without a trace.
"""

from __future__ import annotations

from secondgate.flows.services import Services, log_event
from secondgate.model.audit import Actor, ActorKind, AuditEvent
from secondgate.store.ports import Kind

PRUNED_EVERY_S = 3600
LOOKED_AT_EVERY_S = 300.0
BATCH = 5000
_CLAIM = "audit-pruning"


async def prune_audit_log(services: Services, *, retention_s: int, batch: int = BATCH) -> int:
    """Delete what is older than `retention_s` seconds, the oldest first, unless another replica did within the hour.

    Gives how many events are gone. Raises Unavailable; what was deleted until then is written down.
    """
    if not await services.live.claim_once(Kind.USED, _CLAIM, ttl_s=PRUNED_EVERY_S):
        return 0
    before = services.now() - retention_s
    told: list[AuditEvent] = []

    def event(count: int) -> AuditEvent:
        actor = Actor(ActorKind.SYSTEM, "audit-retention")
        detail = {"count": str(count), "older_than": str(before)}
        told.append(services.new_event("audit.pruned", actor=actor, detail=detail))
        return told[-1]

    total = 0
    while True:
        count = await services.durable.prune_events(before=before, limit=batch, event=event)
        if count:
            log_event(told[-1])
        total += count
        if count < batch:
            return total
