"""What a client is told when the gate does not let it through, by all proxies alike."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.sites import PROXIES, Site
from tests.e2e.visitor import NAVIGATION, Visitor
from tests.e2e.wire import Answer

pytestmark = pytest.mark.parametrize("site", PROXIES, indirect=True, scope="session")


def is_on_the_way_to_login(site: Site, answer: Answer, path: str) -> bool:
    """Whether an answer sends to the application's own login page, and back to a path from there."""
    location = urlsplit(answer.one("Location"))
    return (
        f"{location.scheme}://{location.netloc}" == site.url("app", "")
        and location.path == "/.secondgate/login"
        and parse_qs(location.query)["return_to"] == [path]
    )


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_navigation_is_sent_to_the_login(site: Site, visitor: Visitor, method: str) -> None:
    answer = visitor.ask("app", "/page?a=1&b=2", method=method, headers=NAVIGATION)
    assert answer.status == 302
    assert is_on_the_way_to_login(site, answer, "/page?a=1&b=2")
    assert answer.all("Set-Cookie") == []


def test_a_browser_of_old_is_sent_to_the_login_too(site: Site, visitor: Visitor) -> None:
    answer = visitor.ask("app", "/page", headers=[("Accept", "text/html,application/xhtml+xml")])
    assert answer.status == 302
    assert is_on_the_way_to_login(site, answer, "/page")


def test_a_form_is_sent_to_the_login_with_303(visitor: Visitor) -> None:
    answer = visitor.ask("app", "/page", method="POST", headers=NAVIGATION, body=b"a=1")
    assert answer.status == 303
    assert urlsplit(answer.one("Location")).path == "/.secondgate/login"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Accept", "application/json")],
        [("Accept", "text/html"), ("X-Requested-With", "XMLHttpRequest")],
        [("Accept", "text/html"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")],
    ],
    ids=["bare", "json", "XMLHttpRequest", "fetch"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_program_gets_401_and_json(visitor: Visitor, method: str, headers: list[tuple[str, str]]) -> None:
    answer = visitor.ask("app", "/api", method=method, headers=headers)
    assert answer.status == 401
    assert answer.one("Location") == ""
    assert answer.one("Content-Type").startswith("application/json")
    assert isinstance(json.loads(answer.body), dict)
    assert "no-store" in answer.one("Cache-Control")


def test_whoever_is_known_but_not_allowed_gets_403(visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    visitor.open("staff", "/page")
    assert visitor.page.status == 403


def test_a_body_reaches_the_application_and_not_the_gate(visitor: Visitor, address: str) -> None:
    visitor.sign_in(address)
    visitor.page = visitor.ask("plain", "/form", method="POST", body=b"x" * 100_000)
    received = visitor.received()
    assert received["method"] == "POST"
    assert received["body"] == "x" * 100_000


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_what_the_application_itself_refuses_stays_its_own_answer(visitor: Visitor, address: str, status: int) -> None:
    visitor.sign_in(address)
    answer = visitor.ask("plain", f"/.status/{status}", headers=NAVIGATION)
    assert answer.status == status
    visitor.page = answer
    assert visitor.received()["target"] == f"/.status/{status}"
