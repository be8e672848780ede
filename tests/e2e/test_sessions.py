"""Cookies and what they open, through both proxies."""

from __future__ import annotations

import base64
import re
import threading

import pytest

from tests.e2e.sites import Site
from tests.e2e.visitor import NAVIGATION, Visitor
from tests.e2e.wire import connect, request_bytes

HOSTILE_COOKIES = {
    "empty": "{name}=",
    "a hundred": "; ".join(["{name}=x"] * 100),
    "quoted": '{name}="x"',
    "bad base64": "{name}=e30.***.***",
    "no json": "{name}=bm8.bm8.bm8",
    "not UTF-8": "{name}=\xff\xfe.\xff.\xff",
    "only dots": "{name}=..",
    "a nonce for a token": "{name}_nonce=x",
    "alg none": "{name}=eyJhbGciOiJub25lIn0.e30.",
    "no name": "=x; ;;; {name}",
    "large": "{name}=" + "A" * 7000,
}


@pytest.mark.case(22)
def test_cookies_are_as_narrow_as_they_can_be(site: Site, visitor: Visitor, address: str) -> None:
    visitor.enrol_totp(address)
    kept = [line for line in visitor.set_cookies if not line.partition("=")[2].startswith(";")]
    assert any(line.startswith(f"{site.cookie}=") for line in kept)
    for line in kept:
        attributes = {part.strip().partition("=")[0].lower() for part in line.split(";")[1:]}
        assert "httponly" in attributes, line
        assert "samesite" in attributes, line
        assert "domain" not in attributes, line
        assert "Path=/" in line, line
        assert len(line.partition(";")[0]) <= 4096
        if site.scheme == "https":
            assert "secure" in attributes, line
            assert line.startswith("__Host-"), line


@pytest.mark.case(22)
def test_the_applications_cookie_holds_no_secret(visitor: Visitor, address: str) -> None:
    key = visitor.enrol_totp(address)
    payload = visitor.application_cookie("app").split(".")[1]
    claims = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    assert key not in claims
    for jar in visitor.cookies.values():
        for name, value in jar.items():
            if name != visitor.site.cookie:
                assert value not in claims


@pytest.mark.case(24)
def test_a_copied_cookie_is_worth_nothing_after_logout(site: Site, visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    thief = visitor.cookie_header(site.host("plain"))
    assert visitor.ask("plain", "/page", cookie=thief).status == 200
    visitor.log_out()
    assert visitor.ask("plain", "/page", cookie=thief).status == 401
    assert visitor.ask("plain", "/page", cookie=thief, headers=NAVIGATION).status == 302


@pytest.mark.case(26)
def test_one_hosts_cookie_opens_no_other_host(site: Site, visitor: Visitor, address: str) -> None:
    visitor.enrol_totp(address)
    visitor.open("plain")
    assert visitor.page.status == 200
    for taken, tried in (("app", "plain"), ("plain", "app"), ("app", "key"), ("plain", "staff")):
        answer = visitor.ask(tried, "/page", cookie=visitor.cookie_header(site.host(taken)))
        assert not answer.is_success, (taken, tried)


@pytest.mark.case(26)
def test_a_totp_session_is_not_enough_where_a_security_key_is_asked_for(visitor: Visitor, address: str) -> None:
    visitor.enrol_totp(address)
    assert visitor.ask("app", "/page").status == 200
    assert visitor.ask("app", "/admin").status == 401
    assert visitor.ask("app", "/admin/x", headers=NAVIGATION).status == 302
    visitor.open("key")
    assert visitor.page.status == 200
    assert re.search(rf"//mfa\.{re.escape(visitor.site.domain)}:", visitor.url)
    assert not visitor.ask("key", "/").is_success


@pytest.mark.case(29)
@pytest.mark.parametrize("cookie", HOSTILE_COOKIES.values(), ids=HOSTILE_COOKIES)
def test_malformed_cookies_open_nothing_and_break_nothing(site: Site, visitor: Visitor, cookie: str) -> None:
    before = len(site.secondgate.output().splitlines())
    answer = visitor.ask("app", "/page", cookie=cookie.format(name=site.cookie))
    assert answer.status == 401, answer
    written = site.secondgate.output().splitlines()[before:]
    assert len(written) <= 1, written
    assert not any("Traceback" in line for line in written)


@pytest.mark.case(29)
def test_a_cookie_of_64_kib_opens_nothing(site: Site, visitor: Visitor) -> None:
    answer = visitor.ask("app", "/page", cookie=f"{site.cookie}={'A' * 65536}")
    assert answer.status in (0, 400, 401, 413, 431), answer


@pytest.mark.case(31)
def test_identities_never_cross(site: Site) -> None:
    visitors = {f"crowd-{number}@people.test": Visitor(site) for number in range(50)}
    for address, visitor in visitors.items():
        visitor.sign_in(address)
    mistakes: list[str] = []

    def ask_again_and_again(address: str, visitor: Visitor, number: int) -> None:
        cookie = visitor.cookie_header(site.host("plain"))
        for turn in range(20):
            one = Visitor(site)
            if (number + turn) % 5 == 0:
                _hang_up_early(one, cookie)
                continue
            one.page = one.ask("plain", f"/{address}", cookie=cookie)
            if one.page.status != 200:
                mistakes.append(f"{address}: {one.page}")
                continue
            told = {name.lower(): value for name, value in one.received()["headers"]}
            if told.get("remote-email") != address:
                mistakes.append(f"{address} was taken for {told.get('remote-email')}")

    threads = [
        threading.Thread(target=ask_again_and_again, args=(address, visitor, number))
        for number, (address, visitor) in enumerate(visitors.items())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mistakes == []


def _hang_up_early(visitor: Visitor, cookie: str) -> None:
    site = visitor.site
    host = f"{site.host('plain')}:{site.port}"
    with connect(site, "plain", source=visitor.source) as connection:
        connection.sendall(request_bytes("GET", "/gone", host, [("Cookie", cookie)]))
