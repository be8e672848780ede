"""One of several processes that serve on the same sockets: what it inherits, how it shares, when it ends.

All workers accept from the same sockets, which the supervisor opened and holds: nothing is refused, and no connection
waits in the queue of a worker that died. With that alone the first to wake takes all connections that come together,
and proxies keep theirs: of 16 that were opened at once one of two workers had 14 to 16, and two workers answered 49,000
requests a second, as many as one. A socket for each worker (SO_REUSEPORT) spreads by chance (16: 5 to 11), strands what
waits for a dead worker, and there is no such thing for Unix sockets. So each worker writes down how many connections it
has, and who has more than another leaves a new one to the others for a millisecond before taking it: 16 become 8 and 8,
give or take one or two, and the same two workers answer 61,000 to 68,000. A connection costs 50 µs more to open.
"""

from __future__ import annotations

import asyncio
import errno
import mmap
import os
import shutil
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client.multiprocess import mark_process_dead

from secondgate.handed_down import (
    NOBODY,
    HandedDown,
    connections_file,
    take_handed_down,
)

log = structlog.get_logger("secondgate.worker")

LEFT_TO_OTHERS_S = 0.001
NO_DESCRIPTORS_S = 1.0
"""How long nothing is accepted after the process ran out of descriptors."""
_NOTHING_TO_ACCEPT = (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR)


class Worker:
    """This process as one worker of several. Made once, since it takes over inherited descriptors."""

    def __init__(self, handed: HandedDown) -> None:
        self.number = handed.number
        self._handed = handed
        self._folder = Path(handed.folder)
        self._sockets = {
            name: [socket.socket(fileno=one) for one in numbers] for name, numbers in handed.listeners.items()
        }
        for opened in [one for sockets in self._sockets.values() for one in sockets]:
            opened.settimeout(0)
            opened.set_inheritable(False)
        for descriptor in (handed.alive, handed.ready):
            os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only form
        with connections_file(self._folder).open("r+b") as file:
            self._counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("I")
        self._is_orphan = False
        if handed.replaces:
            mark_process_dead(handed.replaces)  # type: ignore[no-untyped-call]

    def name_logs(self) -> None:
        """Have each line that is logged from here on say which worker it is from."""
        structlog.contextvars.bind_contextvars(worker=self.number)

    def watch(self, stop: asyncio.Event) -> None:
        """Set `stop` when the supervisor is gone, however it ended."""
        loop = asyncio.get_running_loop()

        def orphaned() -> None:
            loop.remove_reader(self._handed.alive)
            self._is_orphan = True
            log.warning("worker.supervisor_lost")
            stop.set()

        loop.add_reader(self._handed.alive, orphaned)

    def tell_ready(self) -> None:
        """Tell the supervisor that all listeners answer."""
        with suppress(BrokenPipeError):
            os.write(self._handed.ready, b".")
        os.close(self._handed.ready)

    def sites(self, runner: web.AppRunner, name: str) -> list[SharedSite]:
        """Make what accepts a listener's connections, one a socket."""
        first = list(self._sockets).index(name) * self._handed.workers
        counts = self._counts[first : first + self._handed.workers]
        return [SharedSite(runner, one, counts, self.number - 1) for one in self._sockets[name]]

    def close(self) -> None:
        """Remove what a supervisor that is gone could not remove."""
        if self._is_orphan:
            shutil.rmtree(self._folder, ignore_errors=True)


class SharedSite(web.BaseSite):
    """Accepts from a socket from which other processes accept too, and leaves them their share.

    `counts` holds the listener's connections of each worker; `own` is the place of this one.
    """

    def __init__(self, runner: web.AppRunner, opened: socket.socket, counts: memoryview[int], own: int) -> None:
        super().__init__(runner, backlog=0)
        if runner.server is None:
            raise RuntimeError("runner.setup() comes first")
        self._connections = runner.server
        self._socket = opened
        self._counts = counts
        self._own = own
        self._others = [place for place in range(len(counts)) if place != own]
        self._opening: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """What aiohttp calls it."""
        return f"http://{self._socket.getsockname()}"

    async def start(self) -> None:
        """Begin to accept."""
        await super().start()
        self._loop = asyncio.get_running_loop()
        self._count()
        self._loop.add_reader(self._socket, self._somebody_waits)

    async def stop(self) -> None:
        """Accept no more; what was accepted is served."""
        self._loop.remove_reader(self._socket)
        if self._pause is not None:
            self._pause.cancel()
        self._counts[self._own] = NOBODY
        if self._opening:
            await asyncio.wait(self._opening)
        self._socket.close()
        await super().stop()

    def _count(self) -> int:
        """Tell the others how many connections this worker has: they are asked whenever somebody comes."""
        count = self._counts[self._own] = len(self._connections.connections) + len(self._opening)
        return count

    def _somebody_waits(self) -> None:
        count = self._count()
        if self._others and count > min(self._counts[place] for place in self._others):
            self._leave_for(LEFT_TO_OTHERS_S)
        else:
            self._accept()

    def _leave_for(self, pause_s: float) -> None:
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(pause_s, self._return)

    def _return(self) -> None:
        """Take what none of the others took, and look again."""
        self._pause = None
        self._loop.add_reader(self._socket, self._somebody_waits)
        self._accept()

    def _accept(self) -> None:
        try:
            accepted, _ = self._socket.accept()
        except OSError as error:
            if error.errno not in _NOTHING_TO_ACCEPT:
                log.error("accept.failed", reason=error.strerror)  # noqa: TRY400 - nothing of it is ours
                self._leave_for(NO_DESCRIPTORS_S)
            return
        accepted.settimeout(0)
        opening = self._loop.create_task(self._open(accepted))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        self._count()

    async def _open(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._connections, accepted)
        except OSError:
            accepted.close()  # gone already


def worker_of(environ: MutableMapping[str, str]) -> Worker | None:
    """Take over what a supervisor handed down by the environment; None in a process without one."""
    handed = take_handed_down(environ)
    return None if handed is None else Worker(handed)
