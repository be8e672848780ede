"""The administrators' listener: health, readiness and metrics, there and nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from secondgate.admin import health
from secondgate.errors import Unavailable
from tests.web.browser import Browser
from tests.web.site import PORTAL, Site

PATHS = ("/metrics", "/livez", "/readyz")


async def test_a_process_that_answers_lives_and_with_both_stores_is_ready(site: Site) -> None:
    live = await site.send("admin", "GET", "/livez")
    assert (live.status, live.json) == (200, {"status": "ok"})
    ready = await site.send("admin", "GET", "/readyz")
    assert (ready.status, ready.json) == (200, {"status": "ok", "durable": "ok", "live": "ok"})


async def test_a_store_that_is_away_makes_it_not_ready_and_is_named_without_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise Unavailable("postgresql://secret@db.internal is out of reach")

    monkeypatch.setattr(site.services.durable, "ping", fail)
    ready = await site.send("admin", "GET", "/readyz")
    assert (ready.status, ready.json) == (503, {"status": "unavailable", "durable": "unavailable", "live": "ok"})
    assert (await site.send("admin", "GET", "/livez")).status == 200


async def test_a_store_that_does_not_answer_makes_it_not_ready_in_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(health, "READY_TIMEOUT_S", 0.05)
    monkeypatch.setattr(site.services.live, "ping", hang)
    ready = await site.send("admin", "GET", "/readyz")
    assert (ready.status, ready.json["live"]) == (503, "unavailable")


async def test_checks_are_counted_by_dialect_and_outcome(site: Site) -> None:
    async def count(outcome: str) -> float:
        metrics = await site.send("admin", "GET", "/metrics")
        name = f'secondgate_checks_total{{dialect="forward-auth",outcome="{outcome}"}} '
        found = [line for line in metrics.text.splitlines() if line.startswith(name)]
        return float(found[0].removeprefix(name)) if found else 0.0

    outcomes = ("allow", "signin", "refuse", "untrusted", "malformed")
    before = [await count(outcome) for outcome in outcomes]
    await site.check("forward-auth", "https://open.example.com/")
    await site.check("forward-auth", "https://menu.example.com/")
    await site.check("forward-auth", "https://none.example.com/")
    await site.check("forward-auth", "https://open.example.com/", source="127.0.0.9")
    await site.check("forward-auth", "https://open example.com/")
    assert [await count(outcome) for outcome in outcomes] == [one + 1 for one in before]


@pytest.mark.case(99)
async def test_metrics_and_health_are_on_the_administrators_listener_alone(site: Site) -> None:
    assert (await site.send("admin", "GET", "/metrics")).one("Content-Type").startswith("text/plain")
    for path in (*PATHS, "/openapi.json", "/client/v4/accounts"):
        assert (await site.send("gate", "GET", path)).status == 404
        for host in ("mfa.example.com", "wiki.example.com", "127.0.0.1"):
            answer = await site.send("portal", "GET", path, [("Host", host)])
            assert answer.status == 404
            assert "secondgate_checks" not in answer.text
    assert (await Browser(site).open(f"{PORTAL}/metrics")).status == 404


async def test_the_administrators_listener_serves_no_pages_and_no_checks(site: Site) -> None:
    for path in ("/", "/login", "/verify/forward-auth", "/account/devices", "/cdn-cgi/access/certs"):
        assert (await site.send("admin", "GET", path, [("Host", "mfa.example.com")])).status == 404
