"""What is believed of a request: what the proxy says, once and unambiguously, and nothing that a client may add."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs

from tests.web.browser import Browser, Person
from tests.web.conftest import StartSite
from tests.web.site import (
    AUTH_REQUEST,
    CLIENT,
    DIALECTS,
    EXT_AUTHZ,
    FORWARD_AUTH,
    IDENTITY,
    NAVIGATION,
    PORTAL,
    PROXY,
    STRANGER,
    Site,
    application,
    open_site,
    question,
)

MENU = "https://menu.example.com/"
SECRET = "a-secret-of-the-proxy-and-ours"
OFFICE = [{"name": "office", "decision": "bypass", "include": [{"ip": {"ip": "203.0.113.0/24"}}]}]


@pytest.mark.case(1)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_identity_headers_of_the_client_are_overwritten_and_believed_by_nobody(
    site: Site, ann: Person, dialect: str
) -> None:
    forged = [(name, "root@example.com") for name in IDENTITY]
    refused = await site.check(dialect, MENU, fields=[*NAVIGATION, *forged])
    assert refused.status in {302, 401}
    assert (await site.check(dialect, "https://root.example.com/", fields=[*NAVIGATION, *forged])).status in {302, 401}
    await ann.log_in(MENU)
    answer = await site.check(dialect, MENU, cookie=ann.session("menu.example.com"), fields=[*NAVIGATION, *forged])
    assert answer.status == 200
    for name in IDENTITY:
        assert "root@example.com" not in answer.one(name)


@pytest.mark.case(2)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_whoever_is_no_trusted_proxy_is_refused_and_logged(
    site: Site, ann: Person, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await ann.log_in(MENU)
    for url, cookie in ((MENU, ann.session("menu.example.com")), ("https://open.example.com/", "")):
        assert (await site.check(dialect, url, cookie=cookie)).status == 200
        capsys.readouterr()
        answer = await site.check(dialect, url, cookie=cookie, source=STRANGER)
        assert answer.status == 403
        written = "".join(capsys.readouterr())
        assert "untrusted_proxy" in written
        assert STRANGER in written


@pytest.mark.case(3)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_twins_of_what_the_proxy_says_are_refused(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    cookie = ann.session("menu.example.com")
    path, said = question(dialect, MENU).target, question(dialect, MENU).fields
    asked = [*said, ("Cookie", cookie)]
    assert (await site.send("gate", "GET", path, asked)).status == 200
    for name, value in said:
        for twin in (name, name.replace("-", "_"), name.replace("-", "."), name.lower()):
            answer = await site.send("gate", "GET", path, [*asked, (twin, value)])
            assert answer.status in {400, 403}, twin
        for merged in (f"{value}, {value}", f"{value}\x01", f"{value}\r\n folded"):
            fields = [(n, merged if n == name else v) for n, v in asked]
            answer = await site.send("gate", "GET", path, fields)
            assert answer.status in {400, 403}, (name, merged)


@pytest.mark.case(3)
@pytest.mark.parametrize("twin", ["X_Auth_Email", "X-Auth_Email", "X-Auth-Email"])
async def test_a_twin_of_the_identity_that_the_proxy_names_is_refused(start_site: StartSite, twin: str) -> None:
    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {"headers": [{"email": "X-Auth-Email"}]}

    site = await start_site(change)
    named = [("X-Auth-Email", "ann@example.com")]
    ann = Person(site, "ann@example.com")
    ann.browser.named = named
    assert (await ann.browser.open(MENU)).status == 200
    cookie = ann.session("menu.example.com")
    for dialect in DIALECTS:
        assert (await site.check(dialect, MENU, cookie=cookie, fields=[*NAVIGATION, *named])).status == 200
        both = [*NAVIGATION, *named, (twin, "ann@example.com")]
        assert (await site.check(dialect, MENU, cookie=cookie, fields=both)).status == 403


@pytest.mark.case(4)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_hop_by_hop_removal_took_away_is_missing_and_denies(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(MENU)
    cookie = ("Cookie", ann.session("menu.example.com"))
    for url, more in ((MENU, [cookie]), ("https://open.example.com/", [])):
        asked = question(dialect, url)
        for missing, (name, _) in enumerate(asked.fields):
            if (dialect, name) == (EXT_AUTHZ, "X-Forwarded-Proto"):
                continue  # the portal's scheme stands for it
            fields = [*asked.fields[:missing], *asked.fields[missing + 1 :], *more]
            assert (await site.send("gate", "GET", asked.target, fields)).status == 403, name


@pytest.mark.case(5)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_only_the_fields_of_the_own_dialect_decide(site: Site, dialect: str) -> None:
    own = {name for name, _ in question(dialect, MENU).fields}
    others = [one for other in (AUTH_REQUEST, FORWARD_AUTH) if other != dialect for one in forged_in(other)]
    forged = [*NAVIGATION, *(field for field in others if field[0] not in own), ("X-Rewrite-URL", "/public")]
    assert (await site.check(dialect, MENU, fields=forged)).status in {302, 401}
    assert (await site.check(dialect, "https://open.example.com/", fields=forged)).status == 200


def forged_in(dialect: str) -> list[tuple[str, str]]:
    return question(dialect, "https://open.example.com/").fields


@pytest.mark.case(6, 7)
async def test_forged_forwarded_fields_are_in_no_redirect_relying_party_or_cookie(ann: Person) -> None:
    ann.browser.named = [
        ("X-Forwarded-Host", "evil.example.net"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Port", "6666"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Server", "evil.example.net"),
        ("Forwarded", "host=evil.example.net;proto=http"),
    ]
    login = await ann.browser.request("GET", "https://menu.example.com/.secondgate/login?return_to=/x")
    assert login.one("Location").startswith(f"{PORTAL}/login?request=")
    page = await ann.browser.open(f"{PORTAL}/login")
    assert "evil" not in page.text
    await ann.log_in(PORTAL)
    assert "evil" not in repr(ann.page)
    await ann.browser.open(f"{PORTAL}/AddMfaDevice")
    await ann.choose("security_key")
    csrf = next(iter(form.data["csrf"] for form in [ann.browser.form("name")]))
    begun = await ann.browser.post_json("/AddMfaDevice/options", {"method": "security_key"}, csrf)
    assert begun.json["options"]["rp"]["id"] == "mfa.example.com"
    for line in ann.browser.set_cookies:
        assert "evil" not in line
        assert {"Secure", "HttpOnly", "Path=/"} <= set(line.split("; "))
        assert "Domain" not in line


@pytest.mark.case(7)
async def test_a_page_asked_for_over_plain_http_leads_to_https(site: Site, ann: Person) -> None:
    answer = await site.check(FORWARD_AUTH, "http://menu.example.com/x")
    assert answer.one("Location").startswith("https://menu.example.com/.secondgate/login")
    await ann.log_in("http://menu.example.com/x")
    assert ann.browser.url == "https://menu.example.com/x"
    assert ann.browser.set_cookies
    assert all("; Secure;" in line for line in ann.browser.set_cookies)


@pytest.mark.case(8)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_fifty_forged_hops_do_not_move_the_client(start_site: StartSite, dialect: str) -> None:
    site = await start_site(
        lambda configuration: configuration["access"]["applications"].append(
            application("Office", "office.example.com", OFFICE)
        )
    )
    url = "https://office.example.com/"
    forged = ", ".join(["203.0.113.5"] * 50)
    assert (await site.check(dialect, url, address="203.0.113.5")).status == 200
    assert (await site.check(dialect, url, address=f"{forged}, 203.0.113.5, {PROXY}")).status == 200
    for address in (CLIENT, f"{forged}, {CLIENT}", f"{forged}, {CLIENT}, {PROXY}", f"{forged}, unknown", f"{forged},"):
        assert (await site.check(dialect, url, address=address)).status in {302, 401, 403}, address
    twins = [*NAVIGATION, ("X-Forwarded-For", CLIENT)]
    assert (await site.check(dialect, url, address="203.0.113.5", fields=twins)).status in {302, 401, 403}


@pytest.mark.case(11)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_wrong_or_missing_proxy_secret_denies(start_site: StartSite, dialect: str) -> None:
    site = await start_site(lambda configuration: configuration.update(proxy_secret=SECRET))
    url = "https://open.example.com/"
    secret = "X-Secondgate-Proxy-Secret"
    assert (await site.check(dialect, url, fields=[(secret, SECRET)])).status == 200
    wrong: list[list[tuple[str, str]]] = [
        [],
        [(secret, "")],
        [(secret, SECRET[:-1])],
        [(secret, SECRET + "x")],
        [(secret, SECRET.upper())],
        [(secret, "\udcff\udcfe")],
        [(secret, SECRET), (secret, SECRET)],
        [("X_Secondgate_Proxy_Secret", SECRET)],
    ]
    for fields in wrong:
        assert (await site.check(dialect, url, fields=fields)).status == 403
    for fields in wrong:
        host = ("Host", "mfa.example.com")
        assert (await site.send("portal", "GET", "/login", [host, *fields])).status == 403
    site.extra.append((secret, SECRET))
    assert (await Browser(site).open(f"{PORTAL}/login")).status == 200


@pytest.mark.case(11)
async def test_the_proxy_secret_is_compared_in_constant_time(
    start_site: StartSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await start_site(lambda configuration: configuration.update(proxy_secret=SECRET))
    compared: list[tuple[object, object]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("secondgate.proxied.hmac.compare_digest", compare)
    await site.check(FORWARD_AUTH, MENU, fields=[("X-Secondgate-Proxy-Secret", "guess")])
    assert compared == [(b"guess", SECRET.encode())]


@pytest.mark.case(2)
@pytest.mark.parametrize("listener", ["gate", "portal"])
def test_a_stranger_who_is_gone_before_being_asked_its_address_is_no_proxy(tmp_path: Path, listener: str) -> None:
    sent = question(AUTH_REQUEST, MENU).sent_with(("X-Who", "ann@example.com"))
    if listener == "portal":
        sent = sent.replace(b"/verify/auth-request", b"/login").replace(b"Host: gate", b"Host: mfa.example.com")

    def change(configuration: dict[str, Any]) -> None:
        configuration["identity"] = {"headers": [{"email": "X-Who"}]}

    async def knock() -> dict[str, list[tuple[Any, ...]]]:
        async with open_site(tmp_path, change) as site:
            before = site.rows()
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", site.ports[listener]), source_address=(STRANGER, 0)) as one:
                    one.sendall(sent)
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
                await asyncio.sleep(0.05)
            await site.settle()
            after = site.rows()
            return {name: rows for name, rows in after.items() if rows != before[name]}

    with capture_logs() as logs:
        changed = uvloop.run(knock())
    assert changed == {}
    refused = [line["reason"] for line in logs if line["event"] == "check.refused"]
    assert refused == (["untrusted_proxy"] * 5 if listener == "gate" else [])
