"""The stories that people live through, in Chromium, behind both proxies."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.person import Person
from tests.e2e.sites import Site
from tests.e2e.totp import totp_code
from tests.e2e.visitor import Visitor

WINDOW_S = 600
MFA_SESSION_S = 24 * 3600


def open_devices(person: Person) -> Page:
    """Open the page with a person's MFA devices."""
    person.page.goto(person.site.url("mfa", "/account/devices"))
    return person.page


def add_in_the_window(person: Person, method: str, name: str) -> None:
    """Add a security key or biometrics; the authenticator app is asked for first, and that opens the window."""
    page = open_devices(person)
    page.get_by_role("link", name="Add an MFA device").first.click()
    page.locator(f"button[name=method][value={method}]").click()
    person.expect_challenge("totp")
    person.answer_totp()
    person.set_up_webauthn(name)
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_a_person_enrols_an_authenticator_app_and_goes_on_to_the_page_they_wanted(person: Person) -> None:
    person.open("app", "/wanted?a=1&b=%2F")
    person.log_in()
    person.choose_to_add("totp")
    person.set_up_totp()
    received = person.expect_application("app", "/wanted?a=1&b=%2F")
    headers = {name.lower(): value for name, value in received["headers"]}
    assert headers["remote-email"] == person.address
    assert "secondgate" not in headers.get("cookie", "")


@pytest.mark.parametrize(("transport", "method"), [("usb", "security_key"), ("internal", "biometrics")])
def test_a_person_enrols_by_webauthn_and_logs_in_with_it(
    person: Person, transport: Literal["usb", "internal"], method: Literal["security_key", "biometrics"]
) -> None:
    authenticator = person.plug_in(transport)
    person.open("app", "/wanted")
    person.log_in()
    person.choose_to_add(method)
    person.set_up_webauthn("My first")
    person.expect_application("app", "/wanted")
    assert len(authenticator.credentials()) == 1

    person.site.clock.advance(MFA_SESSION_S)
    label = "key" if method == "security_key" else "app"
    person.open(label, "/later")
    person.log_in()
    person.answer_webauthn()
    person.expect_application(label, "/later")


def test_the_enrolment_link_can_be_shared(person: Person) -> None:
    person.page.goto(person.site.url("mfa", "/AddMfaDevice"))
    person.log_in()
    person.choose_to_add("totp")
    person.set_up_totp()
    expect(open_devices(person).get_by_role("heading", name="Authenticator app")).to_be_visible()


def test_a_second_authenticator_app_is_not_offered(person: Person) -> None:
    person.enrol_totp_at_first_login()
    page = open_devices(person)
    page.get_by_role("link", name="Add an MFA device").first.click()
    expect(page.locator("button[name=method][value=security_key]")).to_be_visible()
    expect(page.locator("button[name=method][value=totp]")).to_have_count(0)


@pytest.mark.case(26)
def test_an_application_for_security_keys_challenges_a_totp_session(person: Person) -> None:
    authenticator = person.plug_in("usb")
    person.enrol_totp_at_first_login()
    person.site.clock.advance(30)
    add_in_the_window(person, "security_key", "Blue key")

    person.another_browser()
    person.open("app", "/first")
    person.log_in()
    choose_totp(person)
    person.answer_totp()
    person.expect_application("app", "/first")
    person.open("key", "/vault")
    person.expect_challenge("security_key")
    person.open("app", "/admin")
    person.expect_challenge("security_key")
    assert len(authenticator.credentials()) == 1


def choose_totp(person: Person) -> None:
    """Choose the app where the page asks for another method first."""
    other = person.page.get_by_role("link", name="Use a code from your app instead")
    person.page.wait_for_url("**/challenge**")
    if other.count():
        other.click()


@pytest.mark.case(79, 80)
def test_an_authenticator_is_removed_in_the_window_and_after_it_only_with_another_proof(person: Person) -> None:
    person.plug_in("usb")
    person.enrol_totp_at_first_login()
    add_in_the_window(person, "security_key", "Blue key")
    page = open_devices(person)
    page.get_by_role("link", name="Remove Blue key").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("heading", name="Blue key")).to_have_count(0)

    person.site.clock.advance(WINDOW_S)
    page = open_devices(person)
    page.get_by_role("link", name="Remove Authenticator app").click()
    person.expect_challenge("totp")
    person.answer_totp()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("You have no MFA device yet")).to_be_visible()


@pytest.mark.case(80)
def test_another_browser_has_no_window(person: Person) -> None:
    person.enrol_totp_at_first_login()
    first = open_devices(person)
    expect(first.get_by_text("we will ask you to verify")).to_be_visible()
    first.get_by_role("link", name="Remove Authenticator app").click()
    person.expect_challenge("totp")
    person.answer_totp()
    expect(first.get_by_role("button", name="Remove it")).to_be_visible()
    first = open_devices(person)
    expect(first.get_by_text("you can change devices until")).to_be_visible()

    person.another_browser()
    second = open_devices(person)
    person.log_in()
    expect(second.get_by_text("we will ask you to verify")).to_be_visible()
    second.get_by_role("link", name="Remove Authenticator app").click()
    person.expect_challenge("totp")


def test_a_wrong_code_is_said_in_words_and_the_right_one_goes_on(person: Person) -> None:
    person.enrol_totp_at_first_login()
    person.another_browser()
    person.open("app")
    person.log_in()
    now = person.site.clock.now()
    near = {totp_code(person.setup_key, now + 30 * step) for step in range(-3, 4)}
    wrong = next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in near)
    person.page.fill("input[name=code]", wrong)
    person.page.get_by_role("button", name="Continue").click()
    expect(person.page.get_by_role("alert")).to_be_visible()
    person.answer_totp()
    person.expect_application("app")


def test_the_launcher_shows_what_a_person_may_open(person: Person) -> None:
    person.page.goto(person.site.url("mfa", "/"))
    person.log_in()
    expect(person.page.get_by_role("link", name="App app.")).to_be_visible()
    expect(person.page.get_by_role("link", name="Keys only")).to_be_visible()
    expect(person.page.get_by_role("link", name="Staff")).to_have_count(0)
    person.page.get_by_role("link", name="Plain").click()
    person.expect_application("plain")


@pytest.mark.case(24)
def test_logging_out_everywhere_ends_what_other_browsers_have_open(person: Person, site: Site) -> None:
    person.open("plain", "/first")
    person.log_in()
    person.expect_application("plain", "/first")
    first = person.page

    second = person.another_browser()
    person.open("plain", "/second")
    person.log_in()
    person.expect_application("plain", "/second")
    second.goto(site.url("mfa", "/logout"))
    second.get_by_role("button", name="Log out everywhere").click()
    second.wait_for_load_state()

    for page in (first, second):
        page.goto(site.url("plain", "/again"))
        expect(page.locator("input[name=email]")).to_be_visible()


def test_a_page_of_the_portal_fetches_nothing_from_elsewhere(person: Person, visitor: Visitor) -> None:
    asked: list[str] = []
    problems: list[str] = []
    person.page.on("request", lambda request: asked.append(request.url))
    person.page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    person.enrol_totp_at_first_login()
    open_devices(person)
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} <= {
        f"{person.site.host(label)}:{person.site.port}" for label in ("mfa", "app")
    }
    assert [text for text in problems if "favicon" not in text] == []
    assert visitor.ask("mfa", "/login").one("Content-Security-Policy")
