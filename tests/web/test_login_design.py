"""The login design through Cloudflare's official client, and on the pages that people log in with."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.web import api
from tests.web.browser import Browser, Person
from tests.web.conftest import StartSite
from tests.web.site import PORTAL, Site
from tests.web.test_pages import HOSTILE, assert_nothing_inline, assert_safe_headers

DESIGN = {
    "background_color": "#0B3D3A",
    "text_color": "#fff",
    "header_text": "Staff of Example & Sons",
    "footer_text": "Help: 555",
    "logo_path": "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=",
}
LINK = re.compile(r'<link rel="stylesheet" href="(/design[^"]+)">')


@pytest.fixture
async def managed(start_site: StartSite) -> Site:
    return await start_site(api.managed_by_the_api)


def set_design(design: object) -> Any:  # noqa: ANN401 - what a fixture takes
    def change(configuration: dict[str, Any]) -> None:
        configuration["access"]["organization"]["login_design"] = design

    return change


async def test_the_official_client_sets_and_clears_it(managed: Site) -> None:
    account = managed.settings.account_id
    organizations = (await api.client(managed)).zero_trust.organizations
    await api.run(organizations.update, account_id=account, name="Example")
    login = f"{PORTAL}/login"
    before = await Browser(managed).open(login)
    changed = await api.run(organizations.update, account_id=account, login_design=DESIGN)
    assert changed.login_design.model_dump() == DESIGN
    assert (await api.run(organizations.list, account_id=account)).login_design.model_dump() == DESIGN
    page = await Browser(managed).open(login)
    assert_safe_headers(page)
    for shown in ("Staff of Example &amp; Sons", "Help: 555", f'<img src="{DESIGN["logo_path"]}" alt="">'):
        assert shown in page.text
    (url,) = LINK.findall(page.text)
    sheet = await Browser(managed).request("GET", PORTAL + url)
    assert " ".join(sheet.text.split()) == (
        "@media (prefers-color-scheme: light) { :root { --ground: #0b3d3a; --on-ground: #ffffff; } }"
    )
    await api.run(organizations.update, account_id=account, login_design=None)
    assert (await api.run(organizations.list, account_id=account)).login_design is None
    after = await Browser(managed).open(login)
    assert re.sub(r'value="[0-9a-f]{64}"', "", after.text) == re.sub(r'value="[0-9a-f]{64}"', "", before.text)
    assert "design" not in after.text
    assert (await Browser(managed).request("GET", PORTAL + url)).status == 404


async def test_the_api_refuses_what_could_not_be_read_or_would_not_be_shown(managed: Site) -> None:
    account = managed.settings.account_id
    organizations = (await api.client(managed)).zero_trust.organizations
    await api.run(organizations.update, account_id=account, name="Example")
    for design, field, words in (
        ({"background_color": "#000"}, "background_color", "text needs 4.5:1"),
        ({"background_color": "#fff", "text_color": "#aaa"}, "text_color", "is 2.32:1"),
        ({"text_color": "black"}, "text_color", "must be a colour"),
        ({"logo_path": "https://example.com/logo.png"}, "logo_path", "load nothing from elsewhere"),
        ({"header_text": "x" * 201}, "header_text", "at most 200"),
    ):
        found = await api.refused(organizations.update, account_id=account, login_design=design)
        assert list(found) == [f"/login_design/{field}"]
        assert words in found.popitem()[1]
    assert (await api.run(organizations.list, account_id=account)).login_design is None


@pytest.mark.case(20)
async def test_the_style_sheet_is_kept_for_ever_by_the_url_that_names_it(start_site: StartSite) -> None:
    site = await start_site(set_design(DESIGN))
    browser = Browser(site)
    page = await browser.open(f"{PORTAL}/login")
    (url,) = LINK.findall(page.text)
    sheet = await browser.request("GET", PORTAL + url)
    assert (sheet.status, sheet.one("Content-Type")) == (200, "text/css; charset=utf-8")
    assert sheet.one("Cache-Control") == "public, max-age=31536000, immutable"
    assert not [name for name, _ in sheet.fields if name.lower() == "set-cookie"]
    assert_safe_headers(sheet, is_static=True)
    assert f"style-src {PORTAL};" in page.one("Content-Security-Policy")
    assert "img-src 'self' data:;" in page.one("Content-Security-Policy")
    for other in ("/design.css", "/design.css?v=other", f"{url}&x=1"):
        missing = await browser.request("GET", PORTAL + other)
        assert missing.status == 404
        assert_safe_headers(missing)


async def test_every_page_of_logging_in_shows_it_and_no_other(start_site: StartSite) -> None:
    site = await start_site(set_design(DESIGN))
    ann = Person(site, "ann@example.com")
    await ann.log_in_with_totp("https://wiki.example.com/page")
    seen = {}
    for path in ("/", "/account/devices", "/account/sessions", "/logout", "/challenge?purpose=devices", "/nothing"):
        page = await ann.browser.open(PORTAL + path)
        seen[path] = bool(LINK.search(page.text)), "Help: 555" in page.text
    assert seen.pop("/challenge?purpose=devices") == (True, True)
    assert set(seen.values()) == {(False, False)}


@pytest.mark.case(21)
@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_of_it_are_inert(start_site: StartSite, text: str) -> None:
    site = await start_site(set_design({"header_text": text, "footer_text": text}))
    browser = Browser(site)
    page = await browser.open(f"{PORTAL}/login")
    assert_nothing_inline(page)
    assert_safe_headers(page)
    assert text not in page.text or not set(text) & set("<>\"'&")
    assert "<footer" in page.text


async def test_no_design_changes_nothing(site: Site) -> None:
    page = await Browser(site).open(f"{PORTAL}/login")
    assert "design" not in page.text
    assert "<footer" not in page.text
    assert (await Browser(site).request("GET", f"{PORTAL}/design.css")).status == 404
