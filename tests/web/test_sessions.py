"""Cookies and sessions: what they are made of, where they count, and when they end."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode

import pytest

from secondgate.flows.sessions import delete_authenticators, end_sessions, set_person_disabled
from tests.web.browser import Browser, Person, authenticator
from tests.web.conftest import StartSite
from tests.web.site import (
    DIALECTS,
    FORWARD_AUTH,
    KEY_ONLY,
    NAVIGATION,
    NO_MFA,
    PORTAL,
    SCRIPT,
    Site,
    application,
)

MENU = "https://menu.example.com/"
WIKI = "https://wiki.example.com/page"


async def status(person: Person, url: str, cookie: str = "") -> int:
    """Ask the gate about a URL with a person's session at its host."""
    host = url.split("/")[2]
    answer = await person.site.check(FORWARD_AUTH, url, cookie=cookie or person.session(host), fields=SCRIPT)
    return answer.status


async def person_id(person: Person) -> str:
    found = await person.site.services.durable.load_person_by_email(person.email)
    assert found
    return found.id


@pytest.mark.case(22)
async def test_cookies_are_bound_to_their_host_and_hold_no_secret(ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.open_window()
    await ann.browser.open(MENU)
    names = set()
    for line in ann.browser.set_cookies:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        names.add(name)
        assert name.startswith("__Host-")
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
        assert not any(attribute.lower().startswith("domain") for attribute in attributes)
        assert len(line.encode()) <= 4096
        assert ann.seed not in value
        assert ann.email not in value
        for part in value.split("."):
            decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
            assert ann.email.encode() not in decoded
            assert ann.seed.encode() not in decoded
    assert names == {
        "__Host-secondgate",
        "__Host-secondgate_nonce",
        "__Host-secondgate_state",
        "__Host-secondgate_device",
        "__Host-secondgate_login",
    }


@pytest.mark.case(22)
async def test_what_opens_a_door_is_stored_only_as_a_hash(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    stored = b"".join(path.read_bytes() for path in (site.folder / "data").glob("secondgate.sqlite3*"))
    for host in ann.browser.jar.values():
        for name, value in host.items():
            assert value.encode() not in stored, name
    session = ann.browser.jar["wiki.example.com"]["__Host-secondgate"].split(".")[1]
    found = re.search(r'"sid":"([^"]+)"', urlsafe_b64decode(session + "==").decode())
    assert found
    assert found[1].encode() not in stored


@pytest.mark.case(23)
async def test_every_login_and_every_proof_gives_new_tokens_and_ends_the_old(site: Site, ann: Person) -> None:
    planted = {f"__Host-secondgate_{name}": "A" * 43 for name in ("state", "device", "login")}
    ann.browser.jar["mfa.example.com"] = dict(planted)
    await ann.log_in(PORTAL)
    first = dict(ann.browser.jar["mfa.example.com"])
    for name in ("device", "login"):
        assert first[f"__Host-secondgate_{name}"] != planted[f"__Host-secondgate_{name}"]
    await ann.browser.open(f"{PORTAL}/AddMfaDevice")
    await ann.set_up_totp()
    second = dict(ann.browser.jar["mfa.example.com"])
    await ann.open_window()
    third = dict(ann.browser.jar["mfa.example.com"])
    for old in (planted, first, second):
        for name in ("device", "login"):
            assert old[f"__Host-secondgate_{name}"] != third[f"__Host-secondgate_{name}"]
        thief = Browser(site, jar={"mfa.example.com": dict(old)})
        await thief.open(f"{PORTAL}/account/devices")
        assert thief.url.startswith(f"{PORTAL}/login")
        mixed = {**third, "__Host-secondgate_login": old["__Host-secondgate_login"]}
        thief = Browser(site, jar={"mfa.example.com": mixed})
        await thief.open(f"{PORTAL}/account/devices")
        assert thief.url.startswith(f"{PORTAL}/login")


@pytest.mark.case(23)
async def test_logging_in_again_ends_the_login_before(site: Site, ann: Person) -> None:
    await ann.log_in(PORTAL)
    before = dict(ann.browser.jar["mfa.example.com"])
    await ann.browser.open(f"{PORTAL}/login/{site.current().identity_providers[0].id}")
    await ann.browser.submit(email=ann.email)
    await ann.browser.submit(pin=await site.pin(ann.email))
    now = ann.browser.jar["mfa.example.com"]
    assert now["__Host-secondgate_login"] != before["__Host-secondgate_login"]
    thief = Browser(
        site, jar={"mfa.example.com": {**now, "__Host-secondgate_login": before["__Host-secondgate_login"]}}
    )
    await thief.open(f"{PORTAL}/account/devices")
    assert thief.url.startswith(f"{PORTAL}/login")


@pytest.mark.case(23)
async def test_a_session_planted_at_an_application_is_replaced_by_a_login(site: Site, ann: Person, ben: Person) -> None:
    await ben.log_in(MENU)
    ann.browser.jar["menu.example.com"] = dict(ben.browser.jar["menu.example.com"])
    await ann.log_in(f"{MENU}.secondgate/login?return_to=/")
    mine = await site.check(FORWARD_AUTH, MENU, cookie=ann.session("menu.example.com"))
    assert mine.one("Remote-User") == ann.email
    assert ann.session("menu.example.com") != ben.session("menu.example.com")
    assert await status(ben, MENU) == 401  # the session that stood in Ann's browser ended with her login


@pytest.mark.case(24)
@pytest.mark.parametrize("scope", ["browser", "everywhere"])
async def test_after_logging_out_a_copied_cookie_is_refused(site: Site, ann: Person, scope: str) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.browser.open(MENU)
    copies = {url: ann.session(url.split("/")[2]) for url in (WIKI, MENU)}
    portal = dict(ann.browser.jar["mfa.example.com"])
    await ann.browser.open(f"{PORTAL}/logout")
    await ann.browser.submit(scope=scope)
    for url, cookie in copies.items():
        for dialect in DIALECTS:
            answer = await site.check(dialect, url, cookie=cookie, fields=SCRIPT)
            assert (answer.status, answer.json["reason"]) == (401, "session_ended")
    thief = Browser(site, jar={"mfa.example.com": portal})
    await thief.open(f"{PORTAL}/account/devices")
    assert thief.url.startswith(f"{PORTAL}/login")


@pytest.mark.case(24)
async def test_logging_out_here_leaves_the_other_browser_and_everywhere_does_not(ann: Person) -> None:
    await ann.log_in(MENU)
    here, session_here = ann.browser, ann.session("menu.example.com")
    await ann.another_browser()
    await ann.log_in(MENU)
    session_there = ann.session("menu.example.com")
    await ann.browser.open(f"{PORTAL}/logout")
    await ann.browser.submit(scope="browser")
    assert (await status(ann, MENU, session_there), await status(ann, MENU, session_here)) == (401, 200)
    await ann.log_in(MENU)
    session_there = ann.session("menu.example.com")
    await here.open(f"{PORTAL}/logout")
    await here.submit(scope="everywhere")
    assert (await status(ann, MENU, session_there), await status(ann, MENU, session_here)) == (401, 401)


@pytest.mark.case(24)
async def test_one_session_can_be_ended_from_the_list_of_them(site: Site, ann: Person) -> None:
    await ann.log_in(MENU)
    stolen = ann.session("menu.example.com")
    await ann.another_browser()
    await ann.log_in("https://news.example.com/")
    await ann.browser.open(f"{PORTAL}/account/sessions")
    sessions = await site.services.sessions.list_application_sessions(await person_id(ann))
    menu = next(session for session in sessions if session.host == "menu.example.com")
    token = ann.browser.form("csrf_token").fields["csrf_token"]
    fields = [*NAVIGATION, ("Content-Type", "application/x-www-form-urlencoded"), ("Origin", PORTAL)]
    body = f"csrf_token={token}".encode()
    url = f"{PORTAL}/account/sessions/{menu.id}/end"
    assert (await ann.browser.request("POST", url, fields, body)).status == 303
    assert await status(ann, MENU, stolen) == 401
    assert await status(ann, "https://news.example.com/") == 200
    assert (await ann.browser.request("POST", url, fields, body)).status == 404


@pytest.mark.case(24)
async def test_nobody_ends_another_persons_session(site: Site, ann: Person, ben: Person) -> None:
    await ben.log_in(MENU)
    (theirs,) = await site.services.sessions.list_application_sessions(await person_id(ben))
    await ann.log_in(PORTAL)
    await ann.browser.open(f"{PORTAL}/account/sessions")
    body = f"csrf_token={ann.browser.form('csrf_token').fields['csrf_token']}".encode()
    fields = [*NAVIGATION, ("Content-Type", "application/x-www-form-urlencoded"), ("Origin", PORTAL)]
    answer = await ann.browser.request("POST", f"{PORTAL}/account/sessions/{theirs.id}/end", fields, body)
    assert answer.status == 404
    assert await status(ben, MENU) == 200


@pytest.mark.case(26)
async def test_a_totp_session_at_an_application_for_security_keys_is_challenged(ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.browser.open(f"{PORTAL}/AddMfaDevice")
    await ann.open_window()
    await ann.browser.open(f"{PORTAL}/AddMfaDevice")
    await ann.choose("security_key")
    key = authenticator()
    await ann.browser.perform(key)
    await ann.browser.open(f"{PORTAL}/logout")
    await ann.browser.submit(scope="browser", forget_device="yes")
    await ann.log_in(WIKI)
    await ann.browser.open(f"{PORTAL}/login")
    await ann.browser.open(WIKI)
    assert "/challenge" in ann.browser.url
    await ann.browser.open(ann.browser.url + "&method=totp")
    await ann.browser.submit(code=ann.code())
    assert ann.browser.url == WIKI
    await ann.browser.open("https://vault.example.com/")
    assert ann.browser.url.startswith(f"{PORTAL}/challenge")
    assert "Use security key" in ann.page.text
    assert 'name="code"' not in ann.page.text
    assert (await ann.browser.perform(key)).status == 200
    assert ann.browser.url == "https://vault.example.com/"


@pytest.mark.case(26)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_cookie_of_one_host_opens_no_other(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    cookie = ann.session("menu.example.com")
    assert (await site.check(dialect, MENU, cookie=cookie)).status == 200
    for host in ("news.example.com", "api.example.com", "x.apps.example.com", "wiki.example.com"):
        assert (await site.check(dialect, f"https://{host}/", cookie=cookie)).status in {302, 401}
    portal = {"mfa.example.com": {"__Host-secondgate_login": cookie.partition("=")[2]}}
    thief = Browser(site, jar=portal)
    await thief.open(f"{PORTAL}/account/devices")
    assert thief.url.startswith(f"{PORTAL}/login")


@pytest.mark.case(26)
async def test_a_cookie_of_one_wildcard_host_opens_no_sister(ann: Person) -> None:
    await ann.log_in("https://a.apps.example.com/")
    cookie = ann.session("a.apps.example.com")
    assert await status(ann, "https://a.apps.example.com/", cookie) == 200
    assert await status(ann, "https://b.apps.example.com/", cookie) == 401
    assert await status(ann, "https://one.apps.example.com/", cookie) == 401


@pytest.mark.case(27)
async def test_a_session_lasts_as_long_as_its_application_says_and_no_second_longer(site: Site, ann: Person) -> None:
    await ann.log_in("https://news.example.com/")
    begun = site.clock.now
    site.clock.now = begun + 29 * 60 + 59
    assert await status(ann, "https://news.example.com/") == 200
    site.clock.now = begun + 30 * 60
    assert await status(ann, "https://news.example.com/") == 401


@pytest.mark.case(27)
async def test_each_application_of_a_host_lasts_its_own_time(start_site: StartSite) -> None:
    def change(configuration: dict[str, dict[str, list[object]]]) -> None:
        configuration["access"]["applications"] += [
            application("Long", "two.example.com", mfa_config=NO_MFA),
            application("Short", "two.example.com/short", mfa_config=NO_MFA, session_duration="30m"),
        ]

    site = await start_site(change)
    ann = Person(site, "ann@example.com")
    long, short = "https://two.example.com/", "https://two.example.com/short"
    await ann.log_in(long)
    site.clock.advance(30 * 60 - 1)
    assert (await status(ann, long), await status(ann, short)) == (200, 200)
    site.clock.advance(1)
    assert (await status(ann, long), await status(ann, short)) == (200, 401)


@pytest.mark.case(27)
async def test_mfa_is_asked_for_again_after_thirty_minutes_at_the_next_login(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    proved = site.clock.now
    site.clock.now = proved + 29 * 60 + 59
    await ann.browser.open("https://fresh.example.com/")
    assert (ann.page.status, ann.browser.url) == (200, "https://fresh.example.com/")
    assert await status(ann, "https://fresh.example.com/") == 200
    site.clock.now = proved + 30 * 60
    assert await status(ann, "https://fresh.example.com/") == 401
    assert await status(ann, WIKI) == 200  # its MFA is judged at login
    await ann.browser.open("https://fresh.example.com/")
    assert ann.browser.url.startswith(f"{PORTAL}/challenge")


@pytest.mark.case(27)
async def test_with_no_duration_mfa_is_asked_for_at_every_login(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    site.clock.advance(1)
    strict = "https://strict.example.com/"
    await ann.browser.open(strict)
    assert ann.browser.url.startswith(f"{PORTAL}/challenge")
    await ann.browser.submit(code=ann.code())
    assert ann.browser.url == strict
    assert await status(ann, strict) == 200
    site.clock.advance(1)
    await ann.browser.open(f"{strict}.secondgate/login?return_to=/")
    assert ann.browser.url.startswith(f"{PORTAL}/challenge")


@pytest.mark.case(27)
async def test_a_policy_that_became_stricter_counts_at_the_next_request(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    assert await status(ann, WIKI) == 200
    site.reload(lambda configuration: configuration["access"]["applications"][0].update(mfa_config=KEY_ONLY))
    assert await status(ann, WIKI) == 401
    fresh = "https://fresh.example.com/"
    await ann.browser.open(fresh)
    assert await status(ann, fresh) == 200
    site.clock.advance(120)
    assert await status(ann, fresh) == 200
    site.reload(
        lambda configuration: configuration["access"]["applications"][8].update(mfa_config={"session_duration": "1m"})
    )
    assert await status(ann, fresh) == 401


@pytest.mark.case(28)
async def test_an_authenticator_deleted_ends_what_it_opened(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    assert await status(ann, WIKI) == 200
    await delete_authenticators(site.services, await person_id(ann), actor="root@example.com")
    assert await status(ann, WIKI) == 401
    await ann.browser.open(WIKI)
    assert ann.browser.url.startswith(f"{PORTAL}/AddMfaDevice")


@pytest.mark.case(28)
async def test_a_person_disabled_is_out_at_once_and_cannot_come_back(site: Site, ann: Person) -> None:
    await ann.log_in(MENU)
    await set_person_disabled(site.services, await person_id(ann), disabled=True, actor="root@example.com")
    assert await status(ann, MENU) == 401
    ann.browser.jar["mfa.example.com"].pop("__Host-secondgate_login")
    await ann.log_in(MENU)
    assert ann.page.status == 403
    assert "__Host-secondgate_login" not in ann.browser.jar["mfa.example.com"]
    await set_person_disabled(site.services, await person_id(ann), disabled=False, actor="root@example.com")
    site.clock.advance(600)
    await ann.log_in(MENU)
    assert await status(ann, MENU) == 200


@pytest.mark.case(28)
async def test_sessions_ended_by_an_administrator_end_in_every_browser(site: Site, ann: Person) -> None:
    await ann.log_in(MENU)
    one = ann.session("menu.example.com")
    await ann.another_browser()
    await ann.log_in(MENU)
    await end_sessions(site.services, await person_id(ann), actor="root@example.com")
    assert [await status(ann, MENU, cookie) for cookie in (one, ann.session("menu.example.com"))] == [401, 401]


@pytest.mark.case(25)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_doubled_session_cookie_is_neither_of_the_two(
    site: Site, ann: Person, ben: Person, dialect: str
) -> None:
    await ann.log_in(MENU)
    await ben.log_in(MENU)
    for one, other in ((ann, ben), (ann, ann)):
        both = f"{one.session('menu.example.com')}; {other.session('menu.example.com')}"
        assert (await site.check(dialect, MENU, cookie=both)).status in {302, 401}
