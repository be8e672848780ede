"""Redis servers that fail on purpose: each kind knows how it begins, how it ends, and what is left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import redis

from tests.e2e.processes import free_port, start
from tests.load import programs
from tests.load.lab import Lab
from tests.load.programs import Program

SERVICE = "mymaster"
DOWN_AFTER_MS = 500
READY_S = 20.0


class Suffering:
    """One way to fail. It `lasts` where somebody has to end it; `is_away` where Redis does not answer meanwhile."""

    name = ""
    lasts = True
    is_away = True
    sessions_gone = False

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._file_name = f"redis-{type(self).__name__.lower()}"
        self._redis = programs.start_redis(lab.folder, lab.load_core, name=self._file_name)
        lab.stack.callback(self._stop)

    @property
    def url(self) -> str:
        """Where Secondgate is told that Redis is."""
        return f"redis://127.0.0.1:{self._redis.port}/0"

    async def begin(self) -> None:
        """Fail; when it returns, it has failed."""
        raise NotImplementedError

    async def end(self) -> None:
        """Be there again; when it returns, it answers."""

    def _stop(self) -> None:
        self._redis.running.stop()

    def _kill(self) -> None:
        self._redis.running.process.kill()
        self._redis.running.process.wait()


class Killed(Suffering):
    """SIGKILL, and started again with nothing in it, on the same port."""

    name = "killed, back empty"
    sessions_gone = True

    async def begin(self) -> None:
        """Kill it."""
        self._kill()

    async def end(self) -> None:
        """Start it again."""
        lab, port = self._lab, self._redis.port
        self._redis = await asyncio.to_thread(
            programs.start_redis, lab.folder, lab.load_core, self._file_name, port=port
        )


class Paused(Suffering):
    """SIGSTOP and SIGCONT: connections stay, and nothing is answered meanwhile."""

    name = "paused"

    async def begin(self) -> None:
        """Stop it, and wait until it is stopped."""
        os.kill(self._redis.pid, signal.SIGSTOP)
        while not _is_stopped(self._redis.pid):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)

    async def end(self) -> None:
        """Let it go on."""
        os.kill(self._redis.pid, signal.SIGCONT)

    def _stop(self) -> None:
        os.kill(self._redis.pid, signal.SIGCONT)  # it could not end else
        super()._stop()


class Emptied(Suffering):
    """FLUSHALL."""

    name = "emptied"
    lasts = False
    is_away = False
    sessions_gone = True

    async def begin(self) -> None:
        """Delete everything."""
        with _client(self._redis.port) as client:
            client.flushall()


class FailedOver(Suffering):
    """The master is killed, and the Sentinels make its replica the master."""

    name = "failed over (Sentinel)"
    lasts = False

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        master = self._redis.port
        options = ["--replicaof", "127.0.0.1", master, "--repl-diskless-sync-delay", 0]
        self._replica = programs.start_redis(lab.folder, lab.load_core, name="redis-replica", options=options)
        lab.own(self._replica.running)
        _wait(lambda: _role(self._replica.port)[3] == b"connected", "the replica follows the master")
        self._sentinels = [self._start_sentinel(number) for number in range(3)]
        for sentinel in self._sentinels:
            _wait(partial(_knows_all, sentinel.port), "the Sentinels know each other")

    @property
    def url(self) -> str:
        """The Sentinels, and the name of what they watch."""
        nodes = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self._sentinels)
        return f"redis+sentinel://{nodes}/{SERVICE}"

    async def begin(self) -> None:
        """Kill the master."""
        self._kill()

    async def end(self) -> None:
        """Wait until the replica is the master, by its own word and a Sentinel's."""
        await asyncio.to_thread(_wait, self._is_replaced, "the replica is the master")

    def _is_replaced(self) -> bool:
        with _client(self._sentinels[0].port) as client:
            named = client.sentinel_get_master_addr_by_name(SERVICE)
        return bool(named) and int(named[1]) == self._replica.port and _role(self._replica.port)[0] == b"master"

    def _start_sentinel(self, number: int) -> Program:
        place, port = self._lab.folder / f"sentinel-{number}", free_port()
        place.mkdir()
        file = place / "sentinel.conf"
        file.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {place}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self._redis.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        command = programs.pinned(self._lab.load_core, ["redis-server", file, "--sentinel"])
        sentinel = Program(start(f"sentinel-{number}", command, folder=place, ports=[port]), port)
        self._lab.own(sentinel.running)
        return sentinel


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _client(port: int) -> redis.Redis:
    return redis.Redis(port=port, socket_timeout=1)


def _role(port: int) -> list[Any]:
    with _client(port) as client:
        return list(client.role())


def _knows_all(port: int) -> bool:
    with _client(port) as client:
        state = client.sentinel_master(SERVICE)
    return (state["num-other-sentinels"], state["num-slaves"]) == (2, 1)


def _wait(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + READY_S
    while True:
        try:
            if is_so():
                return
        except (redis.RedisError, OSError):
            pass
        if time.monotonic() > until:
            raise RuntimeError(f"after {READY_S} s still not so: {what}")
        time.sleep(0.02)
