"""Somebody in a browser who logs in at OpenID providers: what they do there, and what they see when it fails."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Browser, expect

from tests.e2e.openid_provider import PASSWORD, OpenIdProvider
from tests.e2e.openid_site import OpenIdSite
from tests.e2e.person import Person


class OpenIdPerson(Person):
    """A person who may have an account at each of the providers."""

    def __init__(self, place: OpenIdSite, chromium: Browser, address: str) -> None:
        self.corporate = place.corporate
        self.partner = place.partner
        super().__init__(place.site, chromium, address)

    @property
    def login_name(self) -> str:
        """What they are called at the providers."""
        return self.address.partition("@")[0]

    def has_account(
        self, provider: OpenIdProvider, *, amr: Sequence[str] | None = None, auth_age_s: int = 0, **claims: object
    ) -> None:
        """Have an account with their own address at a provider."""
        provider.knows(self.login_name, {"email": self.address, **claims}, amr=amr, auth_age_s=auth_age_s)

    def choose(self, provider: str) -> None:
        """Choose a provider on the portal's login page."""
        self.page.get_by_role("link", name=f"Log in with {provider}", exact=True).click()

    def expect_provider(self, provider: OpenIdProvider) -> None:
        """See a provider's own login page."""
        self.page.wait_for_url(f"{provider.issuer}/interaction/**")

    def fill_in_login(self, provider: OpenIdProvider) -> None:
        """Log in at a provider that shows its login page."""
        self.expect_provider(provider)
        self.page.fill("input[name=login]", self.login_name)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.get_by_role("button", name="Log in").click()

    def log_in_at(self, provider: OpenIdProvider) -> None:
        """Choose a provider by its name on the portal's login page, and log in there."""
        self.choose(provider.name.capitalize())
        self.fill_in_login(provider)

    def arrive_with_totp(self, provider: OpenIdProvider, label: str = "app", path: str = "/") -> dict[str, object]:
        """Log in for the first time, set up an authenticator app, and arrive; gives what the application received."""
        self.open(label, path)
        if label == "app":
            self.choose(provider.name.capitalize())
        self.fill_in_login(provider)
        self.choose_to_add("totp")
        self.set_up_totp()
        return self.expect_application(label, path)

    def expect_message(self, words: str) -> None:
        """See a page of the portal that says something."""
        expect(self.page.get_by_text(words)).to_be_visible()
