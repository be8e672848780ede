"""The way a person goes, without a browser: log in, set up an authenticator app, open the application, log out.

Each step says what was seen. It speaks HTTP to Traefik alone, as a browser would.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import time
from collections.abc import Callable
from html.parser import HTMLParser
from http import HTTPStatus

from aiohttp import ClientSession, CookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from secondgate.demo.sample import read_outbox
from secondgate.demo.site import APP_HOST, PORTAL_HOST, DemoSite
from secondgate.model.secret import Secret
from secondgate.protocol.totp import code_at

NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
MAIL_WAIT_S = 10.0


class WalkFailed(Exception):
    """A step did not show what it must."""


class Form(HTMLParser):
    """The first form of a page that posts to `action`, with its hidden fields; and the text of elements by id."""

    def __init__(self, html: str, action: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.found = False
        self._wanted = action
        self._inside = False
        self.feed(html)
        if not self.found:
            raise WalkFailed(f"there is no form that posts to {action}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the form and its hidden fields."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("action", "").startswith(self._wanted) and not self.found:
            self.found = self._inside = True
            self.action = given["action"]
        elif tag == "input" and self._inside and given.get("type") == "hidden":
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Note the form's end."""
        if tag == "form":
            self._inside = False


class Loopback(AbstractResolver):
    """Every name is this machine: `*.localhost` is, by RFC 6761, section 6.3, and not every system knows it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give 127.0.0.1."""
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is held."""


class Walk:
    """One person's way through the demo."""

    def __init__(self, site: DemoSite, session: ClientSession, say: Callable[[str], None]) -> None:
        self._site = site
        self._session = session
        self._say = say
        self._email = f"walker-{int(time.time())}@example.com"

    async def go(self) -> None:
        """Walk. Raises WalkFailed."""
        app = self._site.url(APP_HOST)
        async with self._session.get(app, headers={"Accept": "application/json"}) as answer:
            _expect(
                answer.status == HTTPStatus.UNAUTHORIZED,
                f"an API call without a session was answered {answer.status}, not 401",
            )
        self._say("an API call without a session: 401")
        text = await self._open(app, expected_heading="Log in")
        self._say(f"the application without a session: the login page at {PORTAL_HOST}")
        text = await self._post(text, "/login/", expected_heading="Check your e-mail", email=self._email)
        pin = await self._pin()
        self._say(f"a one-time PIN for {self._email} in the outbox")
        text = await self._post(text, "/login/", expected_heading="Add an MFA device", pin=pin)
        self._say("logged in; no MFA device yet, so one must be set up")
        text = await self._post(text, "/AddMfaDevice", expected_heading="authenticator app", method="totp")
        seed = Secret(base64.b32decode(_setup_key(text)))
        code = code_at(seed, now=int(time.time()))
        text = await self._post(text, "/AddMfaDevice/totp", expected_heading="The sample application", code=code)
        _expect(self._email in text, "the application was not told who the person is")
        self._say("authenticator app set up, and back at the application, which knows who it is")
        await self._open(self._site.url(APP_HOST, "/vault"), expected_heading="Add an MFA device")
        self._say("the vault, which wants a security key: refused with a TOTP session alone")
        text = await self._open(self._site.url(APP_HOST, "/.secondgate/logout"), expected_heading="Log out")
        await self._post(text, "/logout", expected_heading="logged out", scope="browser")
        await self._open(app, expected_heading="Log in")
        self._say("logged out: the application asks for a login again")

    async def _open(self, url: str, *, expected_heading: str) -> str:
        async with self._session.get(url, headers=NAVIGATION) as answer:
            text = await answer.text()
            _expect(expected_heading in text, f"{url} led to {answer.url} ({answer.status}): no {expected_heading!r}")
            return text

    async def _post(self, html: str, action: str, *, expected_heading: str, **fields: str) -> str:
        form = Form(html, action)
        url = self._site.url(PORTAL_HOST, form.action)
        headers = {**NAVIGATION, "Origin": self._site.url(PORTAL_HOST).rstrip("/")}
        async with self._session.post(url, data={**form.fields, **fields}, headers=headers) as answer:
            text = await answer.text()
            _expect(expected_heading in text, f"{url} led to {answer.url} ({answer.status}): no {expected_heading!r}")
            return text

    async def _pin(self) -> str:
        deadline = time.monotonic() + MAIL_WAIT_S
        while time.monotonic() < deadline:
            for mail in read_outbox(self._site.outbox):
                if mail.to == self._email and mail.pin:
                    return mail.pin
            await asyncio.sleep(0.1)
        raise WalkFailed("no PIN arrived in the outbox")


async def walk(site: DemoSite, say: Callable[[str], None]) -> None:
    """Walk the whole way; `say` is told each step. Raises WalkFailed."""
    connector = TCPConnector(resolver=Loopback(), use_dns_cache=False)
    async with ClientSession(connector=connector, cookie_jar=CookieJar()) as session:
        await Walk(site, session, say).go()


def _expect(fact: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not fact:
        raise WalkFailed(otherwise)


def _setup_key(html: str) -> str:
    finder = _SetupKey()
    finder.feed(html)
    if not finder.key:
        raise WalkFailed("the page shows no setup key")
    return finder.key


class _SetupKey(HTMLParser):
    """Reads the element that holds the setup key."""

    def __init__(self) -> None:
        super().__init__()
        self.key = ""
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - as above
        if ("id", "setup-key") in attrs or self._inside:
            self._inside += 1

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's signature
        self._inside = max(0, self._inside - 1)

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.key += "".join(data.split())
