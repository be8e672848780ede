"""Whether the process lives and can work, and what it counted (Kubernetes probes, Prometheus text format)."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from secondgate.errors import Unavailable
from secondgate.flows.services import Services

READY_TIMEOUT_S = 2.0
SERVICES = web.AppKey("services", Services)


def add_health(app: web.Application, services: Services) -> None:
    """Add the routes."""
    app[SERVICES] = services
    app.add_routes(
        [web.get("/livez", _live), web.get("/readyz", _ready), web.get("/metrics", _metrics)],
    )


async def _live(_: web.Request) -> web.Response:
    """GET /livez: 200 while the process answers; asks nobody else, so that an outage restarts nothing."""
    return web.json_response({"status": "ok"})


async def _ready(request: web.Request) -> web.Response:
    """GET /readyz: 200 when both stores answer, 503 naming the one that does not."""
    services = request.app[SERVICES]
    stores = {}
    for name, ping in (("durable", services.durable.ping), ("live", services.live.ping)):
        try:
            await asyncio.wait_for(ping(), READY_TIMEOUT_S)
            stores[name] = "ok"
        except (Unavailable, TimeoutError):
            stores[name] = "unavailable"
    ready = all(state == "ok" for state in stores.values())
    return web.json_response({"status": "ok" if ready else "unavailable", **stores}, status=200 if ready else 503)


async def _metrics(_: web.Request) -> web.Response:
    """GET /metrics."""
    return web.Response(body=generate_latest(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})
