"""What happens to people, sessions and settings, step by step, with two gates beside each other on the same services.

The first gate answers out of memory where it can; the second decides every question anew and remembers nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from aiohttp import web

from secondgate.app import _listeners
from secondgate.flows.keys import rotate_keys
from secondgate.flows.known_tokens import KnownTokens, SingleFlight, TokenFacts
from secondgate.flows.sessions import delete_authenticators, end_session, end_sessions, log_out, set_person_disabled
from secondgate.gate.protocol import FAST_PATH
from secondgate.model.session import Login
from secondgate.store.embedded_changes import EmbeddedChanges
from tests.fakes.forms import forms_of
from tests.web.browser import Browser, Person
from tests.web.site import (
    DIALECTS,
    KEY_ONLY,
    NO_MFA,
    STAFF,
    Site,
    application,
    open_site,
    question,
)

PEOPLE = ("ann", "ben", "root")
PAGES = (
    "https://wiki.example.com/page",
    "https://wiki.example.com/admin",
    "https://menu.example.com/",
    "https://news.example.com/",
    "https://fresh.example.com/",
    "https://office.example.com/",
    "https://two.apps.example.com/",
    "https://six.apps.example.com/",
)
ADDRESSES = ("198.51.100.7", "203.0.113.9")
OFFICE = [{**STAFF[0], "require": [{"ip": {"ip": "198.0.0.0/8"}}]}]
BYPASS = [{"name": "all", "decision": "bypass", "include": [{"everyone": {}}]}]
MAX_KNOWN = 14
LIFE_S = 5.0
_DATE = re.compile(rb"\r\nDate: [^\r\n]*")
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)")


class Forgetful(KnownTokens):
    """Proves every token anew."""

    def find(self, token: str, *, host: str, kids: tuple[str, ...]) -> TokenFacts | None:
        del token, host, kids
        return None


@dataclass
class Connection:
    """A connection of a proxy that stays open."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, sent: bytes) -> bytes:
        """Give the answer without its date."""
        self.writer.write(sent)
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        assert found, head
        return _DATE.sub(b"", head) + await self.reader.readexactly(int(found[1]))


@dataclass
class History:
    """The site, its two gates, who is there, and every cookie of an application that anybody ever got.

    `was_true` is when each question was last answered with yes, and how.
    """

    site: Site
    fast: Connection
    slow: Connection
    people: dict[str, Person] = field(default_factory=dict)
    browsers: dict[str, list[Browser]] = field(default_factory=dict)
    cookies: list[tuple[str, str]] = field(default_factory=list)
    was_true: dict[tuple[str, ...], tuple[float, bytes]] = field(default_factory=dict)
    is_deaf: bool = False
    asked: int = 0
    let_through: int = 0
    outdated: int = 0

    # ---- what is asked ----

    async def hold(self) -> None:
        """Ask with every cookie about its host and another one: what is remembered must be what is decided now."""
        for page in PAGES:
            await self._hold(page, "")
        for host, cookie in self.cookies[-MAX_KNOWN:]:
            self.asked += 1
            foreign = PAGES[self.asked % len(PAGES)]
            for page in PAGES:
                if page.split("/")[2] == host or page is foreign:
                    await self._hold(page, cookie)

    async def _hold(self, page: str, cookie: str) -> None:
        dialect = DIALECTS[(crc32(cookie.encode()) + PAGES.index(page)) % 3]  # the same for the same question
        for address in ADDRESSES if "office" in page else ADDRESSES[:1]:
            more = [("X-Forwarded-For", address), *([("Cookie", cookie)] if cookie else [])]
            sent = question(dialect, page).sent_with(*more).replace(b"Connection: close\r\n", b"")
            answers = [await self.fast.ask(sent)]
            true = await self.slow.ask(sent)
            answers += [await self.fast.ask(sent) for _ in range(6)]
            now, key = self.site.clock.now, (page, cookie, address)
            for answer in answers:
                if answer != true:
                    at, before = self.was_true.get(key, (0.0, b""))
                    assert self.is_deaf, f"{answer!r}\nis not what is decided now:\n{true!r}\nwas asked: {sent!r}"
                    assert answer == before
                    assert abs(now - at) < LIFE_S
                    self.outdated += 1
            if true.startswith(b"HTTP/1.1 200"):
                self.was_true[key] = (now, true)

    async def status(self, page: str, cookie: str) -> int:
        """Give the status with which the first gate answers a script."""
        more = [("Accept", "application/json"), ("X-Forwarded-For", ADDRESSES[0]), ("Cookie", cookie)]
        sent = question(DIALECTS[0], page).sent_with(*more).replace(b"Connection: close\r\n", b"")
        return int((await self.fast.ask(sent)).split(b" ")[1])

    # ---- what people do ----

    async def come(self, name: str, browser: int, page: str) -> None:
        """Open a page and do what is asked on the way, as far as that goes."""
        person = self.people[name]
        person.browser = self.browsers[name][browser]
        await person.browser.open(page)
        for _ in range(3):
            inputs = set().union(*(form.inputs for form in forms_of(person.page.text)), ())
            if "email" in inputs:
                await person.browser.submit(email=person.email)
            elif "pin" in inputs:
                await person.browser.submit(pin=await self.site.pin(person.email))
            elif 'name="method" value="totp"' in person.page.text and "code" not in inputs:
                await person.set_up_totp()
            elif "code" in inputs and person.seed:
                self.site.clock.now = max(self.site.clock.now, person.last_code_at)
                await person.browser.submit(code=person.code())
            else:
                break
        for host, jar in person.browser.jar.items():
            known = (host, f"__Host-secondgate={jar.get('__Host-secondgate', '')}")
            if "__Host-secondgate" in jar and known not in self.cookies:
                self.cookies.append(known)

    async def leave(self, name: str, *, everywhere: bool) -> None:
        """Log out."""
        login = await self._login(name)
        if login is not None:
            await log_out(
                self.site.services, login, everywhere=everywhere, forget_device=everywhere, address="192.0.2.1"
            )

    # ---- what administrators do ----

    async def end_all(self, name: str) -> None:
        await end_sessions(self.site.services, await self._id(name), actor="root")

    async def end_one(self, name: str) -> None:
        """End the oldest session of somebody."""
        services, person_id = self.site.services, await self._id(name)
        for session in (await services.sessions.list_application_sessions(person_id))[:1]:
            await end_session(services, person_id, session.id, actor="root")

    async def delete_devices(self, name: str) -> None:
        await delete_authenticators(self.site.services, await self._id(name), actor="root")

    async def disable(self, name: str, *, disabled: bool) -> None:
        await set_person_disabled(self.site.services, await self._id(name), disabled=disabled, actor="root")

    async def revoke(self, name: str) -> None:
        """Revoke all grants of an application."""
        for one in self.site.current().applications:
            if one.name == name:
                await self.site.current.revoke(one.id)

    async def set_up(self, name: str, **settings: object) -> None:
        """Change an application in the file and have it read again."""
        self.site.reload(
            lambda configuration: next(
                one for one in configuration["access"]["applications"] if one["name"] == name
            ).update(settings)
        )

    async def organize(self, **mfa: object) -> None:
        """Change the organization's MFA settings in the file."""
        self.site.reload(lambda configuration: configuration["access"]["organization"]["mfa_config"].update(mfa))

    async def rotate(self) -> None:
        await rotate_keys(self.site.services, actor="root")

    async def lose_old_keys(self) -> None:
        """Go on with the newest signing key alone: what others signed proves nothing any more."""
        stored = await self.site.services.durable.list_signing_keys()
        self.site.services.keys.replace(stored[:1])

    # ---- what happens by itself ----

    async def wait(self, seconds: float) -> None:
        self.site.clock.advance(seconds)

    async def stop_hearing(self, *, is_noticed: bool) -> None:
        """Lose the subscription to changes; it may take a while until that is noticed."""
        decisions, changes = self.site.apps["gate"][FAST_PATH].decisions, self.site.services.changes
        assert isinstance(changes, EmbeddedChanges)
        if decisions in changes._listeners:
            changes._listeners.remove(decisions)
            self.is_deaf = True
        if is_noticed:
            decisions.disconnected()
            self.is_deaf = False

    async def hear_again(self) -> None:
        """Find the subscription again."""
        decisions, changes = self.site.apps["gate"][FAST_PATH].decisions, self.site.services.changes
        assert isinstance(changes, EmbeddedChanges)
        if decisions not in changes._listeners:
            changes._listeners.append(decisions)
            decisions.disconnected()
            decisions.connected()
        self.is_deaf = False

    # ---- from one history to the next ----

    async def begin(self) -> None:
        """Begin anew: everybody at new browsers, with nothing but what they have enrolled, and the first settings."""
        self.site.clock.advance(86_400 * 40)
        await self.hear_again()
        self.site.reload(_arrange)
        self.cookies.clear()
        self.was_true.clear()
        self.site.services.keys.replace(await self.site.services.durable.list_signing_keys())
        for name in PEOPLE:
            if name in self.people:
                await self.disable(name, disabled=False)
            else:
                self.people[name] = Person(self.site, f"{name}@example.com")
            self.browsers[name] = [Browser(self.site), Browser(self.site)]
        for name in PEOPLE:
            await self.come(name, 0, PAGES[0])
        await self.come("ann", 0, PAGES[4])
        await self.come("ben", 0, PAGES[5])
        await self.come("ben", 0, PAGES[6])

    async def _login(self, name: str) -> Login | None:
        logins = await self.site.services.sessions.list_logins(await self._id(name))
        return logins[0] if logins else None

    async def _id(self, name: str) -> str:
        found = await self.site.services.durable.load_person_by_email(f"{name}@example.com")
        assert found
        return found.id


def _arrange(configuration: dict[str, Any]) -> None:
    """Set everything as it is when a history begins."""
    configuration["log_level"] = "error"
    access = configuration["access"]
    access["organization"]["mfa_config"] = {
        "allowed_authenticators": ["totp", "security_key", "biometrics"],
        "session_duration": "30m",
    }
    access["applications"] = [
        application("Wiki", "wiki.example.com"),
        application("Wiki administration", "wiki.example.com/admin", mfa_config=KEY_ONLY),
        application("Menu", "menu.example.com", mfa_config=NO_MFA),
        application("News", "news.example.com", mfa_config=NO_MFA, session_duration="30m"),
        application("Fresh", "fresh.example.com", secondgate={"mfa_check": "every_request"}),
        application("Office", "office.example.com", OFFICE, mfa_config=NO_MFA),
        application("Any", "*.apps.example.com", mfa_config=NO_MFA),
    ]


@asynccontextmanager
async def open_history(folder: Path) -> AsyncIterator[History]:
    """Start a site with a second gate on it, and a connection to each."""
    async with open_site(folder, _arrange) as site, AsyncExitStack() as stack:
        anew = replace(site.services, known_tokens=Forgetful(), single_flight=SingleFlight())
        runner = web.AppRunner(_listeners(site.settings, anew, site.current)["gate"], access_log=None)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fast, slow = [
            Connection(*await asyncio.open_connection("127.0.0.1", port))
            for port in (site.ports["gate"], runner.addresses[0][1])
        ]
        stack.callback(fast.writer.close)
        stack.callback(slow.writer.close)
        history = History(site, fast, slow)
        fast_path = site.apps["gate"][FAST_PATH]
        find = fast_path.find

        def counted(data: bytes, peer: Any) -> Any:  # noqa: ANN401 - of the wrapped one
            found = find(data, peer)
            history.let_through += isinstance(found, bytes) and found.startswith(b"HTTP/1.1 200")
            return found

        fast_path.find = counted  # type: ignore[method-assign]
        yield history
