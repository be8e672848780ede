"""A load at a rate that answers cannot slow down, in the running event loop, whose every answer is kept.

As in `generator`, latency counts from the moment at which a request was due. Here a connection may break, and answers
may take seconds: further connections are opened meanwhile, so that nothing that is due waits for what is late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import cast

from tests.load.generator import is_whole

BROKEN = 0
"""The status of an answer that did not come, because the connection ended."""
MAX_CONNECTIONS = 1000
GIVE_UP_S = 15.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer. Times are those of `time.perf_counter`: when it was due, sent, and answered."""

    kind: str
    due: float
    sent_at: float
    at: float
    status: int
    sets_cookie: bool = False

    @property
    def took_ms(self) -> float:
        """How long it took from when it was due."""
        return (self.at - self.due) * 1000


class _Line(asyncio.Protocol):
    """A connection with at most one request under way."""

    def __init__(self, steady: Steady) -> None:
        self._steady = steady
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._asked: tuple[str, float, float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def send(self, kind: str, request: bytes, due: float) -> None:
        self._asked = (kind, due, time.perf_counter())
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._asked is None or not is_whole(self._received):
            return
        head = self._received.partition(b"\r\n\r\n")[0].lower()
        self._received = b""
        self._keep(int(head[9:12]), sets_cookie=b"\r\nset-cookie:" in head)
        self._steady.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it by name
        if self in self._steady.idle:
            self._steady.idle.remove(self)
        self._steady.lines.discard(self)
        self._keep(BROKEN)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _keep(self, status: int, *, sets_cookie: bool = False) -> None:
        if self._asked is not None:
            kind, due, sent_at = self._asked
            self._asked = None
            self._steady.seen.append(Seen(kind, due, sent_at, time.perf_counter(), status, sets_cookie))

    @property
    def is_busy(self) -> bool:
        return self._asked is not None


class Steady:
    """Asks one port; `asked` are kinds and requests, in turn."""

    def __init__(self, port: int, asked: Sequence[tuple[str, bytes]], *, rate: float) -> None:
        self.seen: list[Seen] = []
        self.idle: list[_Line] = []
        self.lines: set[_Line] = set()
        self._port = port
        self._asked = cycle(asked)
        self._interval_s = 1 / rate
        self._opening: set[asyncio.Task[None]] = set()
        self._is_stopped = False

    async def run(self) -> None:
        """Ask until stopped, then wait for what is under way."""
        due = time.perf_counter()
        while not self._is_stopped:
            now = time.perf_counter()
            while due <= now and (self.idle or len(self.lines) + len(self._opening) < MAX_CONNECTIONS):
                kind, request = next(self._asked)
                if self.idle:
                    self.idle.pop().send(kind, request, due)
                else:
                    task = asyncio.ensure_future(self._open(kind, request, due))
                    self._opening.add(task)
                    task.add_done_callback(self._opening.discard)
                due += self._interval_s
            await asyncio.sleep(max(0.001, due - time.perf_counter()))
        until = time.perf_counter() + GIVE_UP_S
        while self._is_busy() and time.perf_counter() < until:  # noqa: ASYNC110 - of a list
            await asyncio.sleep(0.01)
        for line in list(self.lines):
            line.close()

    def _is_busy(self) -> bool:
        return bool(self._opening) or any(line.is_busy for line in self.lines)

    def stop(self) -> None:
        """Ask nothing more."""
        self._is_stopped = True

    async def _open(self, kind: str, request: bytes, due: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, line = await loop.create_connection(lambda: _Line(self), "127.0.0.1", self._port)
        except OSError:
            now = time.perf_counter()
            self.seen.append(Seen(kind, due, now, now, BROKEN))
            return
        self.lines.add(line)
        line.send(kind, request, due)


@asynccontextmanager
async def steadily(loads: Sequence[Steady]) -> AsyncIterator[None]:
    """Let loads go on meanwhile; in the end all their answers are there."""
    tasks = [asyncio.ensure_future(load.run()) for load in loads]
    try:
        yield
    finally:
        for load in loads:
            load.stop()
        await asyncio.gather(*tasks)
