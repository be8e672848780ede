"""Somebody in a browser: what people do at the portal, in their words, and what they see."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.browsers import VirtualAuthenticator
from tests.e2e.outbox import mails, wait_for_pin
from tests.e2e.sites import Site
from tests.e2e.totp import TOTP_STEP_S, totp_code


class Person:
    """A person with an e-mail address, perhaps an authenticator app, and one browser at a time."""

    def __init__(self, site: Site, chromium: Browser, address: str) -> None:
        self.site = site
        self.address = address
        self.setup_key = ""
        self._chromium = chromium
        self._contexts: list[BrowserContext] = []
        self.page: Page = self.another_browser()

    def another_browser(self) -> Page:
        """Sit down at another browser: no cookies, no authenticators plugged in."""
        context = self._chromium.new_context()
        context.set_default_timeout(10_000)
        self._contexts.append(context)
        self.page = context.new_page()
        return self.page

    def pages(self) -> list[Page]:
        """Give all pages that are open."""
        return [page for context in self._contexts for page in context.pages]

    def close(self) -> None:
        """Close all browsers."""
        for context in self._contexts:
            context.close()

    def plug_in(self, transport: Literal["usb", "internal"]) -> VirtualAuthenticator:
        """Plug a security key into this browser, or give the device a fingerprint reader."""
        return VirtualAuthenticator(self.page, transport)

    def open(self, label: str, path: str = "/") -> None:
        """Type an address."""
        self.page.goto(self.site.url(label, path))

    def log_in(self) -> None:
        """Fill in the login page: the e-mail address, then the code that was sent to it."""
        outbox = self.site.folder / "outbox"
        before = mails(outbox)
        self.page.fill("input[name=email]", self.address)
        self.page.get_by_role("button", name="Send me a code").click()
        self.page.fill("input[name=pin]", wait_for_pin(outbox, self.address, after=before))
        self.page.get_by_role("button", name="Log in").click()

    def choose_to_add(self, method: Literal["totp", "security_key", "biometrics"]) -> None:
        """Choose a method on the page that offers what can be added."""
        self.page.locator(f"button[name=method][value={method}]").click()

    def set_up_totp(self) -> None:
        """Scan (read) the setup key and confirm with a code."""
        self.page.wait_for_selector(".qr-frame svg")
        self.setup_key = self.page.locator("#setup-key").get_attribute("data-value") or ""
        self.page.fill("input[name=code]", totp_code(self.setup_key, self.site.clock.now()))
        self.page.get_by_role("button", name="Turn it on").click()

    def set_up_webauthn(self, name: str) -> None:
        """Name the authenticator that is plugged in, and touch it."""
        self.page.fill("input[name=name]", name)
        self.page.locator("button[data-start]").click()

    def answer_totp(self) -> None:
        """Answer a challenge with a code that was not used before."""
        self.site.clock.advance(TOTP_STEP_S)
        self.page.fill("input[name=code]", totp_code(self.setup_key, self.site.clock.now()))
        self.page.get_by_role("button", name="Continue").click()

    def answer_webauthn(self) -> None:
        """Answer a challenge with the authenticator that is plugged in."""
        self.page.locator("button[data-start]").click()

    def enrol_totp_at_first_login(self, label: str = "app", path: str = "/") -> None:
        """Open an application for the first time, log in, set up an authenticator app and arrive."""
        self.open(label, path)
        self.log_in()
        self.choose_to_add("totp")
        self.set_up_totp()
        self.expect_application(label, path)

    def expect_application(self, label: str, path: str = "/") -> dict[str, Any]:
        """See the application's page, and give what it received."""
        self.page.wait_for_url(self.site.url(label, path))
        received: dict[str, Any] = json.loads(self.page.inner_text("body"))
        return received

    def expect_challenge(self, method: Literal["totp", "security_key", "biometrics"]) -> None:
        """See that one more proof is asked for, with this method."""
        self.page.wait_for_url(re.compile(rf"//mfa\.{re.escape(self.site.domain)}:\d+/challenge"))
        if method == "totp":
            expect(self.page.locator("form input[name=code]")).to_be_visible()
        else:
            expect(self.page.locator(f"form[data-webauthn=get][data-method={method}]")).to_be_visible()
