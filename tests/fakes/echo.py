"""An application that answers with what it received: behind a proxy it shows what got through.

Every request is answered with JSON: method, target as received, headers as pairs in their order, body. A WebSocket
gets that JSON as its first message and then its own messages back. `/.status/NNN` answers with that status.
Run it with `python -m tests.fakes.echo PORT`; every request is also kept, for tests that run it themselves.
"""

from __future__ import annotations

import json
import re
import sys

from aiohttp import WSMsgType, web

SEEN: web.AppKey[list[dict[str, object]]] = web.AppKey("seen", list)


async def _received(request: web.Request) -> dict[str, object]:
    return {
        "method": request.method,
        "target": request.raw_path,
        "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers],
        "body": (await request.read()).decode("latin-1"),
    }


async def echo(request: web.Request) -> web.StreamResponse:
    """Answer with the request."""
    received = await _received(request)
    request.app[SEEN].append(received)
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await _echo_messages(request, received)
    status = re.fullmatch(r"/\.status/(\d{3})", request.path)
    return web.json_response(received, status=int(status[1]) if status else 200)


async def _echo_messages(request: web.Request, received: dict[str, object]) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(json.dumps(received))
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


def make_app() -> web.Application:
    """Make the application; `app[SEEN]` lists what it received."""
    app = web.Application()
    app[SEEN] = []
    app.router.add_route("*", "/{anything:.*}", echo)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
