"""Whether the process lives and can work, and what it counted (Kubernetes probes, Prometheus text format)."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from secondgate.errors import Unavailable
from secondgate.flows.services import Services
from secondgate.handed_down import METRICS_VARIABLE

READY_TIMEOUT_S = 2.0
SERVICES = web.AppKey("services", Services)
BEFORE_METRICS: web.AppKey[Callable[[], None]] = web.AppKey("before_metrics")


def add_health(app: web.Application, services: Services, *, before_metrics: Callable[[], None]) -> None:
    """Add the routes. `before_metrics` is called before metrics are told, to add what was only counted yet."""
    app[BEFORE_METRICS] = before_metrics
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


async def _metrics(request: web.Request) -> web.Response:
    """GET /metrics: of this process, or the sum over all workers that there are and were, whichever answers."""
    request.app[BEFORE_METRICS]()
    return web.Response(body=await _counted(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})


async def _counted() -> bytes:
    folder = os.environ.get(METRICS_VARIABLE)
    if folder is None:
        return generate_latest()
    while True:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        try:
            return generate_latest(registry)
        except struct.error:  # a worker that starts has made its file, and not yet given it a length
            await asyncio.sleep(0.01)
