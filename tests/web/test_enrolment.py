"""Changing authenticators: never by a login alone, only in an open window, in its browser, by its person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from secondgate.model.person import Authenticator
from tests.fakes.authenticator import Lies
from tests.web.browser import FORM, Browser, Person, authenticator
from tests.web.site import FORWARD_AUTH, NAVIGATION, PORTAL, SCRIPT, Site
from tests.web.wire import Answer

WIKI = "https://wiki.example.com/page"
MENU = "https://menu.example.com/"


async def devices(person: Person) -> tuple[Authenticator, ...]:
    found = await person.site.services.durable.load_person_by_email(person.email)
    assert found
    return await person.site.services.durable.list_authenticators(found.id)


@dataclass
class Hand:
    """Posts by hand, in a browser that has a login, with that browser's own token."""

    browser: Browser
    token: str

    async def form(self, path: str, **fields: str) -> Answer:
        """Post a form."""
        body = urlencode({"csrf_token": self.token, **fields}).encode()
        sent = [*NAVIGATION, ("Content-Type", FORM), ("Origin", PORTAL), ("Sec-Fetch-Site", "same-origin")]
        return await self.browser.request("POST", PORTAL + path, sent, body)

    async def script(self, path: str, **fields: object) -> Answer:
        """Post JSON."""
        return await self.browser.post_json(path, dict(fields), self.token)

    async def begin(self, method: str = "security_key") -> dict[str, Any]:
        """Begin to enrol by script; must succeed."""
        begun = await self.script("/AddMfaDevice/options", method=method)
        assert begun.status == 200, begun
        answer: dict[str, Any] = begun.json
        return answer


async def hand(browser: Browser) -> Hand:
    """Take the token of a browser's forms."""
    await browser.open(f"{PORTAL}/logout")
    return Hand(browser, browser.form("scope").fields["csrf_token"])


async def attempts(by: Hand, device_id: str, begun: dict[str, Any] | None = None) -> dict[str, Answer]:
    """Try to add, remove and rename on every endpoint, the finishing ones directly too."""
    key = authenticator()
    credential = key.register(begun["options"]) if begun else {"id": "AAAA", "response": {}}
    ceremony = begun["ceremony"] if begun else "x" * 43
    return {
        "begin totp": await by.form("/AddMfaDevice", method="totp"),
        "begin key": await by.form("/AddMfaDevice", method="security_key"),
        "begin biometrics": await by.form("/AddMfaDevice", method="biometrics"),
        "finish totp": await by.form("/AddMfaDevice/totp", code="123456", name="x"),
        "options key": await by.script("/AddMfaDevice/options", method="security_key"),
        "options biometrics": await by.script("/AddMfaDevice/options", method="biometrics"),
        "finish": await by.script("/AddMfaDevice/finish", ceremony=ceremony, credential=credential),
        "rename": await by.form(f"/account/devices/{device_id}/name", name="mine"),
        "remove": await by.form(f"/account/devices/{device_id}/remove"),
        "page totp": await by.browser.request("GET", f"{PORTAL}/AddMfaDevice/totp"),
        "page key": await by.browser.request("GET", f"{PORTAL}/AddMfaDevice/security_key"),
        "page remove": await by.browser.request("GET", f"{PORTAL}/account/devices/{device_id}/remove"),
    }


def assert_refused(answers: dict[str, Answer]) -> None:
    """See that each was refused: 403, or for pages and choices the way to a verification."""
    for name, answer in answers.items():
        if name.startswith(("begin", "page")):
            assert answer.status in {303, 403}, name
            if answer.status == 303:
                assert answer.one("Location").startswith(("/challenge", "/AddMfaDevice")), name
            assert "setup-key" not in answer.text, name
        else:
            assert answer.status == 403, (name, answer)


@pytest.mark.case(77)
async def test_a_login_alone_changes_no_authenticator_on_any_endpoint(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    before = await devices(ann)
    await ann.another_browser()
    await ann.log_in(PORTAL)
    by = await hand(ann.browser)
    stored = site.rows(without=("audit_events", "sqlite_sequence", "live"))
    assert_refused(await attempts(by, before[0].id))
    assert await devices(ann) == before
    assert site.rows(without=("audit_events", "sqlite_sequence", "live")) == stored
    assert not [row for row in site.rows()["live"] if row[0] == "pending-totp"]


@pytest.mark.case(77)
async def test_an_mfa_for_an_application_opens_no_window(ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    (device,) = await devices(ann)
    assert_refused(await attempts(await hand(ann.browser), device.id))
    ann.site.clock.advance(3600)
    await ann.browser.open("https://strict.example.com/")
    await ann.browser.submit(code=ann.code())
    assert ann.browser.url == "https://strict.example.com/"
    assert_refused(await attempts(await hand(ann.browser), device.id))
    assert await devices(ann) == (await devices(ann))[:1]


@pytest.mark.case(77, 78)
async def test_what_was_begun_before_another_factor_came_is_not_finished(ann: Person) -> None:
    await ann.log_in(PORTAL)
    early = await hand(ann.browser)
    begun = await early.begin()
    assert (await early.form("/AddMfaDevice", method="totp")).status == 303
    await ann.another_browser()
    await ann.log_in_with_totp(WIKI)
    before = await devices(ann)
    assert_refused(await attempts(early, before[0].id, begun))
    assert await devices(ann) == before


@pytest.mark.case(77)
async def test_a_ceremony_is_finished_once(ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.open_window()
    by = await hand(ann.browser)
    begun = await by.begin()
    body = {"ceremony": begun["ceremony"], "credential": authenticator().register(begun["options"])}
    assert (await by.script("/AddMfaDevice/finish", **body)).status == 200
    by = await hand(ann.browser)
    assert (await by.script("/AddMfaDevice/finish", **body)).status == 403
    again = {"ceremony": begun["ceremony"], "credential": authenticator().register(begun["options"])}
    assert (await by.script("/AddMfaDevice/finish", **again)).status == 403
    assert len(await devices(ann)) == 2


@pytest.mark.case(79)
async def test_the_window_is_open_for_ten_minutes_and_activity_does_not_extend_it(ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.open_window()
    opened = ann.site.clock.now
    (device,) = await devices(ann)
    by = await hand(ann.browser)
    for second in (60, 300, 599):
        ann.site.clock.now = opened + second
        assert (await by.form(f"/account/devices/{device.id}/name", name=f"at {second}")).status == 303
    begun = await by.begin()
    ann.site.clock.now = opened + 600
    assert_refused(await attempts(by, device.id, begun))
    assert [one.name for one in await devices(ann)] == ["at 599"]


@pytest.mark.case(80)
async def test_the_windows_cookies_open_nothing_in_another_browser_or_with_another_login(
    site: Site, ann: Person, ben: Person
) -> None:
    await ben.log_in_with_totp(WIKI)
    await ann.log_in_with_totp(WIKI)
    await ann.open_window()
    (device,) = await devices(ann)
    anns, bens = ann.browser.jar["mfa.example.com"], ben.browser.jar["mfa.example.com"]
    mixtures = {
        "without the device": {n: v for n, v in anns.items() if not n.endswith("device")},
        "with Ben's device": {**anns, "__Host-secondgate_device": bens["__Host-secondgate_device"]},
        "with Ben's login": {**anns, "__Host-secondgate_login": bens["__Host-secondgate_login"]},
        "Ben's with Ann's device": {**bens, "__Host-secondgate_device": anns["__Host-secondgate_device"]},
    }
    for name, jar in mixtures.items():
        thief = Browser(site, jar={"mfa.example.com": dict(jar)})
        page = await thief.open(f"{PORTAL}/account/devices")
        assert thief.url.startswith(f"{PORTAL}/login"), name
        token = thief.form("email").fields["csrf_token"]
        for answer in (await attempts(Hand(thief, token), device.id)).values():
            assert answer.status in {303, 401, 403}, name
            if answer.status == 303:
                assert answer.one("Location").startswith(("/login", "/AddMfaDevice")), name
        assert device.name not in page.text
    await ann.another_browser()
    await ann.log_in(PORTAL)
    assert_refused(await attempts(await hand(ann.browser), device.id))
    assert [one.name for one in await devices(ann)] == [device.name]


@pytest.mark.case(80)
async def test_ben_with_his_own_open_window_does_not_reach_anns_device(ann: Person, ben: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    (device,) = await devices(ann)
    await ben.log_in_with_totp(WIKI)
    await ben.open_window()
    by = await hand(ben.browser)
    assert (await by.form(f"/account/devices/{device.id}/name", name="mine")).status == 404
    assert (await by.form(f"/account/devices/{device.id}/remove")).status == 404
    assert (await ben.browser.request("GET", f"{PORTAL}/account/devices/{device.id}/remove")).status == 404
    for odd in ("0", "..", "%2e%2e", "null", "'", device.id.upper() + "x", "a" * 2000):
        assert (await by.form(f"/account/devices/{odd}/remove")).status in {404, 405}
    assert await devices(ann) == (device,)


@pytest.mark.case(81)
async def test_a_ceremony_of_one_person_is_not_finished_by_another(ann: Person, ben: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.open_window()
    await ben.log_in_with_totp(WIKI)
    await ben.open_window()
    by_ann, by_ben = await hand(ann.browser), await hand(ben.browser)
    begun = await by_ann.begin()
    body = {"ceremony": begun["ceremony"], "credential": authenticator().register(begun["options"])}
    assert (await by_ben.script("/AddMfaDevice/finish", **body)).status == 403
    assert (await by_ann.script("/AddMfaDevice/finish", **body)).status == 403  # used up
    assert (len(await devices(ann)), len(await devices(ben))) == (1, 1)
    await by_ann.form("/AddMfaDevice", method="totp")
    assert "setup-key" not in (await ben.browser.request("GET", f"{PORTAL}/AddMfaDevice/totp")).text


@pytest.mark.case(49, 81)
async def test_every_false_assertion_gets_one_and_the_same_answer(site: Site, ann: Person, ben: Person) -> None:
    anns, bens = authenticator(), authenticator()
    for person, key in ((ann, anns), (ben, bens)):
        await person.log_in("https://vault.example.com/")
        await person.choose("security_key")
        assert (await person.browser.perform(key)).status == 200
    other = await site.services.durable.load_person_by_email(ben.email)
    assert other
    (theirs,) = await devices(ben)
    site.clock.advance(1)
    await ann.browser.open(f"{PORTAL}/challenge?purpose=devices")
    assert (await ann.browser.perform(anns)).status == 200
    answers = []
    for lies in (
        Lies(credential_id=theirs.credential_id),
        Lies(credential_id=b"unknown" * 4),
        Lies(user_handle=other.id.encode()),
        Lies(signed_by=next(iter(bens.passkeys.values())).key),
        Lies(origin="https://evil.example.net"),
        Lies(challenge=b"x" * 32),
        Lies(sign_count=1),
    ):
        await ann.browser.open(f"{PORTAL}/challenge?purpose=devices")
        answers.append(await ann.browser.perform(anns, lies))
    assert {(answer.status, answer.text) for answer in answers} == {(403, answers[0].text)}
    assert list(answers[0].json) == ["error"]
    assert len(await site.events("webauthn.rejected")) == len(answers)


@pytest.mark.case(82)
async def test_with_the_last_factor_removed_sessions_end_and_enrolment_begins_anew(site: Site, ann: Person) -> None:
    await ann.log_in(MENU)  # without any MFA: this session too was opened by a person who has lost all factors
    await ann.browser.open(WIKI)
    await ann.set_up_totp()
    cookies = {url: ann.session(url.split("/")[2]) for url in (WIKI, MENU)}
    (device,) = await devices(ann)
    await ann.open_window()
    await ann.browser.open(f"{PORTAL}/account/devices/{device.id}/remove")
    assert "your only MFA device" in ann.page.text
    await ann.browser.submit(csrf_token=ann.browser.form("csrf_token").fields["csrf_token"])
    assert ann.browser.url == f"{PORTAL}/account/devices"
    assert await devices(ann) == ()
    for url, cookie in cookies.items():
        assert (await site.check(FORWARD_AUTH, url, cookie=cookie, fields=SCRIPT)).status == 401
    await ann.browser.open(WIKI)
    assert ann.browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    ann.last_code_at = 0
    site.clock.advance(30)
    arrived = await ann.set_up_totp()
    assert (arrived.status, ann.browser.url) == (200, WIKI)


@pytest.mark.case(40)
async def test_a_second_app_is_refused_and_no_page_shows_an_enrolled_seed(ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.open_window()
    by = await hand(ann.browser)
    assert (await by.form("/AddMfaDevice", method="totp")).status == 409
    assert (await by.form("/AddMfaDevice/totp", code=ann.code())).status == 409
    for path in ("/AddMfaDevice", "/AddMfaDevice/totp", "/account/devices", "/challenge?purpose=devices"):
        assert ann.seed not in (await ann.browser.open(PORTAL + path)).text
    assert len(await devices(ann)) == 1


@pytest.mark.case(34, 36)
async def test_codes_are_used_once_and_wrong_ones_are_counted_until_the_right_one_fails_too(ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.browser.open(f"{PORTAL}/challenge?purpose=devices")
    used = ann.code()
    await ann.browser.submit(code=used)
    await ann.browser.open(f"{PORTAL}/challenge?purpose=devices")
    await ann.browser.submit(code=used)
    assert ann.page.status == 403
    for _ in range(4):
        ann.browser.address = "192.0.2.1"
        await ann.browser.submit(code=f"{(int(used) + 1) % 10**6:06d}")
    stopped = await ann.browser.submit(code=ann.code())
    assert stopped.status == 429
    assert "too many attempts" in stopped.text.lower()
    assert json.dumps(used) not in stopped.text
