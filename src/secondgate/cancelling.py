"""Ends tasks that go on until they are cancelled.

`asyncio.wait_for`, in which redis-py sends, swallows a cancellation that comes just as what it waits for is done
(Python 3.11: https://github.com/python/cpython/issues/86296): the task goes on as if nobody had said anything.
"""

from __future__ import annotations

import asyncio

AGAIN_S = 1.0


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task until it is over. Raises what it raised."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_S)
    if not task.cancelled():
        task.result()
