"""Where a login ends: at the page that was asked for, at a host that is known, in the browser that began it."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from tests.web.browser import Browser, Person
from tests.web.site import DIALECTS, NAVIGATION, PORTAL, Site

MENU = "https://menu.example.com"
EVIL = (
    "https://evil.example.net/",
    "http://menu.example.com/",
    "good@evil.example.net",
    "menu.example.com@evil.example.net",
    "//evil.example.net",
    "///evil.example.net",
    "////evil.example.net",
    "/\\evil.example.net",
    "\\\\evil.example.net",
    "\\/evil.example.net",
    "/./\\evil.example.net",
    "/.//evil.example.net",
    "/../%2e//evil.example.net",
    "javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "/\tevil",
    "/\t/evil.example.net",
    "/\n/evil.example.net",
    "/\r\nLocation: https://evil.example.net/",
    " /x",
    "/x y",
    "/\x00",
    "evil",
    "?x",
    "#x",
    "/" + "a" * 8192,
)


@pytest.mark.case(15)
async def test_a_return_url_that_leads_elsewhere_is_refused(site: Site) -> None:
    for target in EVIL:
        browser = Browser(site)
        query = urlencode({"return_to": target})
        answer = await browser.request("GET", f"{MENU}/.secondgate/login?{query}")
        assert (answer.status, answer.all("Location")) == (400, []), target


@pytest.mark.case(15)
async def test_a_return_url_is_read_once_and_leads_to_its_own_host(ann: Person) -> None:
    target = "/a%2f..%2fb?next=https%3A%2F%2Fevil.example.net%2F&x=%25#top"
    await ann.log_in(f"{MENU}/.secondgate/login?return_to={quote(target, safe='')}")
    assert ann.browser.url == MENU + target


@pytest.mark.case(15)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_gate_sends_people_back_to_its_own_hosts_alone(site: Site, dialect: str) -> None:
    for path in ("//evil.example.net/x", "/\\evil.example.net", "/.//evil.example.net", "/" + "a" * 9000, "/@evil"):
        answer = await site.check(dialect, f"{MENU}{path}")
        place = urlsplit(answer.one("Location"))
        assert (place.scheme, place.netloc, place.path) == ("https", "menu.example.com", "/.secondgate/login")
        back = parse_qs(place.query)["return_to"]
        assert back == ["/@evil" if path == "/@evil" else "/"]


@pytest.mark.case(15)
async def test_a_login_cannot_begin_at_a_host_without_an_application(site: Site) -> None:
    for host in ("none.example.com", "evil.example.net", "mfa.example.com"):
        answer = await Browser(site).request("GET", f"https://{host}/.secondgate/login?return_to=/")
        assert (answer.status, answer.all("Location")) == (404, [])


@pytest.mark.case(16)
async def test_a_return_url_changed_between_page_and_post_is_refused(site: Site, ann: Person) -> None:
    await ann.browser.open(f"{MENU}/page")
    form = ann.browser.form("email")
    token = form.fields["request"]
    head, claims, signature = token.split(".")
    other = await Browser(site).request("GET", "https://news.example.com/.secondgate/login?return_to=/other")
    others = parse_qs(urlsplit(other.one("Location")).query)["request"][0]
    for changed in (
        f"{head}.{others.split('.')[1]}.{signature}",
        f"{head}.{claims[:-2]}AA.{signature}",
        f"{head}.{claims}.",
        "/other",
        "https://evil.example.net/",
    ):
        before = site.rows()
        body = urlencode({**form.fields, "email": ann.email, "request": changed}).encode()
        answer = await ann.browser.request("POST", PORTAL + form.action, _post(), body)
        assert (answer.status, answer.all("Location")) == (400, [])
        assert site.rows() == before
    assert site.mails(ann.email) == []


@pytest.mark.case(16)
async def test_a_request_of_another_page_ends_in_no_session_elsewhere(site: Site, ann: Person) -> None:
    """A login request that another browser began is signed, but its code opens nothing here."""
    other = await Browser(site).request("GET", f"{MENU}/.secondgate/login?return_to=/other")
    await ann.log_in(PORTAL)
    await ann.browser.open(other.one("Location"))
    assert ann.page.status == 403
    assert "__Host-secondgate" not in ann.browser.jar["menu.example.com"]


@pytest.mark.case(19)
async def test_an_attackers_callback_opened_by_a_victim_is_refused_and_used_up(
    site: Site, ann: Person, ben: Person
) -> None:
    await ann.log_in(PORTAL)
    callback = await _callback(ann.browser, MENU)
    await ben.browser.request("GET", f"{MENU}/.secondgate/login?return_to=/")
    for victim in (ben.browser, Browser(site)):
        answer = await victim.request("GET", callback)
        assert answer.status == 403
        assert not any(line.startswith("__Host-secondgate=") for line in answer.all("Set-Cookie"))
    assert (await ann.browser.request("GET", callback)).status == 403
    rejected = await site.events("hand_over.rejected")
    assert [event.detail["reason"] for event in rejected] == ["other_browser"]


@pytest.mark.case(19)
async def test_a_callback_works_once_in_its_browser_at_its_host_and_for_thirty_seconds(site: Site, ann: Person) -> None:
    await ann.log_in(PORTAL)
    elsewhere = (await _callback(ann.browser, MENU)).replace("menu.", "news.")
    await ann.browser.request("GET", "https://news.example.com/.secondgate/login?return_to=/")
    ann.browser.jar["news.example.com"]["__Host-secondgate_nonce"] = ann.browser.jar["menu.example.com"][
        "__Host-secondgate_nonce"
    ]
    assert (await ann.browser.request("GET", elsewhere)).status == 403
    late = await _callback(ann.browser, MENU)
    site.clock.advance(30)
    assert (await ann.browser.request("GET", late)).status == 403
    in_time = await _callback(ann.browser, MENU)
    site.clock.advance(29)
    assert (await ann.browser.request("GET", in_time)).status == 302
    assert (await ann.browser.request("GET", in_time)).status == 403
    assert (await site.check("forward-auth", MENU + "/", cookie=ann.session("menu.example.com"))).status == 200


async def test_a_page_that_is_too_old_says_so(site: Site, ann: Person) -> None:
    await ann.browser.open(f"{MENU}/page")
    site.clock.advance(600)
    await ann.browser.submit(email=ann.email)
    assert ann.page.status == 400
    assert "expired" in ann.page.text.lower()


def _post() -> list[tuple[str, str]]:
    return [*NAVIGATION, ("Content-Type", "application/x-www-form-urlencoded"), ("Origin", PORTAL)]


async def _callback(browser: Browser, origin: str) -> str:
    begun = await browser.request("GET", f"{origin}/.secondgate/login?return_to=/")
    answer = await browser.request("GET", begun.one("Location"))
    url = answer.one("Location")
    assert "/.secondgate/callback?code=" in url
    return url
