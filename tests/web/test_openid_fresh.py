"""How new a login at an OpenID Connect provider is, and the provider's own MFA in place of a challenge of ours."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.fakes.openid_provider import OpenIdProvider, running_provider
from tests.web.browser import Browser, Person, authenticator
from tests.web.conftest import StartSite
from tests.web.openid_login import MENU, asked_of, begin, lines, log_in
from tests.web.site import PORTAL, START, Site
from tests.web.wire import Answer

WIKI, VAULT, STRICT = (f"https://{host}.example.com/page" for host in ("wiki", "vault", "strict"))
StartMatching = Callable[..., Any]


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        yield running


@pytest.fixture
def start(start_site: StartSite, provider: OpenIdProvider) -> StartMatching:
    """Starts a site whose organization takes the provider's MFA for some time; None: not at all."""

    async def begin_site(duration: str | None, **config: object) -> Site:
        def change(configuration: dict[str, Any]) -> None:
            access = configuration["access"]
            access["identity_providers"].append({"name": "Corp", "type": "oidc", "config": provider.config(**config)})
            if duration is not None:
                access["organization"]["mfa_config"]["amr_matching_session_duration"] = duration

        site = await start_site(change)
        provider.clock = site.clock
        return site

    return begin_site


def again(page: Answer) -> str:
    """Give the way to a new login at the provider that a page offers."""
    found = re.search(r'href="(/login/[^"]+fresh=1)">Log in again with Corp<', page.text)
    return found[1].replace("&amp;", "&") if found else ""


async def begin_again(browser: Browser) -> str:
    return (await browser.request("GET", PORTAL + again(browser.page))).one("Location")


@pytest.mark.parametrize(
    ("duration", "config", "prompt", "max_age"),
    [
        (None, {}, None, None),
        (None, {"prompt": "select_account"}, "select_account", None),
        (None, {"prompt": "login"}, "login", None),
        ("1h", {}, None, "3600"),
        ("1h", {"prompt": "select_account"}, "select_account", "3600"),
        ("0m", {}, "login", "0"),
        ("0m", {"prompt": "select_account"}, "login", "0"),
    ],
)
async def test_the_provider_is_asked_for_a_login_as_new_as_its_mfa_must_be(
    start: StartMatching, duration: str | None, config: dict[str, object], prompt: str | None, max_age: str | None
) -> None:
    asked = asked_of(await begin(Browser(await start(duration, **config))))
    assert (asked.get("prompt"), asked.get("max_age")) == (prompt, max_age)


@pytest.mark.case(60)
async def test_a_key_used_at_the_provider_opens_the_vault_and_the_log_says_so(
    start: StartMatching, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    browser = Browser(await start("1h"))
    provider.claims |= {"amr": ["pwd", "hwk"], "auth_time": START - 60}
    assert ((await log_in(browser, provider, VAULT)).status, browser.url) == (200, VAULT)
    (line,) = lines(logs, "amr.accepted", "amr.ignored")
    assert (line["event"], line["methods"], line["at"]) == ("amr.accepted", ["security_key"], START - 60)
    (login,) = lines(logs, "application.login")
    assert (login["method"], login["proved_at"]) == ("security_key", "identity_provider")
    identity = await browser.request("GET", "https://vault.example.com/cdn-cgi/access/get-identity")
    assert identity.json["amr"] == ["pwd", "hwk"]


@pytest.mark.case(60)
@pytest.mark.parametrize(
    "amr",
    [
        "hwk",
        ["OTP"],
        ["HWK"],
        ["mfa"],
        ["otp"],
        ["pwd", "sms"],
        None,
        [],
        [["hwk"]],
        {"hwk": True},
        ["hwk", 7],
        ["hwk", None],
        ["hwk"] * 33,
        ["hwk", "x" * 65],
        ["hwk", "\n"],
        ["hwk\x00"],
        7,
        True,
    ],
)
async def test_an_odd_or_another_amr_leads_to_a_proof_of_ours(
    start: StartMatching, provider: OpenIdProvider, amr: object
) -> None:
    browser = Browser(await start("1h"))
    provider.claims |= {"amr": amr, "auth_time": START}
    assert (await log_in(browser, provider, VAULT)).status == 200
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")


@pytest.mark.case(60, 61)
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"amr": ["hwk"]}, "no_auth_time"),
        ({"amr": ["hwk"], "auth_time": START + 61}, "in_future"),
        ({"amr": ["pwd", "mfa"], "auth_time": START}, "no_method"),
        ({"auth_time": START}, "no_method"),
        ({"amr": ["hwk"], "auth_time": START - 3600}, "too_old"),
    ],
)
async def test_mfa_of_the_provider_that_is_not_taken_is_logged_once_with_the_reason(
    start: StartMatching, provider: OpenIdProvider, logs: io.StringIO, claims: dict[str, object], reason: str
) -> None:
    browser = Browser(await start("1h"))
    provider.claims |= claims
    await log_in(browser, provider, VAULT)
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    (line,) = lines(logs, "amr.accepted", "amr.ignored")
    assert (line["event"], line["reason"]) == ("amr.ignored", reason)


@pytest.mark.case(61)
async def test_where_models_are_required_the_provider_is_neither_believed_nor_asked_again(
    start: StartMatching, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    site = await start("1h")

    def require(configuration: dict[str, Any]) -> None:
        keys = {"name": "Keys", "type": "AAGUID", "items": [{"value": "a" * 32}]}
        configuration["access"]["lists"] = [keys]
        configuration["access"]["organization"]["mfa_config"]["required_aaguids"] = "Keys"

    site.reload(require)
    browser = Browser(site)
    provider.claims |= {"amr": ["hwk"], "auth_time": START}
    url = await begin(browser, VAULT)
    assert "max_age" not in asked_of(url)
    page = await browser.open(provider.authorize(url))
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    assert not again(page)
    (line,) = lines(logs, "amr.accepted", "amr.ignored")
    assert (line["event"], line["reason"]) == ("amr.ignored", "required_aaguids")


async def test_with_matching_off_nothing_is_logged_and_nothing_offered(
    start: StartMatching, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    browser = Browser(await start(None))
    provider.claims |= {"amr": ["hwk"], "auth_time": START}
    page = await log_in(browser, provider, VAULT)
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    assert "Log in again with" not in page.text
    assert not lines(logs, "amr.accepted", "amr.ignored")


@pytest.mark.case(61)
async def test_without_an_auth_time_a_login_counts_from_where_it_was_demanded(
    start: StartMatching, provider: OpenIdProvider
) -> None:
    site = await start("0m", prompt="login")
    browser = Browser(site)
    provider.claims |= {"amr": ["hwk"]}
    url = await begin(browser, VAULT)
    site.clock.advance(50)
    await browser.open(provider.authorize(url))
    assert browser.url == VAULT
    (event,) = await site.events("application.login")
    assert event.detail["proved_at"] == "identity_provider"
    identity = await browser.request("GET", "https://vault.example.com/cdn-cgi/access/get-identity")
    assert identity.json["mfa"] == {"security_key": START}


@pytest.mark.case(61)
async def test_without_an_auth_time_a_demand_that_only_the_browser_carried_proves_nothing(
    start: StartMatching, provider: OpenIdProvider
) -> None:
    browser = Browser(await start("0m"))
    provider.claims |= {"amr": ["hwk"]}
    await browser.open(provider.authorize(await begin(browser, VAULT)))
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    await browser.open(provider.authorize(await begin_again(browser)))
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")


@pytest.mark.case(61)
async def test_a_proof_at_the_provider_is_good_for_the_login_that_asked_for_it_alone(
    start: StartMatching, provider: OpenIdProvider
) -> None:
    site = await start("0m", prompt="login")
    browser = Browser(site)
    provider.claims |= {"amr": ["hwk"]}
    await log_in(browser, provider, VAULT)
    assert browser.url == VAULT
    site.clock.advance(1)
    await browser.open(WIKI)
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    assert again(browser.page)
    await browser.open(provider.authorize(await begin_again(browser)))
    assert browser.url == WIKI


@pytest.mark.case(61)
async def test_a_proof_at_the_provider_serves_one_of_several_logins_that_were_under_way(
    start: StartMatching, provider: OpenIdProvider
) -> None:
    browser = Browser(await start("0m"))
    waiting = (await browser.request("GET", (await browser.request("GET", WIKI)).one("Location"))).one("Location")
    provider.claims |= {"amr": ["otp", "hwk"], "auth_time": START}
    await log_in(browser, provider, VAULT)
    assert browser.url == VAULT
    await browser.open(waiting)
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")


@pytest.mark.case(61)
@pytest.mark.parametrize(("age_s", "is_fresh"), [(0, True), (60, True), (61, False), (86400, False)])
async def test_a_provider_that_does_not_do_as_it_was_told_logs_in_and_proves_nothing(
    start: StartMatching, provider: OpenIdProvider, *, age_s: int, is_fresh: bool
) -> None:
    site = await start("0m")
    browser = Browser(site)
    provider.claims |= {"amr": ["hwk"], "auth_time": START - age_s}
    assert (await log_in(browser, provider, VAULT)).status == 200
    assert (browser.url == VAULT) is is_fresh
    assert len(await site.events("login.succeeded")) == 1


@pytest.mark.case(61)
async def test_a_proof_that_has_become_old_can_be_made_anew_at_the_provider(
    start: StartMatching, provider: OpenIdProvider
) -> None:
    site = await start("1h")
    browser = Browser(site)
    provider.claims |= {"amr": ["hwk"], "auth_time": START - 3600}
    await log_in(browser, provider, VAULT)
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    url = await begin_again(browser)
    assert (asked_of(url)["prompt"], asked_of(url)["max_age"]) == ("login", "0")
    provider.claims["auth_time"] = START
    await browser.open(provider.authorize(url))
    assert browser.url == VAULT


async def test_the_challenge_offers_the_provider_as_a_second_choice(
    start: StartMatching, provider: OpenIdProvider
) -> None:
    site = await start("1h")
    ann = Person(site, "ann@example.com")
    await log_in(ann.browser, provider, VAULT)
    await ann.choose("security_key")
    await ann.browser.perform(authenticator())
    assert ann.browser.url == VAULT
    site.clock.advance(3600)
    await log_in(await ann.another_browser(), provider, VAULT)
    assert ann.browser.url.startswith(f"{PORTAL}/challenge")
    url = await begin_again(ann.browser)
    provider.claims |= {"amr": ["hwk"], "auth_time": int(site.clock())}
    await ann.browser.open(provider.authorize(url))
    assert ann.browser.url == VAULT


async def test_a_new_login_that_proves_nothing_more_leads_to_the_same_question(
    start: StartMatching, provider: OpenIdProvider
) -> None:
    browser = Browser(await start("1h"))
    await log_in(browser, provider, VAULT)
    await browser.open(provider.authorize(await begin_again(browser)))
    assert browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    assert again(browser.page)


async def test_whoever_came_by_a_pin_or_changes_devices_is_not_sent_to_the_provider(
    start: StartMatching, provider: OpenIdProvider
) -> None:
    site = await start("1h")
    ben = Person(site, "ben@example.com")
    assert not again(await ben.log_in(VAULT))
    assert ben.browser.url.startswith(f"{PORTAL}/AddMfaDevice")
    browser = Browser(site)
    await log_in(browser, provider, MENU)
    assert not again(await browser.open(f"{PORTAL}/AddMfaDevice"))


@pytest.mark.case(61)
async def test_a_new_login_at_the_provider_opens_no_window(start: StartMatching, provider: OpenIdProvider) -> None:
    site = await start("1h")
    ann = Person(site, "ann@example.com")
    await log_in(ann.browser, provider, WIKI)
    await ann.set_up_totp()
    provider.claims |= {"amr": ["otp"]}
    await log_in(await ann.another_browser(), provider, WIKI)
    provider.claims["auth_time"] = START
    await ann.browser.open(provider.authorize(await begin_again(ann.browser)))
    assert ann.browser.url == WIKI
    await ann.browser.open(f"{PORTAL}/account/devices")
    assert "you can change devices until" not in ann.page.text


async def test_a_request_for_a_new_login_by_a_pin_is_the_form_of_the_pin(start: StartMatching) -> None:
    browser = Browser(await start("1h"))
    page = await browser.open(STRICT)
    action = re.search(r'action="(/login/[^"]+)"', page.text)
    assert action
    assert "Send me a code" in (await browser.open(f"{PORTAL}{action[1]}?fresh=1")).text
