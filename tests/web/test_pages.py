"""What holds for every page and every error: its headers, nothing inline, nobody's names taken for markup."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from secondgate.errors import Unavailable
from tests.web.browser import Browser, Person
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, NAVIGATION, PORTAL, SCRIPT, Site
from tests.web.test_posts import GETS, OURS, POSTS
from tests.web.wire import Answer

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover=alert(1) x='",
    "</title><svg/onload=alert(1)>",
    "{{7*7}}{% raw %}${7*7}<%= 7 %>",
    "'); drop table persons; --",
    "\u202egnp.exe\u200b\ufeff",
    "javascript:alert(1)",
    "&lt;b&gt;&amp;",
    "=cmd|' /C calc'!A0",
)
TAGS = re.compile(r"<\s*([a-z0-9]+)([^>]*)>", re.IGNORECASE)


def assert_safe_headers(answer: Answer, *, is_static: bool = False) -> None:
    policy = answer.one("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert answer.one("X-Content-Type-Options") == "nosniff"
    assert answer.one("X-Frame-Options") == "DENY"
    assert answer.one("Referrer-Policy") in {"no-referrer", "same-origin"}
    assert answer.one("Cross-Origin-Opener-Policy") == "same-origin"
    assert answer.one("Strict-Transport-Security") == "max-age=31536000"
    assert ("immutable" if is_static else "no-store") in answer.one("Cache-Control")
    assert not [name for name, _ in answer.fields if name.lower().startswith("access-control-")]
    assert answer.one("Server") == "secondgate"
    if answer.get("Content-Type").startswith("text/html"):
        assert_nothing_inline(answer)


def assert_nothing_inline(page: Answer) -> None:
    for tag, attributes in TAGS.findall(page.text):
        names = {name.lower() for name in re.findall(r"\s([a-zA-Z-]+)=", re.sub(r'"[^"]*"', '""', attributes))}
        assert not {name for name in names if name.startswith("on") or name == "style"}, (tag, attributes)
        assert tag.lower() != "style"
        if tag.lower() == "script":
            assert 'src="/static/' in attributes
        assert not re.search(r"\b(href|src|action)=.?\s*(javascript|data:text)", attributes, re.IGNORECASE)


@pytest.mark.case(20)
async def test_every_page_and_redirect_has_its_headers_and_reflects_no_origin(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp("https://wiki.example.com/page")
    await ann.open_window()
    person = await site.services.durable.load_person_by_email(ann.email)
    assert person
    (device,) = await site.services.durable.list_authenticators(person.id)
    provider = site.current().identity_providers[0].id
    cross = [*NAVIGATION, ("Origin", "https://evil.example.net"), ("Access-Control-Request-Method", "POST")]
    for browser in (ann.browser, Browser(site)):
        for route in dict.fromkeys([*GETS, *POSTS]):
            path = route.format(idp=provider, id=device.id, name="portal.js")
            for method in ("GET", "HEAD", "OPTIONS", "POST", "DELETE"):
                host = "https://wiki.example.com" if route.startswith(OURS) else PORTAL
                answer = await browser.request(method, host + path, cross)
                assert_safe_headers(answer, is_static=route.startswith("/static") and answer.status == 200)
            if browser.jar.get("mfa.example.com", {}).get("__Host-secondgate_login") is None:
                browser.jar.clear()


@pytest.mark.case(20)
async def test_every_error_has_the_same_headers(site: Site, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    await ann.log_in(PORTAL)
    browser, seen = ann.browser, set()
    form = [*NAVIGATION, ("Content-Type", "application/x-www-form-urlencoded"), ("Origin", PORTAL)]
    await browser.open(f"{PORTAL}/logout")
    token = browser.form("scope").fields["csrf_token"]
    answers = [
        await browser.request("GET", f"{PORTAL}/nothing"),
        await browser.request("GET", f"{PORTAL}/static/../secret"),
        await browser.request("GET", "https://none.example.com/.secondgate/login"),
        await browser.request("GET", "https://menu.example.com/.secondgate/login?return_to=//x"),
        await browser.request("GET", "https://menu.example.com/.secondgate/callback?code=x"),
        await browser.request("GET", "https://menu.example.com/.secondgate/identity"),
        await browser.request("GET", f"{PORTAL}/login?request=x.y.z"),
        await browser.request("GET", f"{PORTAL}/login/unknown"),
        await browser.request("PUT", f"{PORTAL}/"),
        await browser.request("POST", f"{PORTAL}/logout", form),
        await browser.request("POST", f"{PORTAL}/AddMfaDevice", form, f"csrf_token={token}&method=x".encode()),
        await browser.request("POST", f"{PORTAL}/logout", form, b"x=" + b"a" * 70_000),
        await browser.request("POST", f"{PORTAL}/challenge/finish", [*SCRIPT, ("Content-Type", "application/json")]),
    ]

    async def fail(_: str) -> Any:  # noqa: ANN401 - it never returns
        raise RuntimeError("select secret from persons where hidden = 42")

    monkeypatch.setattr(site.services.durable, "list_authenticators", fail)
    broken = await browser.request("GET", f"{PORTAL}/account/devices")
    answers.append(broken)

    async def give_up(_: str) -> Any:  # noqa: ANN401 - it never returns
        raise Unavailable("the database is out of reach at db.internal")

    monkeypatch.setattr(site.services.durable, "list_authenticators", give_up)
    answers.append(await browser.request("GET", f"{PORTAL}/account/devices"))
    for answer in answers:
        seen.add(answer.status)
        assert_safe_headers(answer)
        for told in (
            "Traceback",
            "RuntimeError",
            "select secret",
            "hidden = 42",
            "db.internal",
            "aiohttp",
            "Python",
            "sqlite",
        ):
            assert told not in answer.text
    assert seen == {400, 401, 403, 404, 405, 413, 500, 503}
    assert answers[-1].one("Retry-After") == "5"


@pytest.mark.case(20)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_gates_page_of_refusal_has_them_too(site: Site, dialect: str) -> None:
    refused = await site.check(dialect, "https://none.example.com/")
    assert refused.status == 403
    assert_safe_headers(refused)
    origin = [*NAVIGATION, ("Origin", "https://evil.example.net")]
    for url in ("https://none.example.com/", "https://menu.example.com/", "https://open.example.com/"):
        answer = await site.check(dialect, url, fields=origin)
        assert not [name for name, _ in answer.fields if name.lower().startswith("access-control-")]


@pytest.mark.case(21)
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_names_of_people_and_groups_are_inert_everywhere(start_site: StartSite, name: str) -> None:
    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {"headers": [{"email": "X-Auth-Email", "name": "X-Auth-Name", "groups": "X-G"}]}

    site = await start_site(change)
    ann = Person(site, "ann@example.com")
    ann.browser.named = [("X-Auth-Email", ann.email), ("X-Auth-Name", name), ("X-G", name)]
    arrived = await ann.browser.open("https://menu.example.com/")
    assert arrived.status == 200
    spoken = arrived.one("Remote-Name")
    assert spoken.isprintable()
    assert spoken == "".join(c for c in name if c.isprintable()).strip()
    for path in ("/", "/account/devices", "/account/sessions", "/AddMfaDevice", "/logout"):
        page = await ann.browser.open(PORTAL + path)
        assert_nothing_inline(page)
        assert name not in page.text
    identity = await ann.browser.request("GET", "https://menu.example.com/cdn-cgi/access/get-identity")
    assert identity.json["name"] == name
    assert identity.one("Content-Type").startswith("application/json")


@pytest.mark.case(21)
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_names_of_devices_are_inert(site: Site, ann: Person, name: str, logs: Any) -> None:  # noqa: ANN401 - a stream
    await ann.log_in("https://wiki.example.com/page")
    await ann.set_up_totp(name[:64])
    await ann.open_window()
    pages = [ann.page]
    person = await site.services.durable.load_person_by_email(ann.email)
    assert person
    (device,) = await site.services.durable.list_authenticators(person.id)
    assert device.name == name[:64]
    pages.append(await ann.browser.open(f"{PORTAL}/account/devices/{device.id}/remove"))
    for page in pages:
        assert_nothing_inline(page)
        assert name not in page.text or not set(name) & set("<>\"'&")
    for line in logs.getvalue().splitlines():
        assert isinstance(json.loads(line), dict)


@pytest.mark.case(21)
async def test_a_name_with_control_characters_or_too_long_is_refused_in_words(site: Site, ann: Person) -> None:
    await ann.log_in("https://wiki.example.com/page")
    await ann.choose("totp")
    for name in ("a\nb", "a\x00b", "a\u2028b", "x" * 65, "\x1b[31mred"):
        site.clock.advance(30)
        page = await ann.browser.submit(code="123456", name=name)
        assert page.status == 400
        assert "printable characters" in page.text
        assert_nothing_inline(page)
    assert await site.events("authenticator.added") == []


@pytest.mark.case(21)
async def test_hostile_names_in_the_settings_are_inert_in_pages_and_behind_the_qr_code(start_site: StartSite) -> None:
    name = "<script>alert(1)</script>&\"'"

    def change(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["organization"]["name"] = name
        access["applications"][0]["name"] = name
        access["applications"][5]["custom_deny_message"] = name
        access["identity_providers"].append({"name": name, "type": "onetimepin"})

    site = await start_site(change)
    ann = Person(site, "ann@example.com")
    await ann.browser.open("https://wiki.example.com/page")
    assert_nothing_inline(ann.page)
    provider = site.current().identity_providers[0].id
    await ann.browser.open(ann.browser.url.replace("/login?", f"/login/{provider}?"))
    await ann.browser.submit(email=ann.email)
    await ann.browser.submit(pin=await site.pin(ann.email))
    assert_nothing_inline(ann.page)
    await ann.choose("totp")
    assert_nothing_inline(ann.page)
    (uri,) = re.findall(r'href="(otpauth:[^"]+)"', ann.page.text)
    assert "script>" not in uri
    refused = await site.check("forward-auth", "https://none.example.com/")
    assert_nothing_inline(refused)
    await ann.browser.open("https://root.example.com/")
    assert ann.page.status == 403
    assert_nothing_inline(ann.page)
    assert name not in ann.page.text


@pytest.mark.case(21)
async def test_what_was_typed_comes_back_inert(site: Site) -> None:
    browser = Browser(site)
    await browser.open(f"{PORTAL}/login")
    page = await browser.submit(email='"><script>alert(1)</script>@example.com')
    assert (page.status, "&lt;script&gt;" in page.text) == (400, True)
    assert_nothing_inline(page)
    query = urlencode({"request": "<script>", "purpose": "<script>", "method": "<script>"})
    for path in ("/login", "/challenge", "/AddMfaDevice", "/<script>alert(1)</script>"):
        page = await browser.request("GET", f"{PORTAL}{path}?{query}".replace("<", "%3C").replace(">", "%3E"))
        assert "<script>alert" not in page.text
        assert_safe_headers(page)
