"""A relay in front of Redis over which subscriptions can be cut: `python -m tests.load.relay PORT REDIS_PORT`.

SIGUSR1 cuts: connections that subscribe stay open, and nothing passes over them any more in either direction, as when a
network swallows what it is given. All others go on. SIGUSR2 ends that: those connections are closed, new ones pass.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress

CHUNK_BYTES = 65_536


class Relay:
    """Passes on what comes."""

    def __init__(self, redis_port: int) -> None:
        self._redis_port = redis_port
        self._is_cut = False
        self._subscribers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Swallow what subscriptions say and are told."""
        self._is_cut = True

    def mend(self) -> None:
        """Let new subscriptions pass."""
        self._is_cut = False
        for writer in self._subscribers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until either side ends it."""
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._redis_port)
        try:
            done, waiting = await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass_on(reader, ours, writer)),
                    asyncio.ensure_future(self._pass_on(theirs, writer, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in waiting:
                task.cancel()
            for task in done:
                task.exception()
        finally:
            self._subscribers.discard(writer)
            ours.close()
            writer.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if b"SUBSCRIBE\r\n" in data:
                self._subscribers.add(client)
            if self._is_cut and client in self._subscribers:
                continue
            writer.write(data)
            with suppress(ConnectionError):
                await writer.drain()


async def main(port: int, redis_port: int) -> None:
    """Relay for ever."""
    relay = Relay(redis_port)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, relay.cut)
    loop.add_signal_handler(signal.SIGUSR2, relay.mend)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
