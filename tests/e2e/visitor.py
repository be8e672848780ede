"""A visitor without a browser: keeps cookies, follows redirects, fills in forms. For many logins in little time."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from tests.e2e.outbox import mails, wait_for_pin
from tests.e2e.sites import Site
from tests.e2e.totp import totp_code
from tests.e2e.wire import Answer, request_bytes, send
from tests.fakes.forms import forms_of

NAVIGATION = [("Accept", "text/html,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
MAX_REDIRECTS = 12
_numbers = itertools.count()


def _own_address() -> str:
    """Give every visitor a loopback address of their own, since much is counted per address."""
    number = next(_numbers)
    return f"127.1.{number // 250}.{number % 250 + 1}"


@dataclass(slots=True)
class Visitor:
    """One visitor at one site; `url` and `page` are where the last request ended.

    `set_cookies` holds every `Set-Cookie` line that ever came.
    """

    site: Site
    source: str = field(default_factory=_own_address)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    url: str = ""
    page: Answer = field(default_factory=lambda: Answer(0, (), b""))
    set_cookies: list[str] = field(default_factory=list)

    def ask(
        self,
        label: str,
        target: str = "/",
        *,
        method: str = "GET",
        headers: list[tuple[str, str]] | None = None,
        body: bytes = b"",
        cookie: str | None = None,
    ) -> Answer:
        """Send one request with the host's cookies (or `cookie`), and follow nothing."""
        host = self.site.host(label)
        jar = cookie if cookie is not None else self.cookie_header(host)
        fields = [*(headers or []), *([("Cookie", jar)] if jar else [])]
        answer = send(
            self.site,
            label,
            request_bytes(method, target, f"{host}:{self.site.port}", fields, body),
            method=method,
            source=self.source,
        )
        self._keep_cookies(host, answer)
        return answer

    def cookie_header(self, host: str) -> str:
        """Give what a browser would send to a host."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.get(host, {}).items())

    def application_cookie(self, label: str) -> str:
        """Give the value of the application's cookie at a host."""
        return self.cookies.get(self.site.host(label), {}).get(self.site.cookie, "")

    def open(self, label: str, target: str = "/") -> Answer:
        """Open a page as a browser does, through all redirects."""
        return self._follow(self.site.url(label, target))

    def submit(self, **values: str) -> Answer:
        """Send the first form of the page that has all these fields."""
        forms = forms_of(self.page.body.decode())
        form = next((one for one in forms if set(values) <= one.inputs), None)
        if form is None:
            raise AssertionError(f"no form with {sorted(values)} at {self.url}:\n{self.page.body.decode()[:3000]}")
        return self._follow(urljoin(self.url, form.action), body=urlencode({**form.fields, **values}).encode())

    def sign_in(self, address: str, label: str = "plain", target: str = "/") -> Answer:
        """Log in to an application with a one-time PIN; ends at the page that was asked for."""
        self.open(label, target)
        outbox = self.site.folder / "outbox"
        before = mails(outbox)
        self.submit(email=address)
        return self.submit(pin=wait_for_pin(outbox, address, after=before))

    def enrol_totp(self, address: str, label: str = "app", target: str = "/") -> str:
        """Log in to an application for the first time with an authenticator app; gives its setup key."""
        self.sign_in(address, label, target)
        self.submit(method="totp")
        key = re.search(r'id="setup-key" data-value="([A-Z2-7]+)"', self.page.body.decode())
        if key is None:
            raise AssertionError(f"no setup key at {self.url}:\n{self.page.body.decode()[:3000]}")
        self.submit(code=totp_code(key[1], self.site.clock.now()))
        return key[1]

    def log_out(self) -> None:
        """Log out of this browser at the portal."""
        self.open("mfa", "/logout")
        self.submit(scope="browser")

    def received(self) -> dict[str, Any]:
        """Give what the echo application received for the last page."""
        seen: dict[str, Any] = json.loads(self.page.body)
        return seen

    def _follow(self, url: str, *, body: bytes | None = None) -> Answer:
        method, headers = "GET", list(NAVIGATION)
        for _ in range(MAX_REDIRECTS):
            parts = urlsplit(url)
            label = (parts.hostname or "").removesuffix(f".{self.site.domain}")
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            if body is not None:
                method = "POST"
                origin = f"{parts.scheme}://{parts.netloc}"
                headers = [
                    *NAVIGATION,
                    ("Content-Type", "application/x-www-form-urlencoded"),
                    ("Origin", origin),
                    ("Sec-Fetch-Site", "same-origin"),
                ]
            self.page = self.ask(label, target, method=method, headers=headers, body=body or b"")
            self.url = url
            if self.page.status not in (301, 302, 303, 307):
                return self.page
            url = urljoin(url, self.page.one("Location"))
            method, headers, body = "GET", list(NAVIGATION), None
        raise AssertionError(f"more than {MAX_REDIRECTS} redirects, the last to {url}")

    def _keep_cookies(self, host: str, answer: Answer) -> None:
        jar = self.cookies.setdefault(host, {})
        for line in answer.all("Set-Cookie"):
            self.set_cookies.append(line)
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if not value or "max-age=0" in attributes.lower().replace(" ", ""):
                jar.pop(name, None)
            else:
                jar[name] = value
