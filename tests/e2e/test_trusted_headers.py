"""Identity from a login proxy, through the shipped `identity-headers` files of nginx and Traefik."""

from __future__ import annotations

import re
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import yaml

from tests.e2e.certificate import Certificate
from tests.e2e.processes import free_port, start
from tests.e2e.proxies import PROXY_SECRET, ROOT
from tests.e2e.sites import LABELS, Site, access_by_pin, choose_place, running_site
from tests.e2e.totp import totp_code
from tests.e2e.visitor import NAVIGATION, Visitor
from tests.e2e.wire import Answer, request_bytes, send_to
from tests.fakes.login_proxy import COOKIE, cookie_of

NAMES = {
    "email": "X-Auth-Request-Email",
    "name": "X-Auth-Request-Preferred-Username",
    "groups": "X-Auth-Request-Groups",
    "amr": "X-Auth-Request-Amr",
    "auth_time": "X-Auth-Request-Auth-Time",
}
ROOT_FIELDS = [
    ("X-Auth-Request-Email", "root@people.test"),
    ("X-Auth-Request-Preferred-Username", "root"),
    ("X-Auth-Request-Groups", "root"),
    ("X-Auth-Request-Amr", "otp,hwk"),
    ("X-Auth-Request-Auth-Time", str(int(time.time()))),
]
TWINS = [(name.replace("-", "_"), value) for name, value in ROOT_FIELDS]
FORGED = [*ROOT_FIELDS, *ROOT_FIELDS, *((name.upper(), value) for name, value in ROOT_FIELDS), *TWINS]
PROGRAM = [("Accept", "application/json"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]


@dataclass(slots=True)
class Guest(Visitor):
    """A visitor who keeps cookies of the whole domain too: the login proxy's. `pages` is all that was answered."""

    shared: dict[str, str] = field(default_factory=dict)
    pages: list[Answer] = field(default_factory=list)

    def cookie_header(self, host: str) -> str:
        jar = {**self.cookies.get(host, {}), **self.shared}
        return "; ".join(f"{name}={value}" for name, value in jar.items())

    def _keep_cookies(self, host: str, answer: Answer) -> None:
        self.pages.append(answer)
        for line in answer.all("Set-Cookie"):
            if "domain=" in line.lower():
                name, _, value = line.partition(";")[0].partition("=")
                self.shared[name] = value
        own = [pair for pair in answer.headers if pair[0].lower() != "set-cookie" or "domain=" not in pair[1].lower()]
        Visitor._keep_cookies(self, host, Answer(answer.status, tuple(own), answer.body))

    def known_as(self, email: str, **more: str) -> None:
        """Be logged in at the login proxy."""
        self.shared[COOKIE] = cookie_of(email=email, **more)

    def set_up_totp(self) -> None:
        """Enrol an authenticator app at the page that offers it."""
        self.submit(method="totp")
        key = re.search(r'id="setup-key" data-value="([A-Z2-7]+)"', self.page.body.decode())
        assert key, self.url
        self.submit(code=totp_code(key[1], self.site.clock.now()))

    def told(self) -> dict[str, str]:
        """Give the header fields that the application received; each name must stand there once."""
        pairs = [(name.lower(), value) for name, value in self.received()["headers"]]
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)


def changed(access: dict[str, object]) -> dict[str, object]:
    """Have no other login than the login proxy, and take its MFA for an hour."""
    organization = access["organization"]
    assert isinstance(organization, dict)
    mfa_config = {**organization["mfa_config"], "amr_matching_session_duration": "1h"}
    return {**access, "identity_providers": [], "organization": {**organization, "mfa_config": mfa_config}}


@dataclass(frozen=True, slots=True)
class Login:
    """The login proxy's own address."""

    port: int

    def seen(self) -> str:
        """Tell which header fields it received in checks."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/seen") as answer:
            return str(answer.read(), "ascii")


@pytest.fixture(scope="module", params=["nginx", "traefik"])
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,
    echo_port: int,
) -> Iterator[tuple[Site, Login]]:
    """A site behind each proxy in turn, with a login proxy before it."""
    place = choose_place(request.param, tmp_path_factory.mktemp(f"login-{request.param}"))
    port = free_port()
    login_url = f"{place.scheme}://login.{place.domain}:{place.port}"
    command = [sys.executable, "-m", "tests.fakes.login_proxy", port, login_url, place.domain]
    login_proxy = start("login-proxy", command, folder=place.folder, ports=[port], env={"PYTHONPATH": str(ROOT)})
    try:
        with running_site(
            place,
            labels=LABELS,
            access=changed(access_by_pin(place.domain)),
            application=echo_port,
            certificate=certificate,
            settings={"identity": {"headers": [NAMES]}},
            login_proxy=port,
        ) as site:
            yield site, Login(port)
    finally:
        login_proxy.stop()


@pytest.fixture
def site(running: tuple[Site, Login]) -> Site:
    return running[0]


@pytest.fixture
def login_proxy(running: tuple[Site, Login]) -> Login:
    return running[1]


@pytest.fixture
def guest(site: Site) -> Guest:
    return Guest(site)


def audited(site: Site, action: str, actor: str) -> int:
    """Count events of the audit log."""
    path = site.folder / "data" / "secondgate.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        query = "select count(*) from audit_events where action = ? and actor = ?"
        return int(connection.execute(query, (action, actor)).fetchone()[0])


def path_of(guest: Guest) -> str:
    """Give host label and path of the page where somebody is."""
    parts = urlsplit(guest.url)
    return (parts.hostname or "").partition(".")[0] + parts.path


def test_the_login_proxys_login_is_the_only_one_and_mfa_is_ours(guest: Guest, address: str) -> None:
    guest.open("app", "/page?a=1")
    assert path_of(guest) == "login/oauth2/start"
    guest.submit(email=address, preferred_username="Ann Ås", groups="staff,ops", amr="pwd", auth_time="1700000000")
    assert path_of(guest) == "mfa/AddMfaDevice"
    guest.set_up_totp()
    assert guest.url == guest.site.url("app", "/page?a=1")
    told = guest.told()
    assert (told["remote-user"], told["remote-email"]) == (address, address)
    assert told["remote-name"].encode("latin-1").decode() == "Ann Ås"
    assert told["remote-groups"] == "staff,ops"
    assert told["cf-access-jwt-assertion"].count(".") == 2
    assert guest.site.cookie not in told["cookie"]
    assert audited(guest.site, "login.succeeded", address) == 1
    assert not any(b'name="pin"' in page.body for page in guest.pages)
    guest.open("mfa", "/account/devices")
    assert (path_of(guest), address in guest.page.body.decode()) == ("mfa/account/devices", True)


@pytest.mark.parametrize("folder", ["nginx", "traefik"])
def test_the_readme_names_the_headers_that_these_tests_use(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text()
    (settings,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "identity:" in block]
    assert yaml.safe_load(settings) == {"identity": {"headers": [NAMES]}}


@pytest.mark.case(60, 61)
def test_mfa_of_the_login_proxy_counts_by_its_time(guest: Guest, address: str) -> None:
    now = str(int(guest.site.clock.now()))
    guest.known_as(address, amr="pwd,otp", auth_time=now)
    guest.open("app", "/page")
    assert (path_of(guest), guest.page.status) == ("app/page", 200)
    assert guest.told()["remote-user"] == address


@pytest.mark.case(61)
@pytest.mark.parametrize(
    "auth_time",
    [None, -3600, 120],
    ids=["unsaid", "an hour ago", "in the future"],
)
def test_mfa_of_the_login_proxy_that_is_not_fresh_for_certain_is_asked_for(
    guest: Guest, address: str, auth_time: int | None
) -> None:
    said = "" if auth_time is None else str(int(guest.site.clock.now()) + auth_time)
    guest.known_as(address, amr="pwd,otp", auth_time=said)
    guest.open("app", "/page")
    assert path_of(guest) == "mfa/AddMfaDevice"


@pytest.mark.case(1, 3, 62)
@pytest.mark.parametrize("fields", [FORGED, ROOT_FIELDS, TWINS], ids=["all", "names", "twins"])
@pytest.mark.parametrize(
    ("label", "path"),
    [("app", "/page"), ("staff", "/page"), ("mfa", "/"), ("mfa", "/login"), ("mfa", "/account/devices")],
)
def test_a_client_names_nobody(guest: Guest, label: str, path: str, fields: list[tuple[str, str]]) -> None:
    for headers in (NAVIGATION, PROGRAM):
        answer = guest.ask(label, path, headers=[*headers, *fields])
        assert not answer.is_success
        assert "secondgate_login" not in str(answer.headers)
    assert audited(guest.site, "login.succeeded", "root@people.test") == 0


@pytest.mark.case(1, 3, 62)
@pytest.mark.parametrize("path", ["/.secondgate/login?return_to=/page", "/.secondgate/identity"])
def test_a_client_names_nobody_at_our_pages_of_an_application(guest: Guest, path: str) -> None:
    for label in ("app", "staff"):
        answer = guest.ask(label, path, headers=[*NAVIGATION, *FORGED])
        assert "root@people.test" not in str(answer)
        assert "secondgate_login" not in str(answer.headers)
    assert audited(guest.site, "login.succeeded", "root@people.test") == 0


@pytest.mark.case(1, 3, 62)
def test_what_a_client_says_changes_nothing_for_whom_the_login_proxy_knows(guest: Guest, address: str) -> None:
    guest.known_as(address, amr="pwd")
    guest.open("plain", "/page")
    guest.page = guest.ask("plain", "/page", headers=FORGED)
    told = guest.told()
    assert told["remote-user"] == address
    assert "root@people.test" not in str(told)
    assert not guest.ask("staff", "/page", headers=FORGED).is_success
    guest.page = guest.ask("mfa", "/account/devices", headers=[*NAVIGATION, *FORGED])
    assert (guest.page.status, address in guest.page.body.decode()) == (200, True)
    assert audited(guest.site, "identity.mismatch", "root@people.test") == 0
    for fields in (ROOT_FIELDS[3:], TWINS[3:], FORGED):
        assert guest.ask("app", "/page", headers=[*NAVIGATION, *fields]).status == 302
        answer = guest.ask("mfa", "/login", headers=[*NAVIGATION, *fields])
        assert "secondgate_login" not in str(answer.headers)
    guest.open("app", "/page")
    assert path_of(guest) == "mfa/AddMfaDevice"


@pytest.mark.case(25)
def test_another_person_at_the_login_proxy_signs_in_again_as_themselves(guest: Guest, address: str) -> None:
    other = f"other-{address}"
    guest.known_as(address)
    guest.open("plain", "/page")
    assert guest.told()["remote-user"] == address
    guest.known_as(other)
    for _ in range(3):
        assert guest.ask("plain", "/page", headers=PROGRAM).status == 401
    assert audited(guest.site, "identity.mismatch", other) == 1
    guest.open("plain", "/page")
    assert (path_of(guest), guest.told()["remote-user"]) == ("plain/page", other)
    assert audited(guest.site, "login.succeeded", other) == 1
    assert audited(guest.site, "identity.mismatch", other) == 2  # by the gate, and by the portal that ended the login


def test_whoever_logs_out_at_the_login_proxy_is_out(guest: Guest, address: str) -> None:
    guest.known_as(address)
    assert guest.open("plain", "/page").status == 200
    del guest.shared[COOKIE]
    assert not guest.ask("plain", "/page", headers=PROGRAM).is_success
    guest.open("plain", "/page")
    assert path_of(guest) == "login/oauth2/start"


@pytest.mark.parametrize(("status", "seen"), [(403, {403}), (500, {500, 503}), (302, {302, 500, 503})])
def test_what_the_login_proxy_refuses_is_refused(guest: Guest, address: str, status: int, seen: set[int]) -> None:
    guest.known_as(address)
    assert guest.open("plain", "/page").status == 200
    assert guest.ask("plain", f"/.status/{status}").status in seen


def test_what_is_public_behind_nginx_needs_no_login_and_behind_traefik_is_behind_the_login_proxy(guest: Guest) -> None:
    assert guest.ask("open", "/page", headers=NAVIGATION).status == (200 if guest.site.name == "nginx" else 302)
    for label in ("app", "mfa"):
        assert guest.ask(label, "/cdn-cgi/access/certs").status == 200
    assert guest.ask("mfa", "/.well-known/jwks.json").status == 200


@pytest.mark.case(2, 11)
@pytest.mark.parametrize(
    ("source", "secret"), [("127.0.0.1", ""), ("127.0.0.1", "a-guess-of-the-secret"), ("127.0.0.2", PROXY_SECRET)]
)
@pytest.mark.parametrize("listener", ["gate", "portal"])
def test_whoever_is_not_the_proxy_names_nobody(site: Site, listener: str, source: str, secret: str) -> None:
    named = [("X-Auth-Request-Email", "root@people.test"), *NAVIGATION, *asked(site)]
    host = f"{site.host('mfa')}:{site.port}"
    path = "/login" if listener == "portal" else "/verify/forward-auth"
    port = site.upstreams.portal if listener == "portal" else site.upstreams.gate
    if secret:
        named.append(("X-Secondgate-Proxy-Secret", secret))
    answer = send_to(port, request_bytes("GET", path, host, named), source=source)
    assert (answer.status, "secondgate_login" in str(answer.headers)) == (403, False)
    assert audited(site, "login.succeeded", "root@people.test") == 0


@pytest.mark.case(1, 11, 62)
def test_the_servers_before_gate_and_portal_believe_nobody(site: Site) -> None:
    """Also those on this machine who reach them past the proxy, and even know its secret."""
    if site.name == "traefik":
        found: list[str] = []  # Traefik has no such servers
    else:
        found = re.findall(r"listen 127\.0\.0\.1:(\d+);", (site.folder / "identity-headers.conf").read_text())
        assert len(found) == 2
    host = f"{site.host('mfa')}:{site.port}"
    for port in map(int, found):
        for secret in ("", PROXY_SECRET):
            fields = [*FORGED, *NAVIGATION, *asked(site), ("X-Secondgate-Proxy-Secret", secret)]
            for path in ("/login", "/verify/forward-auth", "/verify/auth-request", "/.secondgate/identity"):
                answer = send_to(port, request_bytes("GET", path, host, fields))
                assert not answer.is_success
                assert "secondgate_login" not in str(answer.headers)
    assert audited(site, "login.succeeded", "root@people.test") == 0


def asked(site: Site) -> list[tuple[str, str]]:
    """Give what a proxy says of the original request."""
    return [
        ("X-Forwarded-Proto", site.scheme),
        ("X-Forwarded-Host", f"{site.host('plain')}:{site.port}"),
        ("X-Forwarded-Uri", "/page"),
        ("X-Forwarded-Method", "GET"),
        ("X-Original-URL", site.url("plain", "/page")),
        ("X-Original-Method", "GET"),
    ]


@pytest.mark.case(11)
def test_the_login_proxy_does_not_learn_the_proxy_secret(guest: Guest, login_proxy: Login, address: str) -> None:
    guest.known_as(address)
    guest.open("plain", "/page")
    guest.open("mfa", "/account/devices")
    seen = login_proxy.seen()
    assert "cookie" in seen
    assert "secret" not in seen
