"""Nobody learns from an answer who exists, who may log in, or what factors somebody has."""

from __future__ import annotations

import re

import pytest

from secondgate.flows.sessions import set_person_disabled
from tests.web.browser import Browser, Person
from tests.web.site import PORTAL, Site
from tests.web.wire import Answer

KNOWN, UNKNOWN, OUTSIDER, DISABLED = "ann@example.com", "zoe@example.com", "eve@elsewhere.org", "dan@example.com"


def shape(answer: Answer, email: str) -> tuple[int, list[str], str]:
    """Give all that an answer says, without what differs in every browser."""
    text = answer.text.replace(email, "EMAIL")
    text = re.sub(r'(name="csrf_token" value)="[0-9a-f]{64}"', r"\1", text)
    names = [f"{name}: {value}" for name, value in answer.fields if name not in {"Date", "Content-Length"}]
    return answer.status, [re.sub(r"(_state)=[^;]+", r"\1", name) for name in names], text


async def people(site: Site) -> None:
    """Make somebody with a factor, and somebody who was disabled."""
    await Person(site, KNOWN).log_in_with_totp()
    await Person(site, DISABLED).log_in(PORTAL)
    dan = await site.services.durable.load_person_by_email(DISABLED)
    assert dan
    await set_person_disabled(site.services, dan.id, disabled=True, actor="root@example.com")


@pytest.mark.case(98)
async def test_asking_for_a_pin_is_answered_alike_for_everybody(site: Site) -> None:
    await people(site)
    shapes = []
    for email in (KNOWN, UNKNOWN, OUTSIDER, DISABLED):
        browser = Browser(site)
        await browser.open("https://wiki.example.com/page")
        page = await browser.submit(email=email)
        assert browser.url.partition("?")[0].endswith("/pin")
        page = Answer(page.status, page.fields, re.sub(rb'name="request" value="[^"]+"', b"", page.body))
        page = Answer(page.status, page.fields, re.sub(rb"request=[\w.-]+", b"", page.body))
        shapes.append(shape(page, email))
    assert shapes[1:] == shapes[:1] * 3
    await site.settle()
    assert site.mails(OUTSIDER) == []
    assert len(site.mails(UNKNOWN)) == 1


@pytest.mark.case(98)
async def test_a_wrong_pin_is_answered_alike_for_everybody(site: Site) -> None:
    await people(site)
    shapes = set()
    for email in (KNOWN, UNKNOWN, OUTSIDER, DISABLED):
        browser = Browser(site)
        await browser.open(f"{PORTAL}/login")
        await browser.submit(email=email)
        statuses = [(await browser.submit(pin="000000")).status for _ in range(5)]
        over = await browser.submit(pin="000000")
        code, names, text = shape(over, email)
        shapes.add((tuple(statuses), code, tuple(names), text))
    ((before, last, _, words),) = shapes
    assert (before, last) == ((403, 403, 403, 403, 403), 403)
    assert "expired" in words


@pytest.mark.case(98)
async def test_a_link_to_add_a_device_says_nothing_of_who_has_one(site: Site) -> None:
    await people(site)
    pages = {shape(await Browser(site).open(f"{PORTAL}/{path}"), "")[0] for path in ("AddMfaDevice", "challenge")}
    assert pages == {200}


@pytest.mark.case(36, 98)
async def test_a_wrong_a_used_and_an_impossible_code_are_told_by_the_same_status(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp()
    answers = []
    for code in ("000000", ann.code(), "000001"):
        site.clock.advance(1)
        await ann.browser.open(f"{PORTAL}/challenge?purpose=devices")
        answers.append((await ann.browser.submit(code=code)).status)
    assert answers == [403, 200, 403]
