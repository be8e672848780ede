"""The log at level debug through the whole story, failures included: one JSON object a line, and no secret in any."""

from __future__ import annotations

import io
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp
import pytest

from tests.fakes.authenticator import Lies
from tests.web.browser import FORM, Browser, Person, authenticator
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, NAVIGATION, PORTAL, Site

WIKI = "https://wiki.example.com/page"
SECRET = "a-secret-of-the-proxy-and-ours"
DIGITS = re.compile(r"[0-9]{6}")


class Recorder(Browser):
    """A browser that writes down every secret that passes: cookies, tokens in URLs and forms, codes."""

    secrets: set[str]

    async def request(self, method: str, url: str, *rest: Any, **more: Any) -> Any:  # noqa: ANN401 - as its parent's
        body = rest[1] if len(rest) > 1 else more.get("body", b"")
        query = {**parse_qs(urlsplit(url).query), **(parse_qs(body.decode()) if body[:1] != b"{" else {})}
        for name in ("request", "code", "csrf_token", "pin", "ceremony"):
            self.secrets |= {*query.get(name, ())}
        if body[:1] == b"{":
            self.secrets |= {str(value) for name, value in json.loads(body).items() if name in {"ceremony", "request"}}
        answer = await super().request(method, url, *rest, **more)
        self.secrets |= {line.partition("=")[2].partition(";")[0] for line in answer.all("Set-Cookie")}
        self.secrets |= {*answer.all("Cf-Access-Jwt-Assertion")}
        return answer


def recorder(person: Person) -> Recorder:
    """Sit this person down at a browser that writes secrets down."""
    browser = Recorder(person.site)
    browser.secrets = set()
    person.browser = browser
    return browser


def assert_hidden(written: str, secrets: set[str]) -> None:
    lines = [json.loads(line) for line in written.splitlines()]
    assert lines
    for line in lines:
        line.pop("timestamp", None)
    text = json.dumps(lines)
    for secret in (one for one in secrets if len(one) >= len("123456")):
        if DIGITS.fullmatch(secret):
            assert not re.search(rf"(?<!\w){secret}(?!\w)", text), secret
        else:
            assert secret not in text
            for part in secret.split("."):
                assert len(part) < 24 or part not in text, secret


@pytest.mark.case(97, 41)
async def test_no_secret_is_in_the_log_of_the_whole_story(site: Site, ann: Person, logs: io.StringIO) -> None:
    browser = recorder(ann)
    await browser.open(WIKI)
    await browser.submit(email=ann.email)
    await browser.submit(pin="000000")
    await browser.submit(pin=await site.pin(ann.email))
    await ann.set_up_totp("Phone")
    await ann.open_window()
    await browser.submit(csrf_token=browser.form("name").fields["csrf_token"], name="Renamed")
    await browser.open(f"{PORTAL}/AddMfaDevice")
    await ann.choose("security_key")
    key = authenticator()
    await browser.perform(key)
    await browser.open("https://vault.example.com/")
    site.clock.advance(3600)
    for lies in (Lies(challenge=b"x" * 32), Lies()):
        await browser.open(f"{PORTAL}/challenge?purpose=devices&method=security_key")
        await browser.perform(key, lies)
    await browser.open(f"{PORTAL}/challenge?purpose=devices&method=totp")
    for code in ("111111", "x", "٣٣٣٣٣٣"):
        await browser.submit(code=code)
    await browser.submit(code=ann.code())
    await _misuse(site, ann)
    await browser.open(f"{PORTAL}/logout")
    await browser.submit(scope="everywhere", forget_device="yes")
    secret = pyotp.TOTP(ann.seed)
    seeds = {ann.seed, secret.byte_secret().hex(), repr(secret.byte_secret())[2:-1]}
    codes = {secret.at(int(site.clock.now) - 30 * n) for n in range(130)}
    assert len(browser.secrets) > 25
    assert_hidden(logs.getvalue(), browser.secrets | seeds | codes)
    assert "totp.rejected" in logs.getvalue()
    audited = json.dumps([[event.action, event.actor, dict(event.detail)] for event in await site.events()])
    for value in browser.secrets | seeds:
        assert len(value) < 20 or value not in audited


async def _misuse(site: Site, ann: Person) -> None:
    """Send what is refused, with the secrets in it."""
    browser = ann.browser
    portal, wiki = browser.cookies("mfa.example.com"), ann.session("wiki.example.com")
    begun = await browser.request("GET", f"{WIKI[:24]}/.secondgate/login?return_to=/")
    for url in (begun.one("Location"), begun.one("Location") + "x"):
        await Browser(site).request("GET", url)
    callback = await browser.request("GET", begun.one("Location"))
    await Browser(site).request("GET", callback.get("Location") or WIKI)
    for dialect in DIALECTS:
        for cookie in (wiki, wiki[:-2], f"{wiki}; {wiki}", wiki + "; x=" + "a" * 140_000, portal):
            await site.check(dialect, WIKI, cookie=cookie)
            await site.check(dialect, WIKI + "\x01", cookie=cookie)
            await site.check(dialect, WIKI, cookie=cookie, source="127.0.0.9")
    for cookie in (portal + "; x=" + "a" * 140_000, portal):
        for path in ("/nothing", "/account/devices", "/login/x/pin"):
            await browser.request("GET", PORTAL + path, cookie=cookie)
    body = urlencode({"csrf_token": "0" * 64, "code": ann.code(), "pin": "123123"}).encode()
    for path in ("/challenge", "/AddMfaDevice/totp", "/logout"):
        await browser.request("POST", PORTAL + path, [*NAVIGATION, ("Content-Type", FORM)], body)


@pytest.mark.case(97)
async def test_a_field_too_long_is_logged_without_what_it_held(ann: Person, logs: io.StringIO) -> None:
    await ann.log_in("https://menu.example.com/")
    login = ann.browser.jar["mfa.example.com"]["__Host-secondgate_login"]
    cookie = f"__Host-secondgate_login={login}; x=" + "a" * 140_000
    answer = await ann.browser.request("GET", f"{PORTAL}/account/devices", cookie=cookie)
    assert answer.status == 400
    written = logs.getvalue()
    assert "Error handling request" in written
    assert login not in written
    assert "Traceback" not in written


@pytest.mark.case(97)
async def test_neither_the_proxy_secret_nor_a_guess_at_it_is_logged(start_site: StartSite, logs: io.StringIO) -> None:
    site = await start_site(lambda configuration: configuration.update(proxy_secret=SECRET))
    guess = SECRET[:-1] + "X"
    for secret in (SECRET, guess):
        await site.check("forward-auth", WIKI, fields=[("X-Secondgate-Proxy-Secret", secret)])
    assert "proxy_secret" in logs.getvalue()
    assert SECRET not in logs.getvalue()
    assert guess not in logs.getvalue()
    assert SECRET not in repr(site.settings)
    assert SECRET not in repr(site.services)
