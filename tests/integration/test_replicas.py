"""Two whole replicas on one PostgreSQL and one Redis: what one knows, the other holds."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyotp
import pytest
from redis.asyncio import Redis

from secondgate.flows.keys import DAY_S, DEFAULT_INTERVAL_DAYS, rotate_keys, rotate_keys_when_due
from secondgate.flows.refresh import refresh
from secondgate.protocol.jwt import SPREAD_S
from tests.web.browser import FORM, Browser, Person
from tests.web.site import DIALECTS, NAVIGATION, PORTAL, Site, open_site
from tests.web.wire import Answer

WIKI = "https://wiki.example.com/page"
Replicas = tuple[Site, Site]


def on(postgres_url: str, redis_url: str) -> Callable[[dict[str, Any]], None]:
    def change(configuration: dict[str, Any]) -> None:
        configuration["storage"] |= {"database": postgres_url, "redis": redis_url}

    return change


@pytest.fixture
async def replicas(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Replicas]:
    """Two replicas; the second got a copy of the sealing key, as an operator would copy it."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        (folder / "data").mkdir(parents=True, mode=0o700)
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(open_site(folders[0], on(postgres_url, redis_url)))
        shutil.copy(folders[0] / "data" / "sealing.key", folders[1] / "data")
        two = await stack.enter_async_context(open_site(folders[1], on(postgres_url, redis_url)))
        yield one, two


async def statuses(site: Site, cookie: str) -> set[int]:
    return {(await site.check(dialect, WIKI, cookie=cookie)).status for dialect in DIALECTS}


@pytest.mark.case(24)
async def test_a_login_at_one_replica_opens_the_other_and_a_logout_closes_both(replicas: Replicas) -> None:
    one, two = replicas
    ann = Person(one, "ann@example.com")
    await ann.log_in_with_totp(WIKI)
    cookie = ann.session("wiki.example.com")
    assert await statuses(one, cookie) == await statuses(two, cookie) == {200}
    await ann.browser.open(f"{PORTAL}/logout")
    await ann.browser.submit(scope="browser")
    for site in replicas:
        assert 200 not in await statuses(site, cookie)


@pytest.mark.case(35)
async def test_of_two_hundred_posts_of_one_code_at_two_replicas_one_succeeds(replicas: Replicas) -> None:
    one, two = replicas
    ann = Person(one, "bea@example.com")
    await ann.log_in_with_totp(WIKI)
    browser = await ann.another_browser()
    await ann.log_in(WIKI)
    form = browser.form("code")
    code = ann.code()
    two.clock.now = one.clock.now
    body = urlencode({**form.fields, "code": code}).encode()
    fields = [*NAVIGATION, ("Content-Type", FORM), ("Origin", PORTAL), ("Host", "mfa.example.com")]
    fields.append(("Cookie", browser.cookies("mfa.example.com")))
    answers = await asyncio.gather(
        *(site.send("portal", "POST", "/challenge", fields, body) for site in replicas for _ in range(100))
    )
    logged_in = [a for a in answers if any("secondgate_login=" in cookie for cookie in a.all("Set-Cookie"))]
    assert len(logged_in) == 1
    assert {answer.status for answer in answers} <= {303, 403, 429}


@pytest.mark.case(34, 37)
async def test_emptying_redis_logs_people_out_and_opens_nothing(replicas: Replicas, redis_url: str) -> None:
    one, two = replicas
    ann = Person(one, "cat@example.com")
    await ann.log_in_with_totp(WIKI)
    cookie = ann.session("wiki.example.com")
    used = pyotp.TOTP(ann.seed).at(int(one.clock.now))
    async with Redis.from_url(redis_url) as redis:
        await redis.flushdb()
    for site in replicas:
        assert 200 not in await statuses(site, cookie)
    ann.browser = Browser(two)
    ann.site = two
    two.clock.now = one.clock.now
    await ann.log_in(WIKI)
    refused = await ann.browser.submit(code=used)
    assert refused.status == 403
    assert (await ann.browser.submit(code=ann.code())).status == 200


@pytest.mark.case(36, 37)
async def test_wrong_codes_count_over_replicas_and_the_right_code_gets_the_same_answer(replicas: Replicas) -> None:
    one, two = replicas
    ann = Person(one, "dan@example.com")
    await ann.log_in_with_totp(WIKI)
    two.clock.now = one.clock.now = one.clock.now + 3600
    wrong = "000000" if ann.code() != "000000" else "111111"
    answers = []
    for site in replicas:
        ann.site, ann.browser = site, Browser(site)
        await ann.log_in(WIKI)
        answers += [await ann.browser.submit(code=wrong) for _ in range(3)]
    assert [answer.status for answer in answers] == [403] * 5 + [429]
    right = await ann.browser.submit(code=pyotp.TOTP(ann.seed).at(int(ann.site.clock.now)))
    assert (right.status, visible(right)) == (429, visible(answers[-1]))


def visible(answer: Answer) -> str:
    """Give a page's text without tokens that differ from page to page."""
    return re.sub(r'value="[^"]*"', "", answer.text)


async def test_a_deleted_authenticator_ends_its_sessions_at_the_other_replica(replicas: Replicas) -> None:
    one, two = replicas
    ann = Person(one, "eva@example.com")
    await ann.log_in_with_totp(WIKI)
    cookie = ann.session("wiki.example.com")
    await ann.open_window()
    await ann.browser.open(f"{PORTAL}/account/devices")
    person = await two.services.durable.load_person_by_email(ann.email)
    assert person is not None
    (device,) = await two.services.durable.list_authenticators(person.id)
    await ann.browser.open(f"{PORTAL}/account/devices/{device.id}/remove")
    await ann.browser.submit()
    assert await two.services.durable.list_authenticators(person.id) == ()
    assert 200 not in await statuses(two, cookie)


@pytest.mark.case(90)
async def test_a_key_that_one_replica_made_is_learned_by_the_other_before_it_signs(replicas: Replicas) -> None:
    one, two = replicas
    before = one.services.keys.kids[0]
    await rotate_keys(one.services, actor="test")
    made = one.services.keys.kids[0]
    assert (one.services.keys.kids, two.services.keys.kids) == ((made, before), (before,))
    fay = Person(one, "fay@example.com")
    await fay.log_in_with_totp(WIKI)
    cookie = fay.session("wiki.example.com")
    assert await statuses(one, cookie) == await statuses(two, cookie) == {200}
    await refresh(two.services)
    two.clock.now = one.clock.now = one.clock.now + SPREAD_S + 1
    gus = Person(one, "gus@example.com")
    await gus.log_in_with_totp(WIKI)
    later = gus.session("wiki.example.com")
    for session in (cookie, later):
        assert await statuses(one, session) == await statuses(two, session) == {200}


@pytest.mark.case(90)
async def test_of_two_replicas_that_rotate_keys_when_it_is_time_one_does_it(replicas: Replicas) -> None:
    one, two = replicas
    two.clock.now = one.clock.now = one.clock.now + DEFAULT_INTERVAL_DAYS * DAY_S
    done = await asyncio.gather(*(rotate_keys_when_due(replica.services) for replica in (one, two) * 3))
    assert sum(done) == 1
    assert len(await one.services.durable.list_signing_keys()) == 2
