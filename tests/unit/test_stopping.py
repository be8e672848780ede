"""Tasks that forget a cancellation end all the same."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from secondgate.stopping import stop


async def forgets(times: int) -> None:
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
    await asyncio.sleep(60)


async def fails() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        raise ValueError


async def test_every_task_has_ended_however_it_does() -> None:
    tasks = [asyncio.create_task(work) for work in (forgets(0), forgets(1), forgets(2), fails())]
    done = asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0.01)
    await stop(*tasks, done)
    assert all(task.done() for task in (*tasks, done))
    await stop()
