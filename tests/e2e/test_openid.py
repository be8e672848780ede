"""Logging in at OpenID providers that none of us wrote, in Chromium, behind both proxies."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.openid_person import OpenIdPerson
from tests.e2e.openid_provider import OpenIdProvider
from tests.e2e.openid_site import AMR_DURATION_S

behind_one_proxy = pytest.mark.parametrize("openid_site", ["nginx"], indirect=True, scope="session")
"""For what lies between the portal and the provider alone."""


def headers_of(received: dict[str, Any]) -> dict[str, str]:
    """Give what the application received, by lower-case name."""
    return {name.lower(): value for name, value in received["headers"]}


def assertion_of(received: dict[str, Any]) -> dict[str, Any]:
    """Give the claims of the assertion that the application received."""
    payload = headers_of(received)["cf-access-jwt-assertion"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def provider_named(person: OpenIdPerson, name: str) -> OpenIdProvider:
    """Give one of the two providers."""
    return {"corporate": person.corporate, "partner": person.partner}[name]


def test_the_login_page_offers_the_applications_providers(somebody: OpenIdPerson) -> None:
    somebody.open("app")
    links = somebody.page.get_by_role("link", name="Log in with")
    expect(links).to_have_text(["Log in with Corporate", "Log in with Partner"])


@pytest.mark.parametrize("name", ["corporate", "partner"])
def test_a_person_logs_in_enrols_and_the_application_is_told_who_they_are(somebody: OpenIdPerson, name: str) -> None:
    provider = provider_named(somebody, name)
    somebody.has_account(provider, name="Ann Example", groups=["staff", "engineers"])
    received = somebody.arrive_with_totp(provider, path="/wanted?a=1&b=%2F")
    headers = headers_of(received)
    assert headers["remote-email"] == somebody.address
    assert headers["remote-name"] == "Ann Example"
    assert headers["remote-groups"] == "staff,engineers"
    claims = assertion_of(received)
    assert claims["email"] == somebody.address
    assert claims["amr"] == ["otp", "mfa"]


def test_the_providers_own_mfa_is_not_asked_for_again(somebody: OpenIdPerson) -> None:
    somebody.has_account(somebody.corporate, amr=["pwd", "otp"])
    somebody.open("app")
    somebody.log_in_at(somebody.corporate)
    assert "otp" in assertion_of(somebody.expect_application("app"))["amr"]


@pytest.mark.case(61)
@behind_one_proxy
@pytest.mark.parametrize(
    ("amr", "auth_age_s"),
    [(None, 0), (["pwd"], 0), (["pwd", "mfa"], 0), (["pwd", "otp"], AMR_DURATION_S + 60)],
    ids=["no amr", "a password", "an unnamed second factor", "too old"],
)
def test_what_is_no_fresh_mfa_of_the_provider_is_asked_for(
    somebody: OpenIdPerson, amr: list[str] | None, auth_age_s: int
) -> None:
    somebody.has_account(somebody.corporate, amr=amr, auth_age_s=auth_age_s)
    somebody.open("app")
    somebody.log_in_at(somebody.corporate)
    somebody.choose_to_add("totp")
    somebody.set_up_totp()
    somebody.expect_application("app")


def test_an_application_with_one_provider_goes_straight_there(somebody: OpenIdPerson) -> None:
    somebody.has_account(somebody.partner, amr=["otp"])
    somebody.open("partner", "/wanted")
    somebody.fill_in_login(somebody.partner)
    somebody.expect_application("partner", "/wanted")


def test_a_provider_that_knows_the_portal_by_a_key_logs_people_in(somebody: OpenIdPerson) -> None:
    somebody.has_account(somebody.partner, amr=["otp"], name="Kay")
    somebody.open("keyed")
    somebody.fill_in_login(somebody.partner)
    assert headers_of(somebody.expect_application("keyed"))["remote-name"] == "Kay"


def test_an_application_of_another_provider_wants_a_login_there(somebody: OpenIdPerson) -> None:
    somebody.has_account(somebody.corporate, amr=["otp"])
    somebody.open("app")
    somebody.log_in_at(somebody.corporate)
    somebody.expect_application("app")
    somebody.open("partner")
    somebody.expect_message("Partner's does not accept the way that you logged in.")
    links = somebody.page.get_by_role("link", name="Log in with")
    expect(links).to_have_text(["Log in with Partner"])
    links.click()
    somebody.expect_provider(somebody.partner)


@behind_one_proxy
def test_a_claim_of_the_provider_opens_an_application_to_some(somebody: OpenIdPerson) -> None:
    somebody.has_account(somebody.corporate, amr=["otp"], groups=["engineers"])
    somebody.open("engineers")
    somebody.log_in_at(somebody.corporate)
    somebody.expect_application("engineers")

    somebody.another_browser()
    somebody.has_account(somebody.corporate, amr=["otp"], groups=["sales"])
    somebody.open("engineers")
    somebody.log_in_at(somebody.corporate)
    somebody.expect_message("Engineers is not open to")


@pytest.mark.case(71)
@behind_one_proxy
def test_a_login_goes_on_after_the_provider_replaced_its_keys(somebody: OpenIdPerson) -> None:
    somebody.has_account(somebody.corporate, amr=["otp"])
    somebody.open("app")
    somebody.log_in_at(somebody.corporate)
    somebody.expect_application("app")

    somebody.site.clock.advance(61)  # keys are looked for anew at most once a minute
    somebody.corporate.rotate_keys()
    somebody.another_browser()
    somebody.open("app")
    somebody.log_in_at(somebody.corporate)
    somebody.expect_application("app")


@pytest.mark.case(65)
@behind_one_proxy
@pytest.mark.parametrize("verified", [False, None, "true"], ids=["not verified", "not said", "a text"])
def test_an_address_that_the_provider_does_not_call_verified_is_refused(
    somebody: OpenIdPerson, *, verified: object
) -> None:
    somebody.has_account(somebody.corporate, amr=["otp"], email_verified=verified)
    somebody.open("app")
    somebody.log_in_at(somebody.corporate)
    somebody.expect_message("The identity provider does not confirm your e-mail address")
    somebody.open("app")
    expect(somebody.page.get_by_role("link", name="Log in with Corporate")).to_be_visible()


def test_a_person_who_cancels_at_the_provider_may_start_again(somebody: OpenIdPerson) -> None:
    somebody.has_account(somebody.corporate, amr=["otp"])
    somebody.open("app", "/wanted")
    somebody.choose("Corporate")
    somebody.expect_provider(somebody.corporate)
    somebody.page.get_by_role("button", name="Cancel").click()
    somebody.expect_message("The identity provider did not log you in")
    somebody.page.get_by_role("link", name="Log in again").click()
    somebody.log_in_at(somebody.corporate)
    somebody.expect_application("app", "/wanted")


@pytest.mark.case(65)
def test_a_second_provider_with_the_same_address_joins_only_after_a_proof(somebody: OpenIdPerson) -> None:
    somebody.has_account(somebody.corporate)
    somebody.has_account(somebody.partner)
    somebody.arrive_with_totp(somebody.corporate)

    somebody.another_browser()
    somebody.open("partner")
    somebody.fill_in_login(somebody.partner)
    somebody.expect_message("Your e-mail address is known here from another way of logging in")
    somebody.open("partner")
    somebody.expect_message("Your e-mail address is known here from another way of logging in")

    somebody.page.get_by_role("link", name="Log in the earlier way").click()
    somebody.log_in_at(somebody.corporate)
    somebody.expect_challenge("totp")
    somebody.answer_totp()
    somebody.expect_message("Log in with Partner once.")
    somebody.choose("Partner")
    expect(somebody.page.get_by_role("link", name="Partner's")).to_be_visible()
    somebody.open("partner", "/wanted")
    somebody.expect_application("partner", "/wanted")
