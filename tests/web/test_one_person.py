"""One person with several ways of logging in: two OpenID Connect providers, PINs, and a proxy that names people."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes.openid_provider import OpenIdProvider, running_provider
from tests.web.browser import Browser, Person
from tests.web.conftest import StartSite
from tests.web.site import PORTAL, START, Site
from tests.web.wire import Answer

MENU = "https://menu.example.com/"
KNOWN = "known here from another way"
PROXY_SAYS = [("X-Auth-Email", "ann@example.com")]
pytestmark = pytest.mark.case(65)


@dataclass
class Providers:
    """Two providers; both vouch for Ann, under subjects of their own."""

    corp: OpenIdProvider
    club: OpenIdProvider

    def named(self, name: str) -> OpenIdProvider:
        return self.corp if name == "Corp" else self.club


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(running_provider(lambda: START)) for _ in range(2)]
        both[1].claims["sub"] = "club-1"
        yield Providers(*both)


@pytest.fixture
async def site(start_site: StartSite, providers: Providers) -> Site:
    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {"headers": [{"email": "X-Auth-Email"}]}
        configuration["access"]["identity_providers"] += [
            {"name": "Corp", "type": "oidc", "config": providers.corp.config()},
            {"name": "Club", "type": "oidc", "config": providers.club.config()},
        ]

    return await start_site(change)


async def log_in(browser: Browser, providers: Providers, way: str, url: str = MENU) -> Answer:
    """Open something and log in by a provider's name, `PIN` or `headers`; gives the page on which that ends."""
    if way == "headers":
        browser.named = PROXY_SAYS
        return await browser.open(url)
    browser.named = ()
    return await go_on(browser, providers, way, await browser.open(url))


async def go_on(browser: Browser, providers: Providers, way: str, page: Answer) -> Answer:
    """Log in on a login page."""
    if way == "PIN":
        await browser.submit(email="ann@example.com")
        return await browser.submit(pin=await browser.site.pin("ann@example.com"))
    found = re.search(rf'href="(/login/[^"]+)">Log in with {way}<', page.text)
    assert found, page.text
    answer = await browser.request("GET", PORTAL + found[1].replace("&amp;", "&"))
    return await browser.open(providers.named(way).authorize(answer.one("Location")))


async def follow(browser: Browser, label: str) -> Answer:
    """Do the one thing that a page offers."""
    links = re.findall(r'<a class="button" href="([^"]+)">([^<]+)</a>', browser.page.text)
    assert [name for _, name in links] == [label]
    return await browser.open(PORTAL + links[0][0].replace("&amp;", "&"))


async def enrol(person: Person) -> None:
    """Add an authenticator app."""
    await person.browser.open(f"{PORTAL}/AddMfaDevice")
    await person.set_up_totp()


async def people(site: Site) -> list[str]:
    return [person.email for person in await site.services.durable.list_people()]


def events(logs: io.StringIO, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    return [line for line in lines if line["event"] == event]


WAYS = ("PIN", "Corp", "headers")
PAIRS = [(first, second) for first in WAYS for second in (*WAYS, "Club") if first != second]


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_a_second_way_with_the_same_address_is_refused_with_a_page_a_log_line_and_an_event(
    site: Site, ann: Person, providers: Providers, logs: io.StringIO, *, first: str, second: str
) -> None:
    await log_in(ann.browser, providers, first)
    await enrol(ann)
    stranger = Browser(site)
    refused = await log_in(stranger, providers, second)
    assert (refused.status, KNOWN in refused.text) == (403, True)
    assert "Log in the earlier way" in refused.text
    assert not any("secondgate_login" in line for line in stranger.set_cookies)
    (line,) = events(logs, "login.failed")
    (event,) = await site.events("login.failed")
    assert line["reason"] == event.detail["reason"] == "identity_not_joined"
    assert "ann@example.com" in line["detail"]
    person = await site.services.durable.load_person_by_email("ann@example.com")
    assert person is not None
    assert person.last_login_at == START
    assert await people(site) == ["ann@example.com"]


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_the_refusals_page_leads_through_joining_and_from_then_on_both_ways_are_one_person(
    site: Site, ann: Person, providers: Providers, first: str, second: str
) -> None:
    await log_in(ann.browser, providers, first)
    await enrol(ann)
    browser = await ann.another_browser()
    assert (await log_in(browser, providers, second)).status == 403
    if first == "headers":  # the proxy names them again
        browser.named = PROXY_SAYS
    page = await follow(browser, "Log in the earlier way")
    if first != "headers":
        assert f"Log in with {second}<" not in page.text
        await go_on(browser, providers, first, page)
    assert "before you use another way of logging in" in browser.page.text
    assert await site.events("identity.joined") == []
    code = ann.code()
    page = await browser.submit(code=code)
    if second in ("Corp", "Club"):  # a page with a link: browsers follow no redirect from a form to a provider
        assert f">Log in with {second}<" in page.text
        await choose(browser, providers, second)
    if second == "PIN":
        await go_on(browser, providers, "PIN", browser.page)
    assert (browser.page.status, browser.url) == (200, f"{PORTAL}/")
    (event,) = await site.events("identity.joined")
    assert event.actor == "ann@example.com"
    for way in (first, second):
        assert (await log_in(Browser(site), providers, way)).status == 200
    assert await people(site) == ["ann@example.com"]


async def test_whoever_is_logged_in_must_have_verified_within_ten_minutes_in_this_browser(
    site: Site, ann: Person, providers: Providers
) -> None:
    await log_in(ann.browser, providers, "PIN")
    await enrol(ann)
    refused = await choose(ann.browser, providers, "Corp")
    assert (refused.status, "Verify now" in refused.text) == (403, True)
    await ann.open_window()
    site.clock.advance(600)
    providers.corp.clock = site.clock
    assert (await choose(ann.browser, providers, "Corp")).status == 403
    await ann.open_window()
    assert (await choose(Browser(site), providers, "Corp")).status == 403
    site.clock.advance(599)
    assert (await choose(ann.browser, providers, "Corp")).status == 200
    assert len(await site.events("identity.joined")) == 1


async def choose(browser: Browser, providers: Providers, way: str) -> Answer:
    """Go to a provider whoever is logged in, and log in there."""
    (provider,) = [one for one in browser.site.current().identity_providers if one.name == way]
    answer = await browser.request("GET", f"{PORTAL}/login/{provider.id}")
    return await browser.open(providers.named(way).authorize(answer.one("Location")))


async def test_the_window_of_one_person_joins_nothing_to_another(
    site: Site, ann: Person, ben: Person, providers: Providers
) -> None:
    await log_in(ann.browser, providers, "PIN")
    await enrol(ann)
    await ben.log_in(MENU)
    await enrol(ben)
    await ben.open_window()
    refused = await choose(ben.browser, providers, "Corp")
    assert (refused.status, "Log out first" in refused.text) == (403, True)
    assert await site.events("identity.joined") == []


async def test_a_first_enrolment_alone_joins_nothing(site: Site, ann: Person, providers: Providers) -> None:
    await log_in(ann.browser, providers, "Corp")
    assert (await choose(ann.browser, providers, "Club")).status == 403
    await ann.browser.open(f"{PORTAL}/account/join/{site.current().identity_providers[2].id}")
    assert ann.browser.url == f"{PORTAL}/AddMfaDevice"
    await ann.set_up_totp()
    assert (await choose(ann.browser, providers, "Club")).status == 403
    await ann.open_window()
    assert (await choose(ann.browser, providers, "Club")).status == 200


async def test_somebody_who_has_never_logged_in_is_whoever_comes_first(site: Site, providers: Providers) -> None:
    durable = site.services.durable
    await durable.find_or_create_person(new_id="made", email="ann@example.com", name="", now=START)
    assert (await log_in(Browser(site), providers, "Corp")).status == 200
    assert (await log_in(Browser(site), providers, "PIN")).status == 403
    (person,) = await durable.list_people()
    assert (person.id, person.name) == ("made", "Ann")


async def test_a_provider_that_is_renamed_in_the_file_locks_nobody_out(
    site: Site, ann: Person, providers: Providers
) -> None:
    await log_in(ann.browser, providers, "Corp")
    old = {one.id for one in site.current().identity_providers}

    def rename(configuration: dict[str, Any]) -> None:
        configuration["access"]["identity_providers"][1]["name"] = "Corporate"

    site.reload(rename)
    assert {one.id for one in site.current().identity_providers} != old
    browser = Browser(site)
    page = await browser.open(MENU)
    found = re.search(r'href="(/login/[^"]+)">Log in with Corporate<', page.text)
    assert found
    answer = await browser.request("GET", PORTAL + found[1].replace("&amp;", "&"))
    assert (await browser.open(providers.corp.authorize(answer.one("Location")))).status == 200
    assert len(await people(site)) == 1


async def test_an_address_that_changed_at_the_provider_changes_here_and_ends_what_was_live_under_the_old_one(
    site: Site, ann: Person, providers: Providers
) -> None:
    await log_in(ann.browser, providers, "Corp")
    (before,) = await site.services.durable.list_people()
    cookie = ann.session("menu.example.com")
    providers.corp.claims["email"] = "Ann.Lee@example.com"
    browser = Browser(site)
    arrived = await log_in(browser, providers, "Corp")
    assert (arrived.status, arrived.one("Remote-Email")) == (200, "ann.lee@example.com")
    (after,) = await site.services.durable.list_people()
    assert (after.id, after.email) == (before.id, "ann.lee@example.com")
    (event,) = await site.events("person.email_changed")
    assert (event.detail["before"], event.detail["after"]) == ("ann@example.com", "ann.lee@example.com")
    assert (await ann.browser.request("GET", MENU, cookie=cookie)).status == 302
    assert (await log_in(Browser(site), providers, "PIN")).status == 200, "the old address is nobody's now"
    assert len(await people(site)) == 2


async def test_an_address_that_changed_to_somebody_elses_is_refused(
    site: Site, ann: Person, ben: Person, providers: Providers, logs: io.StringIO
) -> None:
    await log_in(ann.browser, providers, "Corp")
    await ben.log_in(MENU)
    providers.corp.claims["email"] = "ben@example.com"
    refused = await log_in(Browser(site), providers, "Corp")
    assert (refused.status, "somebody else has here" in refused.text) == (403, True)
    assert [line["reason"] for line in events(logs, "login.failed")] == ["identity_mismatch"]
    assert await people(site) == ["ann@example.com", "ben@example.com"]
    assert (await ann.browser.open(MENU)).status == 200


async def test_whom_the_proxy_names_again_and_again_in_vain_fills_no_audit_log(
    site: Site, ann: Person, providers: Providers
) -> None:
    await log_in(ann.browser, providers, "PIN")
    browser = Browser(site)
    for _ in range(4):
        assert (await log_in(browser, providers, "headers")).status == 403
    assert len(await site.events("login.failed")) == 1


@pytest.mark.parametrize("way", ["x", "HEADERS", "00000000-0000-0000-0000-000000000000", "join-headers"])
async def test_a_way_that_there_is_not_is_not_there(site: Site, way: str) -> None:
    assert (await Browser(site).open(f"{PORTAL}/account/join/{way}")).status == 404


async def test_joining_by_headers_without_a_proxy_that_names_anybody_joins_nothing(
    site: Site, ann: Person, providers: Providers
) -> None:
    await log_in(ann.browser, providers, "PIN")
    await enrol(ann)
    await ann.open_window()
    await ann.browser.open(f"{PORTAL}/account/join/headers")
    assert ann.browser.url == f"{PORTAL}/"
    assert await site.events("identity.joined") == []
