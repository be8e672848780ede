"""The whole way through the proxy, the gate and the portal, as people walk it."""

from __future__ import annotations

import pytest

from tests.web.browser import Browser, Person, authenticator
from tests.web.site import DIALECTS, PORTAL, Site

WIKI = "https://wiki.example.com/page?a=1&b=%20"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_person_logs_in_enrols_and_arrives_at_the_page_they_wanted(ann: Person, dialect: str) -> None:
    ann.browser.dialect = dialect
    arrived = await ann.log_in_with_totp(WIKI)
    assert (arrived.status, ann.browser.url) == (200, WIKI)
    assert arrived.one("Remote-User") == "ann@example.com"


async def test_a_security_key_is_enrolled_and_opens_what_takes_only_keys(ann: Person) -> None:
    key = authenticator()
    await ann.log_in("https://vault.example.com/")
    await ann.choose("security_key")
    arrived = await ann.browser.perform(key, name="Blue key")
    assert (arrived.status, ann.browser.url) == (200, "https://vault.example.com/")
    ann.site.clock.advance(3600)
    await ann.browser.open("https://wiki.example.com/admin")
    assert "Use security key" in ann.page.text
    arrived = await ann.browser.perform(key)
    assert (arrived.status, ann.browser.url) == (200, "https://wiki.example.com/admin")


async def test_biometrics_are_enrolled_and_asked_for(ann: Person) -> None:
    finger = authenticator("platform")
    await ann.log_in("https://wiki.example.com/")
    await ann.choose("biometrics")
    assert (await ann.browser.perform(finger)).status == 200
    ann.site.clock.advance(3600)
    await ann.browser.open("https://strict.example.com/")
    assert "Use biometrics" in ann.page.text
    assert (await ann.browser.perform(finger)).status == 200


async def test_the_portal_shows_the_applications_that_a_person_may_use(ann: Person) -> None:
    await ann.log_in()
    assert ann.browser.url == f"{PORTAL}/"
    assert "https://wiki.example.com/" in ann.page.text
    assert "https://root.example.com/" not in ann.page.text


async def test_one_login_opens_every_application(site: Site, ann: Person) -> None:
    await ann.log_in("https://menu.example.com/")
    browser: Browser = ann.browser
    await browser.open("https://news.example.com/x")
    assert (browser.page.status, browser.url) == (200, "https://news.example.com/x")
    assert len(site.mails("ann@example.com")) == 1
