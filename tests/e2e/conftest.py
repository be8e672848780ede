"""The end-to-end tests' site: the real program behind real nginx and real Traefik, once each for all tests."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Generator, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.api_site import ApiSite, running_api_site
from tests.e2e.browsers import launch_chromium
from tests.e2e.certificate import Certificate, make_certificate
from tests.e2e.openid_person import OpenIdPerson
from tests.e2e.openid_site import OpenIdSite, running_openid_site
from tests.e2e.person import Person
from tests.e2e.processes import free_port, start
from tests.e2e.proxies import ROOT
from tests.e2e.sites import LABELS, Site, access_by_pin, choose_place, running_site
from tests.e2e.visitor import Visitor

SCREENSHOTS = ROOT / ".tests/screenshots"
OUTCOME = pytest.StashKey[bool]()
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "example.test")


@pytest.fixture(scope="session")
def echo_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The application behind both proxies."""
    port = free_port()
    command = [sys.executable, "-m", "tests.fakes.echo", port]
    folder = tmp_path_factory.mktemp("echo")
    running = start("echo", command, folder=folder, ports=[port], env={"PYTHONPATH": str(ROOT)})
    yield port
    running.stop()


@pytest.fixture(scope="session", params=["nginx", "traefik"])
def site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,
    echo_port: int,
) -> Iterator[Site]:
    """A site behind each proxy in turn."""
    place = choose_place(request.param, tmp_path_factory.mktemp(request.param))
    access = access_by_pin(place.domain)
    with running_site(place, labels=LABELS, access=access, application=echo_port, certificate=certificate) as site:
        yield site


@pytest.fixture(scope="session")
def chromium(certificate: Certificate) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright, trusted_key_hash=certificate.public_key_hash)
        yield browser
        browser.close()


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site)


@pytest.fixture
def address() -> str:
    """An e-mail address of somebody new."""
    return f"person-{next(_numbers)}@people.test"


@pytest.fixture
def person(site: Site, chromium: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody new in a fresh browser."""
    site.clock.advance(601)  # one-time PINs are counted per address in windows of 10 minutes; all browsers have one
    somebody = Person(site, chromium, address)
    yield somebody
    _close(somebody, request)


@pytest.fixture(scope="session", params=["nginx", "traefik"])
def openid_site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,
    echo_port: int,
) -> Iterator[OpenIdSite]:
    """A site behind each proxy in turn whose people log in at two OpenID providers."""
    folder = tmp_path_factory.mktemp(f"openid-{request.param}")
    with running_openid_site(request.param, folder, application=echo_port, certificate=certificate) as running:
        yield running


@pytest.fixture
def somebody(
    openid_site: OpenIdSite, chromium: Browser, address: str, request: pytest.FixtureRequest
) -> Iterator[OpenIdPerson]:
    """Somebody new in a fresh browser, with no account at any provider yet."""
    new = OpenIdPerson(openid_site, chromium, address)
    yield new
    _close(new, request)


@pytest.fixture(scope="module")
def api_site(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate, echo_port: int) -> Iterator[ApiSite]:
    """A site with nothing managed yet, for a file of tests that make and leave what they like."""
    folder = tmp_path_factory.mktemp("api")
    with running_api_site(folder, application=echo_port, certificate=certificate) as running:
        yield running


def _close(person: Person, request: pytest.FixtureRequest) -> None:
    """Close somebody's browsers; what they saw last is kept as a picture when the test failed."""
    if request.node.stash.get(OUTCOME, default=False):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "_", request.node.name)
        for number, page in enumerate(person.pages()):
            page.screenshot(path=SCREENSHOTS / f"{name}-{number}.png", full_page=True)
    person.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure, for the fixtures that keep something of it."""
    report = yield
    if report.failed:
        item.stash[OUTCOME] = True
    return report
