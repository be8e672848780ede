"""What Secondgate is measured against: one aiohttp route that answers 200 and does nothing else."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web


async def answer(_: web.Request) -> web.StreamResponse:
    """Answer."""
    return web.Response()


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    await web._run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
