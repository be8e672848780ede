"""The gate's connections: aiohttp's, with the fast path in front of its parser.

What arrives is looked at only where it can be nothing but one whole request: nothing else is under way on the
connection, and the parser holds no part of anything. All else goes through aiohttp unseen.

aiohttp bounds each field of a head, and waits for its end without end: here the whole of it has a bound, in bytes and
in time, so that many who send slowly, or much, hold little (RFC 6585, section 5).
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

from secondgate.gate.answers import SERVER_NAME
from secondgate.gate.fast_path import FastPath, Unanswered
from secondgate.model.policy import Address
from secondgate.proxied import believed_peer

FAST_PATH = web.AppKey("fast_path", FastPath)
MAX_UNFINISHED_BYTES = 256 * 1024
"""So much of a head is held before its end has come: more than the longest field that is read."""
HEAD_WITHIN_S = 30.0
_END = b"\r\n\r\n"
_TOO_LARGE_FIELDS = f"Content-Length: 0\r\nServer: {SERVER_NAME}\r\nConnection: close\r\n\r\n"
_TOO_LARGE = f"HTTP/1.1 431 Request Header Fields Too Large\r\n{_TOO_LARGE_FIELDS}".encode()


class GateConnection(RequestHandler):
    """One connection of a proxy. `unanswered` is what the fast path made of the request that is under way."""

    __slots__ = (
        "_body",
        "_fast_path",
        "_finished",
        "_head_timer",
        "_is_clear",
        "_peer",
        "_unfinished_bytes",
        "unanswered",
    )

    def __init__(self, manager: web.Server, fast_path: FastPath, **options: Any) -> None:  # noqa: ANN401 - aiohttp's
        super().__init__(manager, **options)
        self._fast_path = fast_path
        self._peer: Address | None = None
        self._is_clear = False
        self._finished = 0
        self._body: StreamReader = EMPTY_PAYLOAD
        self._unfinished_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self.unanswered: Unanswered | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; who is no trusted proxy is never answered in front of the parser."""
        super().connection_made(transport)
        self._peer = believed_peer(transport, self._fast_path.gate.trust)
        self._is_clear = self._peer is not None

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._head_has_ended()
        super().connection_lost(exc)

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
        if self._unfinished_bytes and self._unfinished_bytes + len(data) > MAX_UNFINISHED_BYTES:
            self._refuse_head()
            return
        is_in_body = not self._body.is_eof()
        super().data_received(data)
        # Only behind the end of a head without a body does the parser hold nothing.
        is_whole = bool(self._messages) and self._messages[-1][1] is EMPTY_PAYLOAD
        self._is_clear = is_whole and not self._upgraded and data.endswith(_END)
        if self._messages:
            self._body = self._messages[-1][1]
            self._head_has_ended()
        elif data and not is_in_body and not self._upgraded:
            self._unfinished_bytes += len(data)
            if self._head_timer is None:
                self._head_timer = self._loop.call_later(HEAD_WITHIN_S, self.force_close)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer. From then on the next request may be answered at once, unless this was the last one.

        aiohttp's own loop takes another turn until it waits again: a proxy that asks sooner is not sent around.
        """
        sent = await super().finish_response(request, resp, start_time)
        self._finished += 1
        if not resp.keep_alive:
            self._is_clear = False
        return sent

    def _stay_open(self) -> None:
        """Wait for the next request for as long as aiohttp does behind an answer of its own."""
        close_at = self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive = True
            self._keepalive_handle = self._loop.call_at(close_at, self._process_keepalive)

    def _head_has_ended(self) -> None:
        self._unfinished_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        """Say so where no answer of another request is under way, and close."""
        if self.transport is not None and self._finished == self._request_count:
            self.transport.write(_TOO_LARGE)
        self.force_close()


class GateServer(web.Server):
    """aiohttp's server, with the gate's connections. `options` are those of a connection."""

    def __init__(self, server: web.Server, fast_path: FastPath, options: dict[str, Any]) -> None:
        super().__init__(server.request_handler, request_factory=server.request_factory, **options)
        self._fast_path = fast_path

    def __call__(self) -> GateConnection:
        """Make what serves a new connection."""
        return GateConnection(self, self._fast_path, loop=self._loop, **self._kwargs)


class GateRunner(web.AppRunner):
    """Runs the gate's listener."""

    async def _make_server(self) -> web.Server:
        return GateServer(await super()._make_server(), self.app[FAST_PATH], self._kwargs)


def unanswered_by(request: web.Request) -> Unanswered | None:
    """Give what the fast path made of a request."""
    return request.protocol.unanswered if isinstance(request.protocol, GateConnection) else None
