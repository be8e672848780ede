"""A provider that is away, in Chromium, behind both proxies: nobody who is logged in notices, and nothing hangs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.openid_person import OpenIdPerson

SOON_S = 5.0


@pytest.fixture
def with_outages(somebody: OpenIdPerson) -> Iterator[OpenIdPerson]:
    """Somebody whose provider is there again afterwards."""
    yield somebody
    somebody.corporate.start()


@pytest.mark.case(66)
def test_a_login_at_a_provider_that_was_never_there_is_told_so_at_once(somebody: OpenIdPerson) -> None:
    began_at = time.monotonic()
    somebody.open("gone")
    expect(somebody.page.get_by_role("heading", name="We cannot check your login now")).to_be_visible()
    assert time.monotonic() - began_at < SOON_S


@pytest.mark.case(66)
def test_people_with_sessions_go_on_while_their_provider_is_away(with_outages: OpenIdPerson) -> None:
    person = with_outages
    person.has_account(person.corporate, amr=["otp"])
    person.has_account(person.partner, amr=["otp"])
    person.open("app")
    person.log_in_at(person.corporate)
    person.expect_application("app")

    person.corporate.stop()
    began_at = time.monotonic()
    person.open("app", "/later")
    person.expect_application("app", "/later")
    person.open("engineers")  # a new decision, with claims of the login that there is
    person.expect_message("Engineers is not open to")
    assert time.monotonic() - began_at < SOON_S


@pytest.mark.case(66)
def test_a_login_that_the_provider_leaves_half_done_is_told_so_and_can_be_begun_again(
    with_outages: OpenIdPerson,
) -> None:
    person = with_outages
    person.has_account(person.corporate, amr=["otp"])
    person.open("app", "/wanted")
    person.corporate.die_at("/token")
    person.log_in_at(person.corporate)
    expect(person.page.get_by_role("heading", name="We cannot check your login now")).to_be_visible()

    person.corporate.start()
    person.page.get_by_role("link", name="Try again").click()
    person.log_in_at(person.corporate)
    person.expect_application("app", "/wanted")
