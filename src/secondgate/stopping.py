"""Ends tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_S = 0.1


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is not told.

    One cancellation is not enough: `asyncio.wait_for`, by which redis-py sends, forgets one that comes as it ends
    (https://github.com/python/cpython/issues/81839, mended in Python 3.12).
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()
