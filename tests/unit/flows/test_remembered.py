"""What is remembered: not for longer than said, not more than said, and found out once for all who ask."""

from __future__ import annotations

import asyncio

import pytest

from secondgate.errors import Unavailable
from secondgate.flows.remembered import Found, Remembered
from tests.unit.flows.world import World


def memory(world: World, *, max_entries: int = 2) -> Remembered[str, int | None]:
    return Remembered(max_entries=max_entries, max_age_s=5, clock=world.clock)


def test_a_value_lives_for_five_seconds_and_not_longer_by_a_clock_that_goes_back(world: World) -> None:
    kept = memory(world)
    assert kept.get("a") is None
    kept.put("a", None)
    world.now += 4.9
    assert kept.get("a") == Found(None)
    world.now += 0.1
    assert kept.get("a") is None
    world.now -= 6
    assert kept.get("a") is None


def test_the_least_recently_used_is_forgotten_first(world: World) -> None:
    kept = memory(world)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == Found(1)
    kept.put("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (Found(1), None, Found(3))


async def test_it_is_found_out_once_for_all_who_ask_meanwhile(world: World) -> None:
    kept, asked, go = memory(world), [], asyncio.Event()

    async def find_out() -> int:
        asked.append(1)
        await go.wait()
        return 7

    asking = [asyncio.ensure_future(kept.find("a", find_out)) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*asking[1:]) == [7] * 49
    assert await kept.find("a", find_out) == 7
    assert len(asked) == 1


async def test_what_could_not_be_found_out_is_not_remembered(world: World) -> None:
    kept = memory(world)

    async def fail() -> int:
        raise Unavailable("down")

    async def succeed() -> int:
        return 7

    with pytest.raises(Unavailable):
        await kept.find("a", fail)
    assert await kept.find("a", succeed) == 7
