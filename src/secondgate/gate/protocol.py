"""The gate's connections: those of every listener, with the fast path in front of aiohttp's parser.

What arrives is looked at only where it can be nothing but one whole request: nothing else is under way on the
connection, and the parser holds no part of anything. All else goes through aiohttp unseen.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD

from secondgate.connections import BoundedConnection, BoundedRunner, BoundedServer
from secondgate.gate.fast_path import FastPath, Unanswered
from secondgate.model.policy import Address
from secondgate.proxied import believed_peer

FAST_PATH = web.AppKey("fast_path", FastPath)
_END = b"\r\n\r\n"


class GateConnection(BoundedConnection):
    """One connection of a proxy. `unanswered` is what the fast path made of the request that is under way."""

    __slots__ = ("_fast_path", "_is_clear", "_peer", "unanswered")

    def __init__(self, manager: web.Server, fast_path: FastPath, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        super().__init__(manager, **options)
        self._fast_path = fast_path
        self._peer: Address | None = None
        self._is_clear = False
        self.unanswered: Unanswered | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; who is no trusted proxy is never answered in front of the parser."""
        super().connection_made(transport)
        self._peer = believed_peer(transport, self._fast_path.gate.trust)
        self._is_clear = self._peer is not None

    def data_received(self, data: bytes) -> None:
        """Answer at once what is known, or hand on what arrived."""
        self.unanswered = None
        if (
            self._is_clear
            and self._peer is not None
            and self._finished == self._request_count
            and not (self._paused or self._close or self._force_close)
            and self.transport is not None
        ):
            found = self._fast_path.find(data, self._peer)
            if isinstance(found, bytes):
                self.transport.write(found)
                self._stay_open()
                return
            self.unanswered = found
        super().data_received(data)
        # Only behind the end of a head without a body does the parser hold nothing.
        is_whole = bool(self._messages) and self._messages[-1][1] is EMPTY_PAYLOAD
        self._is_clear = is_whole and not self._upgraded and data.endswith(_END)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer. From then on the next request may be answered at once, unless this was the last one."""
        sent = await super().finish_response(request, resp, start_time)
        if not resp.keep_alive:
            self._is_clear = False
        return sent

    def _stay_open(self) -> None:
        """Wait for the next request for as long as aiohttp does behind an answer of its own."""
        close_at = self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive = True
            self._keepalive_handle = self._loop.call_at(close_at, self._process_keepalive)


class GateServer(BoundedServer):
    """The server of the gate's connections."""

    def __init__(self, server: web.Server, fast_path: FastPath, options: dict[str, Any]) -> None:
        super().__init__(server, options)
        self._fast_path = fast_path

    def __call__(self) -> GateConnection:
        """Make what serves a new connection."""
        return GateConnection(self, self._fast_path, loop=self._loop, **self._kwargs)


class GateRunner(BoundedRunner):
    """Runs the gate's listener."""

    async def _make_server(self) -> web.Server:
        return GateServer(await super()._make_server(), self.app[FAST_PATH], self._kwargs)


def unanswered_by(request: web.Request) -> Unanswered | None:
    """Give what the fast path made of a request."""
    return request.protocol.unanswered if isinstance(request.protocol, GateConnection) else None
