"""Temporary passes over sockets: the way of somebody who lost every device, and of a guarded first enrolment."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlencode

import pytest

from secondgate.flows.passes import create_pass
from secondgate.protocol.temporary_pass import format_pass_code
from tests.web.browser import FORM, Browser, Person, authenticator
from tests.web.conftest import StartSite
from tests.web.site import NAVIGATION, PORTAL, Site
from tests.web.wire import Answer

WIKI = "https://wiki.example.com/page"
PASS_LINK = "Lost your devices? Use a temporary pass"
WRONG = "0000-0000-0000"


async def issue(person: Person, *, ttl_s: int = 3600) -> str:
    """Issue a pass to somebody who logged in before, and give the code as it is told."""
    services = person.site.services
    known = await services.durable.load_person_by_email(person.email)
    assert known
    _, code = await create_pass(services, known.id, ttl_s=ttl_s, actor="helpdesk")
    await person.site.settle()
    person.site.clock.advance(1)  # a mail of the next second is a later one
    return format_pass_code(code)


async def methods(person: Person) -> list[str]:
    known = await person.site.services.durable.load_person_by_email(person.email)
    assert known
    return [one.method.value for one in await person.site.services.durable.list_authenticators(known.id)]


async def open_pass_page(browser: Browser) -> None:
    """Follow the link of the page that asks for a second proof."""
    link = browser.page.text.partition(f'">{PASS_LINK}')[0].rpartition('href="')[2].replace("&amp;", "&")
    await browser.open(link)
    assert "Use a temporary pass" in browser.page.text


@pytest.fixture
async def lost(ann: Person) -> Person:
    """Ann, who enrolled an app, at another browser, without it, before the page that asks for its code."""
    await ann.log_in_with_totp(WIKI)
    await ann.another_browser()
    await ann.log_in(WIKI)
    assert "/challenge" in ann.browser.url
    return ann


async def guarded(start_site: StartSite, **settings: object) -> Person:
    """Start a site that guards first enrolments, and give somebody new to it."""

    def change(configuration: dict[str, Any]) -> None:
        configuration["access"]["organization"]["secondgate"] = settings

    return Person(await start_site(change), "ann@example.com")


async def test_with_a_pass_somebody_adds_a_device_and_goes_on_to_the_application(lost: Person) -> None:
    await open_pass_page(lost.browser)
    assert "Use an MFA device instead" in lost.page.text
    await lost.browser.submit(code=(await issue(lost)).lower().replace("-", " "))
    assert lost.browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    assert "Your pass was accepted" in lost.page.text
    await lost.choose("security_key")
    await lost.browser.perform(authenticator())
    assert (lost.browser.url, lost.page.status) == (WIKI, 200)
    assert await methods(lost) == ["totp", "security_key"]


async def test_a_lost_app_is_removed_and_another_set_up_on_the_way(lost: Person) -> None:
    await open_pass_page(lost.browser)
    await lost.browser.submit(code=await issue(lost))
    removal = lost.page.text.partition('">Remove it first')[0].rpartition('href="')[2].replace("&amp;", "&")
    await lost.browser.open(removal)
    await lost.browser.submit()
    assert lost.browser.url.startswith(f"{PORTAL}/AddMfaDevice?request=")
    assert await methods(lost) == []
    await lost.set_up_totp()
    assert (lost.browser.url, lost.page.status) == (WIKI, 200)


async def test_a_pass_alone_opens_no_application(lost: Person) -> None:
    await open_pass_page(lost.browser)
    await lost.browser.submit(code=await issue(lost))
    await lost.browser.open(WIKI)
    assert "/challenge" in lost.browser.url


async def test_the_page_may_be_opened_by_its_address(lost: Person) -> None:
    await lost.another_browser()
    code = await issue(lost)
    await lost.log_in(f"{PORTAL}/pass")
    assert lost.browser.url == f"{PORTAL}/pass"
    await lost.browser.submit(code=code)
    assert lost.browser.url == f"{PORTAL}/AddMfaDevice"
    await lost.browser.open(f"{PORTAL}/account/devices")
    assert "you can change devices until" in lost.page.text
    await lost.browser.open(f"{PORTAL}/pass")
    assert lost.browser.url == f"{PORTAL}/AddMfaDevice"


async def test_what_was_chosen_before_is_remembered(lost: Person) -> None:
    await lost.browser.open(f"{PORTAL}/AddMfaDevice")
    await lost.choose("security_key")
    await open_pass_page(lost.browser)
    await lost.browser.submit(code=await issue(lost))
    assert lost.browser.url == f"{PORTAL}/AddMfaDevice/security_key"


@pytest.mark.case(36, 98)
async def test_wrong_passes_are_told_apart_from_nothing_and_limited(lost: Person) -> None:
    code = await issue(lost)
    await open_pass_page(lost.browser)
    for _ in range(5):
        await lost.browser.submit(code=WRONG)
        assert lost.page.status == 403
        assert "not right, or it is no longer valid" in lost.page.text
    answers = []
    for presented in (WRONG, code):
        await lost.browser.submit(code=presented)
        answers.append((lost.page.status, lost.page.text.count("Try again in 5 minutes")))
    assert answers == [(429, 1), (429, 1)]
    lost.site.clock.advance(300)
    await lost.browser.submit(code=code)
    assert lost.browser.url.startswith(f"{PORTAL}/AddMfaDevice")


@pytest.mark.case(38)
async def test_what_is_no_pass_is_said_and_not_counted(lost: Person) -> None:
    await open_pass_page(lost.browser)
    for _ in range(7):
        await lost.browser.submit(code="123456")
        assert lost.page.status == 400
        assert "three groups of four" in lost.page.text
    assert lost.site.rows()["wrong_codes"] == []


async def test_a_pass_of_another_person_and_an_expired_one_are_refused(lost: Person, ben: Person) -> None:
    await ben.log_in(PORTAL)
    theirs, own = await issue(ben), await issue(lost, ttl_s=60)
    await open_pass_page(lost.browser)
    await lost.browser.submit(code=theirs)
    assert lost.page.status == 403
    lost.site.clock.advance(60)
    await lost.browser.submit(code=own)
    assert lost.page.status == 403


@pytest.mark.case(80)
async def test_a_used_pass_opens_nothing_in_another_browser(lost: Person) -> None:
    code = await issue(lost)
    await open_pass_page(lost.browser)
    await lost.browser.submit(code=code)
    await lost.another_browser()
    await lost.log_in(f"{PORTAL}/pass")
    await lost.browser.submit(code=code)
    assert lost.page.status == 403
    await lost.browser.open(f"{PORTAL}/AddMfaDevice/security_key")
    assert lost.browser.url == f"{PORTAL}/AddMfaDevice"


@pytest.mark.case(17, 18)
async def test_a_foreign_post_uses_no_pass_up(lost: Person) -> None:
    code = await issue(lost)
    await open_pass_page(lost.browser)
    token = lost.browser.form("code").fields["csrf_token"]

    async def post(origin: str, token: str, content_type: str = FORM) -> Answer:
        body = urlencode({"csrf_token": token, "code": code}).encode()
        fields = [*NAVIGATION, ("Content-Type", content_type), ("Origin", origin)]
        return await lost.browser.request("POST", f"{PORTAL}/pass", fields, body)

    for refused in (
        await post("https://evil.example", token),
        await post("null", token),
        await post(PORTAL, ""),
        await post(PORTAL, "0" * 64),
        await post(PORTAL, token, "text/plain"),
    ):
        assert refused.status == 403
    for method in ("GET", "HEAD", "OPTIONS"):
        await lost.browser.request(method, f"{PORTAL}/pass?{urlencode({'csrf_token': token, 'code': code})}")
    assert (await post(PORTAL, token)).status == 303


@pytest.mark.case(41, 97)
async def test_a_code_is_in_no_log_and_no_table(lost: Person, logs: io.StringIO) -> None:
    code = await issue(lost)
    await open_pass_page(lost.browser)
    await lost.browser.submit(code=WRONG)
    await lost.browser.submit(code=code)
    await lost.site.settle()
    (told,) = [text for text in lost.site.mails(lost.email) if "temporary pass" in text]
    everything = logs.getvalue() + repr(lost.site.rows()) + told
    assert "pass.created" in everything
    for spelling in (code, code.replace("-", "")):
        assert spelling not in everything


@pytest.mark.case(77)
async def test_with_first_enrollment_pass_a_login_alone_enrols_nothing(start_site: StartSite) -> None:
    ann = await guarded(start_site, first_enrollment="pass")
    await ann.log_in(WIKI)
    assert ann.browser.url.startswith(f"{PORTAL}/pass?request=")
    assert "To set up your first MFA device, you need a pass" in ann.page.text
    assert "Use an MFA device instead" not in ann.page.text
    token = ann.browser.form("code").fields["csrf_token"]
    for method in ("totp", "security_key", "biometrics"):
        assert (await ann.browser.open(f"{PORTAL}/AddMfaDevice/{method}")).status == 200
        assert ann.browser.url.startswith(f"{PORTAL}/pass")
    for path, values in (
        ("/AddMfaDevice", {"method": "totp"}),
        ("/AddMfaDevice", {"method": "security_key"}),
        ("/AddMfaDevice/totp", {"code": "123456"}),
    ):
        body = urlencode({"csrf_token": token, **values}).encode()
        fields = [*NAVIGATION, ("Content-Type", FORM), ("Origin", PORTAL)]
        answer = await ann.browser.request("POST", f"{PORTAL}{path}", fields, body)
        assert answer.status in {303, 403}
        assert "/pass" in (answer.one("Location") if answer.status == 303 else answer.text)
    for method in ("security_key", "biometrics"):
        begun = await ann.browser.post_json("/AddMfaDevice/options", {"method": method}, token)
        assert (begun.status, begun.json["reason"]) == (403, "pass_needed")
    assert await methods(ann) == []
    assert not [row for row in ann.site.rows()["live"] if row[0] in {"pending-totp", "challenge"}]


async def test_with_first_enrollment_pass_a_pass_leads_through_enrolment_to_the_application(
    start_site: StartSite,
) -> None:
    ann = await guarded(start_site, first_enrollment="pass")
    await ann.log_in(WIKI)
    await ann.browser.submit(code=await issue(ann))
    await ann.set_up_totp()
    assert (ann.browser.url, ann.page.status) == (WIKI, 200)


async def test_with_first_enrollment_network_a_login_is_enough_there_alone(start_site: StartSite) -> None:
    ann = await guarded(start_site, first_enrollment="network", first_enrollment_networks=["203.0.113.0/24"])
    await ann.log_in(WIKI)
    assert "From elsewhere, you need a pass" in ann.page.text
    assert await methods(ann) == []
    ann.browser.address = "203.0.113.9"
    await ann.browser.open(WIKI)
    await ann.set_up_totp()
    assert (ann.browser.url, ann.page.status) == (WIKI, 200)


async def test_a_pass_that_nobody_needs_is_not_asked_for(site: Site, ann: Person) -> None:
    await ann.log_in(f"{PORTAL}/pass")
    assert ann.browser.url == f"{PORTAL}/AddMfaDevice"
    assert site.rows()["passes"] == []
