"""Logging out at a provider that none of us wrote, from its side and from ours, in Chromium, behind both proxies."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.openid_person import OpenIdPerson


@pytest.fixture
def logged_in(somebody: OpenIdPerson) -> OpenIdPerson:
    """Somebody who has an application open."""
    somebody.has_account(somebody.corporate, amr=["otp"])
    arrive(somebody)
    return somebody


def arrive(person: OpenIdPerson) -> None:
    """Log in at the provider in a browser that is new there, and open the application."""
    person.open("app")
    person.log_in_at(person.corporate)
    person.expect_application("app")


def expect_login_page(person: OpenIdPerson) -> None:
    """See that the application is not open any more."""
    person.open("app")
    expect(person.page.get_by_role("link", name="Log in with Corporate")).to_be_visible()


@pytest.mark.case(24)
def test_logging_out_here_goes_on_to_the_provider_and_comes_back(logged_in: OpenIdPerson) -> None:
    person = logged_in
    person.page.goto(person.site.url("mfa", "/logout"))
    person.page.get_by_role("button", name="Log out of this browser").click()
    person.page.wait_for_url(f"{person.corporate.issuer}/session/end**")
    person.page.get_by_role("button", name="Yes").click()
    person.expect_message("You are logged out here and at Corporate.")
    assert "backchannel.success basic" in person.corporate.output()

    expect_login_page(person)
    person.choose("Corporate")
    person.expect_provider(person.corporate)


def test_whoever_stays_logged_in_at_the_provider_needs_no_password_there(logged_in: OpenIdPerson) -> None:
    person = logged_in
    person.page.goto(person.site.url("mfa", "/logout"))
    person.page.get_by_role("button", name="Log out of this browser").click()
    person.page.wait_for_url(f"{person.corporate.issuer}/session/end**")
    expect_login_page(person)
    person.choose("Corporate")
    person.expect_application("app")


@pytest.mark.case(24)
def test_logging_out_at_the_provider_ends_the_sessions_of_that_browser_here(logged_in: OpenIdPerson) -> None:
    person = logged_in
    first = person.page
    person.another_browser()
    arrive(person)

    person.page.goto(f"{person.corporate.issuer}/session/end")
    person.page.get_by_role("button", name="Yes").click()
    expect(person.page.get_by_role("heading", name="Logged out of the provider")).to_be_visible()
    assert "backchannel.error" not in person.corporate.output()
    expect_login_page(person)

    person.page = first
    person.open("app", "/still")
    person.expect_application("app", "/still")
