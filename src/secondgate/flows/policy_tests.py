"""Policy tests: which of all known people would some policies let in?

Everybody is judged in the background by what the gate judges by. What came of it is live for an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from secondgate.errors import TooManyAttempts, Unavailable
from secondgate.flows.explanation import NO_ADDRESS, load_identity
from secondgate.flows.services import Services
from secondgate.model.access import Access
from secondgate.model.application import Application
from secondgate.model.explanation import Prospect, prospect
from secondgate.model.person import Person
from secondgate.model.policy import Visitor
from secondgate.store.ports import Kind
from secondgate.store.sessions import decode, encode

log = structlog.get_logger("secondgate.flows")

KEPT_S = 3600
MAX_S = 600
TESTS_AT_ONCE = (30, 60)


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One test: when it began, and what came of it for each person, by their id. `failed_at` is when it gave up."""

    id: str
    began_at: int
    prospects: tuple[tuple[str, Prospect], ...] = ()
    done_at: int | None = None
    failed_at: int | None = None

    def has_taken_too_long_at(self, now: int) -> bool:
        """Whether nothing will come of it any more: it gave up, or its process ended."""
        return self.failed_at is not None or (self.done_at is None and now - self.began_at > MAX_S)


async def begin_policy_test(services: Services, access: Access, application: Application) -> PolicyTest:
    """Begin to judge everybody by an application's policies, and give the test.

    Raises Unavailable, TooManyAttempts: each test looks at everybody, beside what the gate answers.
    """
    count, window_s = TESTS_AT_ONCE
    if await services.live.increment(Kind.COUNTER, "policy-tests", ttl_s=window_s) > count:
        raise TooManyAttempts(window_s, "too many policy tests were begun")
    test = PolicyTest(services.new_id(), services.now())
    await _save(services, test)
    services.spawn(_judge_everybody(services, test, access, application))
    return test


async def load_policy_test(services: Services, test_id: str) -> PolicyTest | None:
    """Give a test of the last hour. Raises Unavailable."""
    return decode(PolicyTest, await services.live.load(Kind.POLICY_TEST, test_id))


async def _judge_everybody(services: Services, test: PolicyTest, access: Access, application: Application) -> None:
    try:
        prospects = [
            (person.id, await _prospect(services, access, application, person))
            for person in await services.durable.list_people()
        ]
        await _save(services, replace(test, prospects=tuple(prospects), done_at=services.now()))
    except Unavailable as error:
        log.warning("policy_test.unavailable", id=test.id, reason=str(error))
        await _give_up(services, test)


async def _give_up(services: Services, test: PolicyTest) -> None:
    try:
        await _save(services, replace(test, failed_at=services.now()))
    except Unavailable:
        return  # it is found out by its age


async def _prospect(services: Services, access: Access, application: Application, person: Person) -> Prospect:
    if person.disabled:
        return Prospect.BLOCKED
    visitor = Visitor(NO_ADDRESS, await load_identity(services, person))
    return prospect(access, application, visitor, now=services.now())


async def _save(services: Services, test: PolicyTest) -> None:
    await services.live.save(Kind.POLICY_TEST, test.id, encode(test), ttl_s=KEPT_S)
