"""What administrators do with people: make them for their first login, rename, disable, enable; look at their logins.

Deleting is in `sessions`, with all that ends by it.
"""

from __future__ import annotations

from dataclasses import replace

from secondgate.errors import Conflict, NotFound, Reason
from secondgate.flows.services import Services
from secondgate.flows.sessions import end_sessions
from secondgate.model.audit import LOGIN_FAILURES, AuditEvent, EventField, EventFilter, Who
from secondgate.model.person import Person

MAX_FAILED_LOGINS = 100
_LOGIN, _WRONG_PIN = "login.succeeded", "pin.rejected"


async def create_person(services: Services, *, email: str, name: str, actor: Who) -> Person:
    """Make somebody who has not logged in yet; the first login with this address is theirs.

    Raises Conflict(NAME_TAKEN) when the address is somebody's.
    """
    new_id = services.new_id()
    person = await services.durable.find_or_create_person(new_id=new_id, email=email, name=name, now=services.now())
    if person.id != new_id:
        raise Conflict(Reason.NAME_TAKEN, f"there is a user with the address {person.email} already")
    await services.audit("person.created", actor=actor, person_id=person.id, email=person.email, name=name)
    return person


async def change_person(
    services: Services, person_id: str, *, name: str | None = None, disabled: bool | None = None, actor: Who
) -> Person:
    """Rename, disable or enable a person, in one step; what is None stays. Disabling ends all that is theirs and live.

    Gives the person as they are now. Raises NotFound.
    """
    before, now = await services.durable.load_person(person_id), services.now()
    if before is None:
        raise NotFound(Reason.NOT_FOUND, "there is no such user")
    after = replace(
        before,
        name=before.name if name is None else name,
        disabled=before.disabled if disabled is None else disabled,
    )
    if after != before:
        if not await services.durable.change_person(person_id, name=name, disabled=disabled, now=now):
            raise NotFound(Reason.NOT_FOUND, "there is no such user")
        after = replace(after, updated_at=now)
    if after.name != before.name:
        await services.audit("person.renamed", actor=actor, person_id=person_id, before=before.name, after=after.name)
    if after.disabled != before.disabled:
        await services.audit(
            "person.disabled" if after.disabled else "person.enabled", actor=actor, person_id=person_id
        )
    if disabled:  # again, too: whoever disabled first may not have come to the end
        await services.durable.delete_pass(person_id)
        await end_sessions(services, person_id, actor=actor)
    return after


async def list_failed_logins(services: Services, person: Person) -> tuple[AuditEvent, ...]:
    """List what the person's logins failed by, the newest first, as far as the audit log goes back.

    Of a wrong PIN only the address is known: whoever typed it was nobody yet.
    """
    theirs = {EventField.ACTION: LOGIN_FAILURES, EventField.PERSON_ID: frozenset((person.id,))}
    pins = {
        EventField.ACTION: frozenset((_WRONG_PIN,)),
        EventField.ACTOR: frozenset((person.email,)),
        EventField.PERSON_ID: frozenset(("",)),
    }
    events: list[AuditEvent] = []
    for wanted in (theirs, pins):
        events += await services.durable.list_events(EventFilter(wanted=wanted), limit=MAX_FAILED_LOGINS)
    return tuple(sorted(events, key=lambda event: (event.at, event.sequence), reverse=True)[:MAX_FAILED_LOGINS])


async def load_last_login(services: Services, person: Person) -> AuditEvent | None:
    """Give the person's last login as the audit log has it; None where it goes not so far back."""
    wanted = {EventField.ACTION: frozenset((_LOGIN,)), EventField.PERSON_ID: frozenset((person.id,))}
    events = await services.durable.list_events(EventFilter(wanted=wanted), limit=1)
    return events[0] if events else None
