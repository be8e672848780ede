"""What changes anything is a POST from a page of ours in this browser; every route is found in the router."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from secondgate.portal.context import Portal
from secondgate.portal.server import make_portal
from secondgate.protocol.forwarded import HeaderMap
from tests.web.browser import FORM, Browser, Person
from tests.web.site import NAVIGATION, PORTAL, Site
from tests.web.wire import Answer

JSON = "application/json"
OURS = ("/.secondgate/", "/cdn-cgi/access/")
WIKI = "https://wiki.example.com"


def routes(*methods: str) -> list[tuple[str, str]]:
    """Give method and path of every route of the portal."""
    app = make_portal(object.__new__(Portal))
    found = [
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method in methods
    ]
    assert found
    return found


# A provider's server posts there without any page of ours; its token proves itself: see test_provider_logout.
OF_SERVERS = ("/login/backchannel-logout",)
POSTS = [path for _, path in routes("POST") if path not in OF_SERVERS]
GETS = [path for _, path in routes("GET")]


@dataclass
class Stage:
    """Ann and Ben, each with an open device window, and what a forged post of Ann's browser would say."""

    site: Site
    ann: Person
    ben: Person
    device_id: str
    session_id: str
    provider_id: str

    def path(self, route: str) -> str:
        """Fill in a route."""
        identifier = self.device_id if "/devices/" in route else self.session_id
        return route.format(idp=self.provider_id, id=identifier, name="portal.js")

    def fields(self, csrf_token: str | None) -> dict[str, str]:
        """Give everything that any of the posts asks for."""
        fields = {
            "email": "ann@example.com",
            "pin": "000000",
            "code": self.ann.code(),
            "method": "totp",
            "name": "renamed",
            "purpose": "devices",
            "scope": "everywhere",
            "forget_device": "yes",
        }
        return fields if csrf_token is None else {**fields, "csrf_token": csrf_token}

    async def post(self, route: str, sent: HeaderMap, fields: dict[str, str], *, csrf_token: str | None) -> Answer:
        """Post in Ann's browser."""
        if content_type(route) == JSON:
            body = json.dumps({**fields, "method": "security_key", "ceremony": "x", "credential": {}}).encode()
            sent = [*sent, *([("X-CSRF-Token", csrf_token)] if csrf_token else [])]
        else:
            body = urlencode(fields).encode()
        return await self.ann.browser.request("POST", origin_of(route) + self.path(route), sent, body)


@pytest.fixture
async def stage(site: Site, ann: Person, ben: Person) -> Stage:
    await ben.log_in_with_totp()
    await ben.open_window()
    await ann.log_in_with_totp()
    await ann.open_window()
    person = await site.services.durable.load_person_by_email(ann.email)
    assert person
    (device,) = await site.services.durable.list_authenticators(person.id)
    (session,) = await site.services.sessions.list_application_sessions(person.id)
    return Stage(site, ann, ben, device.id, session.id, site.current().identity_providers[0].id)


def origin_of(route: str) -> str:
    """Give the origin at which a route is."""
    return WIKI if route.startswith(OURS) else PORTAL


async def csrf_token(person: Person, route: str = "/logout") -> str:
    """Take the token of a page of this person's at the origin of a route."""
    page = "/.secondgate/logout?here=yes" if route.startswith(OURS) else "/logout"
    await person.browser.open(origin_of(route) + page)
    return person.browser.form("scope").fields["csrf_token"]


def content_type(route: str) -> str:
    """Give the type that a route is posted with."""
    return JSON if route.endswith(("/options", "/finish")) else FORM


@pytest.mark.case(17)
@pytest.mark.parametrize("route", POSTS)
async def test_a_post_that_is_not_from_a_page_of_ours_is_refused_and_changes_nothing(stage: Stage, route: str) -> None:
    right, foreign = await csrf_token(stage.ann, route), await csrf_token(stage.ben, route)
    kind = [*NAVIGATION, ("Content-Type", content_type(route))]
    origin, same_site = ("Origin", origin_of(route)), ("Sec-Fetch-Site", "same-origin")
    forgeries: dict[str, tuple[HeaderMap, str | None]] = {
        "no token": ([*kind, origin, same_site], None),
        "an empty token": ([*kind, origin, same_site], ""),
        "another person's token": ([*kind, origin, same_site], foreign),
        "text/plain": ([*NAVIGATION, ("Content-Type", "text/plain"), origin, same_site], right),
        "multipart": ([*NAVIGATION, ("Content-Type", "multipart/form-data; boundary=x"), origin, same_site], right),
        "no type": ([*NAVIGATION, origin, same_site], right),
        "origin null": ([*kind, ("Origin", "null")], right),
        "another origin": ([*kind, ("Origin", "https://evil.example.net")], right),
        "an application's origin": ([*kind, ("Origin", "https://vault.example.com")], right),
        "the origin over http": ([*kind, ("Origin", origin_of(route).replace("https", "http"))], right),
        "two origins": ([*kind, origin, ("Origin", "https://evil.example.net")], right),
        "cross-site": ([*kind, ("Sec-Fetch-Site", "cross-site")], right),
        "same-site": ([*kind, origin, ("Sec-Fetch-Site", "same-site")], right),
    }
    for name, (sent, token) in forgeries.items():
        before = stage.site.rows()
        answer = await stage.post(route, sent, stage.fields(token), csrf_token=token)
        assert answer.status == 403, name
        assert answer.all("Location") == [], name
        assert not [line for line in answer.all("Set-Cookie") if "login" in line or "device" in line], name
        await stage.site.settle()
        assert stage.site.rows() == before, name


@pytest.mark.case(17)
@pytest.mark.parametrize("route", POSTS)
async def test_a_post_of_a_browser_that_nobody_knows_changes_nothing(stage: Stage, route: str) -> None:
    token = await csrf_token(stage.ann, route)
    stage.ann.browser = Browser(stage.site)
    before = stage.site.rows()
    sent = [*NAVIGATION, ("Content-Type", content_type(route)), ("Origin", origin_of(route))]
    answer = await stage.post(route, sent, stage.fields(token), csrf_token=token)
    assert answer.status == 403 or (route.startswith(OURS) and answer.status == 303)
    assert stage.site.rows() == before


@pytest.mark.case(17)
@pytest.mark.parametrize("route", POSTS)
async def test_the_same_post_from_a_page_of_ours_is_not_refused_for_its_origin(stage: Stage, route: str) -> None:
    token = await csrf_token(stage.ann, route)
    ours = [("Origin", origin_of(route)), ("Sec-Fetch-Site", "same-origin")]
    sent = [*NAVIGATION, ("Content-Type", content_type(route)), *ours]
    answer = await stage.post(route, sent, stage.fields(token), csrf_token=token)
    assert "cross_site" not in answer.text
    assert "out of date" not in answer.text


@pytest.mark.case(17)
async def test_a_token_serves_no_other_person_in_the_same_browser(site: Site, ann: Person) -> None:
    await ann.log_in(PORTAL)
    token = await csrf_token(ann)
    await ann.browser.submit(scope="browser")
    ben = Person(site, "ben@example.com")
    ben.browser = ann.browser
    await ben.log_in(PORTAL)
    body = urlencode({"csrf_token": token, "scope": "browser"}).encode()
    sent = [*NAVIGATION, ("Content-Type", FORM), ("Origin", PORTAL)]
    assert (await ben.browser.request("POST", f"{PORTAL}/logout", sent, body)).status == 403
    assert (await ben.browser.open(f"{PORTAL}/account/devices")).status == 200
    assert ben.browser.url == f"{PORTAL}/account/devices"


@pytest.mark.case(18)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_getting_changes_nothing_that_lasts_and_uses_nothing_up(stage: Stage, method: str) -> None:
    browser = stage.ann.browser
    await browser.open(f"{PORTAL}/AddMfaDevice")
    waiting = Browser(stage.site)
    await waiting.open("https://menu.example.com/")
    await waiting.submit(email="ben@example.com")
    await stage.site.settle()
    before = stage.site.rows()
    for route in dict.fromkeys([*GETS, *POSTS]):
        host = "https://menu.example.com" if route.startswith(OURS) else PORTAL
        for one in (browser, waiting):
            query = "" if route.endswith("login") else "?purpose=devices&method=totp&scope=everywhere&code=x&pin=1"
            answer = await one.request(method, host + stage.path(route) + query)
            assert answer.status < 500, route
            if method == "OPTIONS" or (method == "HEAD" and answer.status == 200):
                assert answer.body == b"" or answer.status == 405
    after = stage.site.rows()
    unknown_codes = [row for row in after.pop("audit_events") if row not in before["audit_events"]]
    for table in ("audit_events", "sqlite_sequence"):
        before.pop(table)
        after.pop(table, None)
    assert after == before
    assert {row[2] for row in unknown_codes} <= {"hand_over.rejected"}


@pytest.mark.case(18)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_looking_at_a_link_uses_no_code_and_no_request_up(site: Site, ann: Person, method: str) -> None:
    await ann.log_in(PORTAL)
    begun = await ann.browser.request("GET", "https://menu.example.com/.secondgate/login?return_to=/")
    before = site.rows()
    assert (await ann.browser.request(method, begun.one("Location"))).status == 405
    assert site.rows() == before
    callback = (await ann.browser.request("GET", begun.one("Location"))).one("Location")
    before = site.rows()
    assert (await ann.browser.request(method, callback)).status == 405
    assert site.rows() == before
    assert (await ann.browser.request("GET", callback)).status == 302


@pytest.mark.case(18)
async def test_being_sent_to_log_out_logs_nobody_out(site: Site, ann: Person) -> None:
    await ann.log_in("https://menu.example.com/")
    before = site.rows()
    for url in (
        f"{PORTAL}/logout",
        "https://menu.example.com/.secondgate/logout",
        "https://menu.example.com/cdn-cgi/access/logout",
        f"{PORTAL}/cdn-cgi/access/logout",
    ):
        await ann.browser.open(url)
        assert ann.browser.url.partition("?")[0] == f"{PORTAL}/logout"
    assert site.rows() == before


async def test_a_path_that_takes_no_post_says_what_it_takes(site: Site) -> None:
    answer = await Browser(site).request("POST", f"{PORTAL}/account/devices")
    assert (answer.status, answer.one("Allow")) == (405, "GET")
    answer = await Browser(site).request("PUT", f"{PORTAL}/logout")
    assert (answer.status, set(answer.one("Allow").split(","))) == (405, {"GET", "POST"})


async def test_a_body_too_long_is_refused(ann: Person) -> None:
    await ann.browser.open(f"{PORTAL}/login")
    fields = [*NAVIGATION, ("Content-Type", FORM), ("Origin", PORTAL)]
    body = b"x=" + b"a" * (65 * 1024)
    form = ann.browser.form("email")
    assert (await ann.browser.request("POST", PORTAL + form.action, fields, body)).status == 413


async def test_json_that_is_no_object_is_refused(ann: Person) -> None:
    await ann.log_in(PORTAL)
    token = await csrf_token(ann)
    sent = [("Content-Type", JSON), ("Origin", PORTAL), ("X-CSRF-Token", token)]
    for body in (b"", b"[]", b"1", b"null", b"{", b"\xff", b"[" * 20_000):
        answer = await ann.browser.request("POST", f"{PORTAL}/AddMfaDevice/options", sent, body)
        assert (answer.status, answer.json["reason"]) == (400, "malformed")
