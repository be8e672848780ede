"""Issuing temporary passes, and using them at a browser."""

from __future__ import annotations

import pytest

from secondgate.errors import ProofRejected, Reason, TooManyAttempts
from secondgate.flows.passes import complete_pass, create_pass
from secondgate.flows.window import load_window
from secondgate.model.audit import Actor, ActorKind
from secondgate.model.session import Login
from secondgate.protocol.temporary_pass import format_pass_code
from tests.unit.flows.world import Person

HELPDESK = Actor(ActorKind.TOKEN, "helpdesk", "token-1", "192.0.2.200")
WRONG = "0000-0000-0000"


async def issue(person: Person, *, ttl_s: int = 3600) -> str:
    """Issue a pass, and give the code as it is told."""
    known = await person.services.durable.load_person_by_email(person.email)
    assert known
    _, code = await create_pass(person.services, known.id, ttl_s=ttl_s, actor=HELPDESK)
    return format_pass_code(code)


async def use(person: Person, code: object) -> Login:
    login = await person.login()
    return person.take(await complete_pass(person.services, person.browser(login), login, code=code))


async def reason_of(person: Person, code: object) -> Reason:
    with pytest.raises((ProofRejected, TooManyAttempts)) as refused:
        await use(person, code)
    return refused.value.reason


async def is_open(person: Person) -> bool:
    return await load_window(person.services, await person.login()) is not None
