"""Somebody in a browser, behind a proxy: cookies by host, redirects, forms, authenticators, and what people do."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pyotp

from tests.fakes.authenticator import TRUTH, Lies, SoftAuthenticator
from tests.fakes.forms import Form, forms_of
from tests.web.site import FORWARD_AUTH, NAVIGATION, PORTAL, Site
from tests.web.wire import Answer, Fields

MAX_REDIRECTS = 12
OURS = ("/.secondgate/", "/cdn-cgi/access/")
FORM = "application/x-www-form-urlencoded"
_numbers = itertools.count()


def own_address() -> str:
    """Give every browser an address of its own, since much is counted by address."""
    number = next(_numbers)
    return f"198.18.{number // 250 % 250}.{number % 250 + 1}"


@dataclass
class Browser:
    """One browser. `url` and `page` are where the last navigation ended; `set_cookies` is all that was ever set.

    `named` are fields in which the proxy says who sits here.
    """

    site: Site
    address: str = field(default_factory=own_address)
    dialect: str = FORWARD_AUTH
    named: Fields = ()
    jar: dict[str, dict[str, str]] = field(default_factory=dict)
    url: str = ""
    page: Answer = field(default_factory=lambda: Answer(0))
    set_cookies: list[str] = field(default_factory=list)

    def cookies(self, host: str) -> str:
        """Give the `Cookie` field for a host."""
        return "; ".join(f"{name}={value}" for name, value in self.jar.get(host, {}).items())

    async def request(
        self, method: str, url: str, fields: Fields = NAVIGATION, body: bytes = b"", *, cookie: str | None = None
    ) -> Answer:
        """Send one request through the proxy; nothing is followed. The upstream's answer is the gate's 200."""
        parts = urlsplit(url)
        host, target = parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        cookie = self.cookies(host) if cookie is None else cookie
        sent = [*fields, *self.named]
        if f"https://{host}" == PORTAL or target.startswith(OURS):
            sent = [("Host", host), ("X-Forwarded-For", self.address), *sent, *([("Cookie", cookie)] if cookie else [])]
            answer = await self.site.send("portal", method, target, sent, body)
        else:
            answer = await self.site.check(
                self.dialect, url, method=method, cookie=cookie, fields=sent, address=self.address
            )
            if answer.status == 401 and answer.all("Location"):
                answer = Answer(302, answer.fields, answer.body)
        self._keep_cookies(host, answer)
        return answer

    async def open(self, url: str) -> Answer:
        """Open a page, through all redirects."""
        return await self._follow("GET", urljoin(self.url or PORTAL, url))

    async def submit(self, **values: str) -> Answer:
        """Send the first form of the page that has all these inputs, and follow."""
        form = self.form(*values)
        body = urlencode({**form.fields, **values}).encode()
        return await self._follow("POST", urljoin(self.url, form.action), body)

    def form(self, *inputs: str) -> Form:
        """Give the first form of the page that has these inputs."""
        for form in forms_of(self.page.text):
            if set(inputs) <= form.inputs:
                return form
        raise AssertionError(f"no form with {inputs} at {self.url}: {self.page.status} {self.page.text[-2500:]}")

    async def post_json(self, path: str, body: dict[str, Any], csrf_token: str) -> Answer:
        """Post as the portal's script does."""
        fields = [
            ("Content-Type", "application/json"),
            ("Origin", PORTAL),
            ("Sec-Fetch-Site", "same-origin"),
            ("X-CSRF-Token", csrf_token),
        ]
        return await self.request("POST", f"{PORTAL}{path}", fields, json.dumps(body).encode())

    async def perform(self, authenticator: SoftAuthenticator, lies: Lies = TRUTH, **more: str) -> Answer:
        """Do the page's WebAuthn ceremony; ends at the page that follows, or with the refusal."""
        data = next(form.data for form in forms_of(self.page.text) if "webauthn" in form.data)
        about = {name: data[name] for name in ("method", "request", "purpose")}
        begun = await self.post_json(data["options-url"], about, data["csrf"])
        assert begun.status == 200, begun
        act = authenticator.register if data["webauthn"] == "create" else authenticator.authenticate
        credential = act(begun.json["options"], lies)
        body = {**about, **more, "ceremony": begun.json["ceremony"], "credential": credential}
        finished = await self.post_json(data["finish-url"], body, data["csrf"])
        return await self.open(finished.json["location"]) if finished.status == 200 else finished

    async def _follow(self, method: str, url: str, body: bytes = b"") -> Answer:
        for _ in range(MAX_REDIRECTS):
            fields = NAVIGATION
            if method == "POST":
                origin = "https://" + urlsplit(url).netloc
                more = [("Content-Type", FORM), ("Origin", origin), ("Sec-Fetch-Site", "same-origin")]
                fields = [*NAVIGATION, *more]
            self.url, self.page = url, await self.request(method, url, fields, body)
            if self.page.status not in (301, 302, 303, 307):
                return self.page
            method, url, body = "GET", urljoin(url, self.page.one("Location")), b""
        raise AssertionError(f"more than {MAX_REDIRECTS} redirects, the last to {url}")

    def _keep_cookies(self, host: str, answer: Answer) -> None:
        jar = self.jar.setdefault(host, {})
        for line in answer.all("Set-Cookie"):
            self.set_cookies.append(line)
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if not value or "max-age=0" in attributes.lower():
                jar.pop(name, None)
            else:
                jar[name] = value


class Person:
    """A person with an e-mail address, an authenticator app perhaps, and a browser."""

    def __init__(self, site: Site, email: str) -> None:
        self.site = site
        self.email = email
        self.seed = ""
        self.last_code_at = 0.0
        self.browser = Browser(site)

    @property
    def page(self) -> Answer:
        """The page before this person."""
        return self.browser.page

    async def another_browser(self) -> Browser:
        """Sit down at another browser."""
        self.browser = Browser(self.site)
        return self.browser

    async def log_in(self, url: str = PORTAL) -> Answer:
        """Open something and log in with a PIN."""
        await self.browser.open(url)
        await self.browser.submit(email=self.email)
        return await self.browser.submit(pin=await self.site.pin(self.email))

    def code(self) -> str:
        """Give a code that was not used before; lets time pass until there is one."""
        if self.site.clock.now // 30 <= self.last_code_at // 30:
            self.site.clock.advance(30)
        self.last_code_at = self.site.clock.now
        return pyotp.TOTP(self.seed).at(int(self.site.clock.now))

    async def choose(self, method: str) -> Answer:
        """Choose a method on the page that offers what can be added."""
        return await self.browser.submit(method=method)

    async def set_up_totp(self, name: str = "") -> Answer:
        """Choose the authenticator app, read its key, and confirm with a code."""
        await self.choose("totp")
        found = re.search(r'id="setup-key" data-value="([A-Z2-7]+)"', self.page.text)
        assert found, self.page
        self.seed = found[1]
        return await self.browser.submit(code=self.code(), name=name)

    async def log_in_with_totp(self, url: str = "https://wiki.example.com/page") -> Answer:
        """Log in to an application for the first time, enrolling an authenticator app on the way."""
        await self.log_in(url)
        return await self.set_up_totp()

    async def open_window(self) -> Answer:
        """Verify with the authenticator app, for changing devices."""
        await self.browser.open(f"{PORTAL}/challenge?purpose=devices")
        return await self.browser.submit(code=self.code())

    def session(self, host: str) -> str:
        """Give the `Cookie` field with this person's session at an application's host."""
        return f"__Host-secondgate={self.browser.jar[host]['__Host-secondgate']}"


def authenticator(attachment: str = "cross-platform") -> SoftAuthenticator:
    """Plug in a security key, or give the device a fingerprint reader (`platform`)."""
    return SoftAuthenticator("mfa.example.com", PORTAL, attachment)
