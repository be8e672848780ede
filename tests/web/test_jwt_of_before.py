"""A signed token lives for hours: what it says of an address may be over by then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.jwt_issuer import JwtIssuer, running_issuer
from tests.web.browser import Browser
from tests.web.conftest import StartSite
from tests.web.site import FORWARD_AUTH, PORTAL, SCRIPT, START, Site
from tests.web.wire import Answer

MENU = "https://menu.example.com/"
OLD, NEW = "old@example.com", "new@example.com"


@pytest.fixture
async def issuer() -> AsyncIterator[JwtIssuer]:
    async with running_issuer(lambda: START) as running:
        yield running


@pytest.fixture
async def site(start_site: StartSite, issuer: JwtIssuer) -> Site:
    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {"jwt": [issuer.source()]}

    site = await start_site(change)
    issuer.clock = site.clock
    return site


async def ask(site: Site, token: str) -> Answer:
    return await site.check(FORWARD_AUTH, MENU, fields=[*SCRIPT, ("Authorization", f"Bearer {token}")])


async def test_a_token_from_before_an_address_changed_does_not_change_it_back(site: Site, issuer: JwtIssuer) -> None:
    before = issuer.token(email=OLD, exp=START + 3600)
    assert (await ask(site, before)).one("Remote-Email") == OLD
    site.clock.advance(61)
    assert (await ask(site, issuer.token(email=NEW))).one("Remote-Email") == NEW
    refused = await ask(site, before)
    assert (refused.status, refused.json["reason"]) == (403, "identity_mismatch")
    browser = Browser(site, named=[("Authorization", f"Bearer {before}")])
    assert (await browser.open(f"{PORTAL}/login")).status == 403
    assert [person.email for person in await site.services.durable.list_people()] == [NEW]
    assert len(await site.events("person.email_changed")) == 1
