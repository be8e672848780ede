"""Keys and service tokens are read again and again, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from secondgate.errors import Unavailable
from secondgate.flows.refresh import heard, kept_fresh, refresh, repeated
from secondgate.model.keys import SigningAlgorithm
from secondgate.model.secret import Secret
from secondgate.model.service_token import ServiceToken
from secondgate.protocol.jwt import new_signing_key
from secondgate.protocol.opaque_token import token_hash
from secondgate.protocol.service_token import PresentedServiceToken
from secondgate.store.ports import Change, ChangeKind
from tests.unit.flows.world import START, World

TOKEN = ServiceToken("id", "ci", "client", token_hash("right"), START)
PRESENTED = PresentedServiceToken("client", Secret("right"))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - what is waited for tells of no event
            await asyncio.sleep(0.001)


async def test_tokens_and_keys_that_are_stored_now_are_used_now(world: World) -> None:
    world.durable.service_tokens["id"] = TOKEN
    await refresh(world.services)
    assert world.services.service_tokens.find(PRESENTED, now=START) == TOKEN
    kids = world.services.keys.kids
    made = new_signing_key(SigningAlgorithm.ES256, now=START + 1, name="new", random_bytes=os.urandom)
    await world.durable.add_signing_key(made)
    await refresh(world.services)
    assert world.services.keys.kids == (made.kid,) != kids


@pytest.mark.case(85)
@pytest.mark.parametrize("error", [Unavailable("gone"), RuntimeError("a mistake of ours")])
async def test_a_reading_that_fails_is_logged_and_tried_again(
    world: World, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0

    async def fail() -> tuple[ServiceToken, ...]:
        nonlocal failed
        failed += 1
        raise error

    monkeypatch.setattr(world.durable, "list_service_tokens", fail)
    with capture_logs() as logs:
        async with kept_fresh(world.services, every_s=0.001):
            await until(lambda: failed > 2)
            monkeypatch.undo()
            world.durable.service_tokens["id"] = TOKEN
            await until(lambda: "ci" in world.services.service_tokens.references)
    assert {line["event"] for line in logs} & {"refresh.unavailable", "refresh.error"}


async def test_work_that_swallows_its_cancellation_is_ended_all_the_same() -> None:
    swallowed = 0

    async def work() -> None:
        nonlocal swallowed
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            swallowed += 1
            if swallowed > 1:
                raise

    async with asyncio.timeout(5) as limit, repeated(work, every_s=0):
        await asyncio.sleep(0.01)
    assert swallowed == 2
    assert not limit.expired()


@pytest.mark.case(85)
async def test_what_cannot_be_read_keeps_nothing_else_from_being_read(world: World) -> None:
    read: list[str] = []

    async def fail() -> None:
        read.append("access")
        raise Unavailable("gone")

    async def succeed(name: str) -> None:
        read.append(name)

    reads: dict[ChangeKind, Callable[[], Awaitable[object]]] = {
        ChangeKind.ACCESS: fail,
        ChangeKind.SIGNING_KEYS: lambda: succeed("keys"),
        ChangeKind.SERVICE_TOKENS: lambda: succeed("tokens"),
    }
    with capture_logs() as logs:
        async with heard(world.services, reads):
            await until(lambda: set(read) == {"access", "keys", "tokens"})
            read.clear()
            for kind in reads:
                await world.services.changes.publish(Change(kind))
            await until(lambda: set(read) == {"access", "keys", "tokens"})
    assert [line["event"] for line in logs] == ["refresh.unavailable"]
