"""No `access` part in the file and an empty database: nobody gets anywhere, and everything says so sensibly."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from secondgate.administration.managed import Change, ManagedAccess
from secondgate.app import open_services
from secondgate.config import load
from secondgate.flows.api_tokens import create_api_token
from secondgate.flows.refresh import repeated
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission
from tests.web.browser import Browser, Person
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, EVERYONE, NAVIGATION, PORTAL, SCRIPT, Site, application, open_site

PAGES = ("/", "/login", "/challenge", "/AddMfaDevice", "/account/devices", "/account/sessions", "/logout", "/none")


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    return await start_site(without_access)


def without_access(configuration: dict[str, Any]) -> None:
    del configuration["access"]


async def call(site: Site, token: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    answer = await site.send(
        "admin",
        method,
        f"/client/v4/accounts/{site.settings.account_id}{path}",
        [("Authorization", f"Bearer {token}")],
        b"" if body is None else json.dumps(body).encode(),
    )
    assert answer.status < 300, answer.text
    return answer.json["result"]


async def root(site: Site) -> str:
    _, secret = await create_api_token(site.services, name="root", permissions=Permission, actor="test")
    return secret.reveal()


@pytest.mark.case(14)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fields", [NAVIGATION, SCRIPT])
async def test_every_request_is_refused_for_want_of_an_application(site: Site, dialect: str, fields: Any) -> None:  # noqa: ANN401 - header fields
    for url in ("https://wiki.example.com/", "https://open.example.com/page", "https://a.b.example.org/"):
        for method in ("GET", "POST", "OPTIONS"):
            answer = await site.check(dialect, url, method=method, fields=fields)
            assert answer.status == 403, answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_the_portals_pages_say_something_and_nothing_crashes(site: Site, path: str, logs: io.StringIO) -> None:
    browser = Browser(site)
    page = await browser.open(f"{PORTAL}{path}")
    assert page.status in {200, 403, 404}
    assert "<h1" in page.text
    assert '"level": "error"' not in logs.getvalue()
    assert "Traceback" not in logs.getvalue()


async def test_the_login_page_says_that_no_way_to_log_in_is_set_up(site: Site) -> None:
    page = await Browser(site).open(f"{PORTAL}/login")
    assert "no way to log in" in page.text.lower()
    assert "<form" not in page.text


async def test_no_pin_is_sent_to_anybody(site: Site) -> None:
    browser = Browser(site)
    await browser.open(f"{PORTAL}/login")
    await site.settle()
    assert site.mails("ann@example.com") == []


async def test_the_api_reads_nothing(site: Site) -> None:
    token = await root(site)
    for path in ("/access/groups", "/access/policies", "/access/identity_providers", "/gateway/lists"):
        assert await call(site, token, "GET", path) == []
    assert await call(site, token, "GET", "/access/organizations") == {"auth_domain": "mfa.example.com"}


async def test_the_first_provider_and_application_let_people_in_at_once(site: Site) -> None:
    token = await root(site)
    menu = "https://menu.example.com/"
    await call(site, token, "POST", "/access/identity_providers", {"name": "PIN", "type": "onetimepin", "config": {}})
    await save_application(site, application("Menu", "menu.example.com"))
    assert (await site.check(DIALECTS[0], menu)).status == 401
    ann = Person(site, "ann@example.com")
    await ann.log_in(menu)
    assert (await site.check(DIALECTS[0], menu, cookie=ann.session("menu.example.com"))).status == 200


async def save_application(site: Site, document: dict[str, Any]) -> None:
    """Make an application, whatever it was made by."""
    now = site.services.now()
    made = AccessObject(ObjectKind.APPLICATION, site.services.new_id(), document, now, now)
    await site.current.change(lambda _: Change(made.kind, made.id, made))


async def test_another_replica_learns_of_a_change_and_a_restart_keeps_it(site: Site, tmp_path: Path) -> None:
    token = await root(site)
    settings = load(str(site.config_file), {})
    other = ManagedAccess(account_id=settings.account_id)
    async with open_services(settings, managed=other):
        await call(site, token, "POST", "/access/groups", {"name": "Staff", "include": [{"everyone": {}}]})
        assert len(site.current().rulebook.groups) == 1
        assert len(other().rulebook.groups) == 0
        async with repeated(other.refresh, every_s=0.01), asyncio.timeout(10):
            while not other().rulebook.groups:  # noqa: ASYNC110 - what is waited for tells of no event
                await asyncio.sleep(0.01)
        assert other() == site.current()
        assert other.documents == site.current.documents
    async with open_site(tmp_path, without_access) as restarted:
        assert restarted.current() == site.current()


async def test_a_file_that_gains_an_access_part_says_that_it_needs_a_restart(site: Site, logs: io.StringIO) -> None:
    site.reload(
        lambda configuration: configuration.update(
            access={"applications": [application("Open", "open.example.com", EVERYONE)]}
        )
    )
    (told,) = [
        line for line in map(json.loads, logs.getvalue().splitlines()) if line["event"] == "reload.needs_restart"
    ]
    assert told["settings"] == ["access"]
    assert (await site.check(DIALECTS[0], "https://open.example.com/")).status == 403
