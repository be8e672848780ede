"""Identity from a signed token of another login system, through the real proxies with the shipped files."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.certificate import Certificate
from tests.e2e.sites import LABELS, Site, access_by_pin, choose_place, running_site
from tests.e2e.totp import totp_code
from tests.e2e.visitor import NAVIGATION, Visitor
from tests.fakes.jwt_issuer import JwtIssuer

RELOADED_S = 10.0


class JwtSite:
    """A site, and the other login system whose tokens it believes; its keys stand in a file."""

    def __init__(self, site: Site, issuer: JwtIssuer, keys: Path) -> None:
        self.site, self.issuer, self.keys = site, issuer, keys
        issuer.clock = site.clock.now

    def token(self, address: str, **claims: object) -> str:
        """Give somebody a token."""
        said: dict[str, Any] = {"sub": f"subject of {address}", "email": address, **claims}
        return self.issuer.token(**said)


@pytest.fixture(scope="module", params=["nginx", "traefik"])
def jwt_site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate, echo_port: int
) -> Iterator[JwtSite]:
    place = choose_place(request.param, tmp_path_factory.mktemp(f"jwt-{request.param}"))
    issuer, keys = JwtIssuer(time.time), place.folder / "keys.json"
    keys.write_bytes(issuer.jwks())
    where = {"jwks_url": None, "jwks_file": str(keys)}
    sources = [issuer.source(**where), issuer.source(**where, header=None, cookie="login_jwt")]
    with running_site(
        place,
        labels=LABELS,
        access=access_by_pin(place.domain),
        application=echo_port,
        certificate=certificate,
        settings={"identity": {"jwt": sources}},
    ) as site:
        yield JwtSite(site, issuer, keys)


@pytest.fixture
def caller(jwt_site: JwtSite) -> Visitor:
    return Visitor(jwt_site.site)


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Accept", "application/json"), ("Authorization", f"Bearer {token}")]


def test_a_bearer_token_opens_an_application_without_mfa_and_tells_it_who_it_is(
    jwt_site: JwtSite, caller: Visitor, address: str
) -> None:
    caller.page = caller.ask("plain", "/api", headers=bearer(jwt_site.token(address, name="Ann")))
    assert caller.page.status == 200
    received = {name.lower(): value for name, value in caller.received()["headers"]}
    assert (received["remote-email"], received["remote-name"]) == (address, "Ann")
    assert received["cf-access-jwt-assertion"].count(".") == 2
    assert caller.set_cookies == []


@pytest.mark.case(68)
def test_a_token_that_proves_nothing_opens_nothing(jwt_site: JwtSite, caller: Visitor, address: str) -> None:
    sound = jwt_site.token(address)
    unsigned = sound.rpartition(".")[0] + "."
    forged = [sound[:-8] + "A" * 8, jwt_site.token(address, aud="other"), unsigned, "x", sound * 9]
    for token in forged:
        assert caller.ask("plain", "/api", headers=bearer(token)).status == 401, token
    page = caller.ask("plain", "/page", headers=[*NAVIGATION, ("Authorization", f"Bearer {forged[0]}")])
    assert page.status in {302, 303}


def test_mfa_is_asked_of_a_client_that_cannot_do_it(jwt_site: JwtSite, caller: Visitor, address: str) -> None:
    answer = caller.ask("app", "/api", headers=bearer(jwt_site.token(address)))
    assert answer.status == 401
    staff = caller.ask("staff", "/api", headers=bearer(jwt_site.token(address)))
    assert staff.status == 403


def test_a_cookie_of_the_whole_domain_logs_in_and_the_second_factor_is_enrolled_here(
    jwt_site: JwtSite, caller: Visitor, address: str
) -> None:
    site = jwt_site.site
    for label in ("app", "mfa"):
        caller.cookies[site.host(label)] = {"login_jwt": jwt_site.token(address)}
    caller.open("app", "/page")
    assert caller.url.startswith(site.url("mfa", "/AddMfaDevice")), "no login page was shown"
    caller.submit(method="totp")
    key = re.search(r'id="setup-key" data-value="([A-Z2-7]+)"', caller.page.body.decode())
    assert key
    caller.submit(code=totp_code(key[1], site.clock.now()))
    assert (caller.page.status, caller.url) == (200, site.url("app", "/page"))
    received = {name.lower(): value for name, value in caller.received()["headers"]}
    assert received["remote-email"] == address


@pytest.mark.case(71)
def test_new_keys_count_as_soon_as_the_configuration_is_read_again(
    jwt_site: JwtSite, caller: Visitor, address: str
) -> None:
    old = jwt_site.token(address)
    assert caller.ask("plain", "/api", headers=bearer(old)).status == 200
    jwt_site.issuer.rotate("k2")
    jwt_site.keys.write_bytes(jwt_site.issuer.jwks())
    jwt_site.site.secondgate.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + RELOADED_S
    number = 0
    while caller.ask("plain", "/api", headers=bearer(jwt_site.token(address, n=number))).status != 200:
        assert time.monotonic() < deadline, jwt_site.site.secondgate.output()[-2000:]
        number += 1
        time.sleep(0.1)
    jwt_site.site.clock.advance(5)
    assert caller.ask("plain", "/api", headers=bearer(old)).status == 401, "the old key is none any more"
