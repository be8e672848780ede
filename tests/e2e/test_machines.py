"""Machines through the proxies: a service token opens what policies give it, and its secret ends at the proxy."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from tests.e2e.processes import own_environment
from tests.e2e.proxies import ROOT
from tests.e2e.sites import PROXIES, Site
from tests.e2e.visitor import NAVIGATION, Visitor
from tests.e2e.wire import Answer

KNOWN_S = 15.0
KINDS = [
    pytest.param(NAVIGATION, id="navigation"),
    pytest.param([("Accept", "application/json")], id="program"),
    pytest.param([], id="bare"),
]
IDENTITY = ("remote-user", "remote-email", "remote-name", "remote-groups", "cf-access-authenticated-user-email")

behind_every_proxy = pytest.mark.parametrize("site", PROXIES, indirect=True, scope="session")


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the command line shows it."""

    name: str
    client_id: str
    secret: str

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What the machine sends."""
        return [("CF-Access-Client-Id", self.client_id), ("CF-Access-Client-Secret", self.secret)]


def command(site: Site, *arguments: str) -> dict[str, str]:
    """Run `secondgate service-tokens` beside the running server, and give its data."""
    words = [sys.executable, "-m", "secondgate", "service-tokens", *arguments, "--json"]
    done = subprocess.run(  # noqa: S603 - our own program
        [*words, "-c", str(site.folder / "secondgate.yaml")],
        capture_output=True,
        check=True,
        env={**own_environment(), "PYTHONPATH": f"{ROOT}/src"},
        cwd=site.folder,
    )
    data: dict[str, str] = json.loads(done.stdout)
    return data


def make(site: Site, name: str, *options: str) -> Token:
    """Make a token, of the right name for the site's policies or of another."""
    made = command(site, "create", "--name", name, *options)
    return Token(name, made["client_id"], made["client_secret"])


def answer_when(visitor: Visitor, token: Token, status: int) -> Answer:
    """Ask until the gate knows of a change, and give the answer."""
    deadline = time.monotonic() + KNOWN_S
    while True:
        answer = visitor.ask("hook", "/deploy", headers=token.headers)
        if answer.status == status or time.monotonic() > deadline:
            assert answer.status == status, answer
            return answer
        time.sleep(0.2)


@pytest.fixture(scope="module")
def token(site: Site) -> Token:
    """The token that the policy of the application `hook` names."""
    made = make(site, "hook")
    answer_when(Visitor(site), made, 200)
    return made


@behind_every_proxy
def test_a_machine_reaches_the_application_which_is_told_which_one_it_is(visitor: Visitor, token: Token) -> None:
    visitor.page = visitor.ask("hook", "/deploy?x=1", headers=token.headers, method="POST", body=b"go")
    assert visitor.page.status == 200
    received = visitor.received()
    assert (received["method"], received["target"], received["body"]) == ("POST", "/deploy?x=1", "go")
    found = {name.lower(): value for name, value in received["headers"]}
    assert [found.get(name, "") for name in IDENTITY] == [""] * len(IDENTITY)
    payload = found["cf-access-jwt-assertion"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["common_name"], claims["sub"], "email" in claims) == (token.client_id, "", False)


@behind_every_proxy
@pytest.mark.parametrize("label", ["hook", "both", "open"])
def test_the_application_never_sees_what_the_machine_proved_itself_with(
    visitor: Visitor, token: Token, label: str
) -> None:
    answer = visitor.ask(label, "/page", headers=token.headers)
    assert answer.status == 200
    visitor.page = answer
    names = {name.lower().replace("_", "-") for name, _ in visitor.received()["headers"]}
    assert not {name for name in names if name.startswith("cf-access-client")}
    assert token.secret.encode() not in answer.body


def test_a_person_with_a_session_hands_no_token_on_either(visitor: Visitor, token: Token, address: str) -> None:
    visitor.sign_in(address)
    wrong = [token.headers[0], ("CF-Access-Client-Secret", "a-secret-in-the-wrong-place")]
    visitor.page = visitor.ask("plain", "/page", headers=wrong)
    assert visitor.page.status == 200
    assert address in visitor.page.body.decode()
    assert b"a-secret-in-the-wrong-place" not in visitor.page.body
    assert token.client_id.encode() not in visitor.page.body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_wrong_token_is_401_and_never_a_redirect(
    visitor: Visitor, token: Token, kind: list[tuple[str, str]], method: str
) -> None:
    last = "0" if token.secret[-1] != "0" else "1"
    for presented in (
        Token("", token.client_id, token.secret[:-1] + last).headers,
        Token("", "0" * 32 + ".access", token.secret).headers,
        token.headers[:1],
        token.headers[1:],
    ):
        for label in ("hook", "both", "app"):
            answer = visitor.ask(label, "/page", method=method, headers=[*kind, *presented])
            assert answer.status == 401, (label, answer)
            assert answer.all("Location") == answer.all("Set-Cookie") == []
            assert method == "HEAD" or json.loads(answer.body)["error"] == "unauthenticated"
    assert "a-secret" not in visitor.site.secondgate.output()


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_brings_no_token_where_only_machines_may_come_is_sent_to_no_login(
    visitor: Visitor, kind: list[tuple[str, str]]
) -> None:
    answer = visitor.ask("hook", "/deploy", headers=kind)
    assert (answer.status, answer.all("Location")) == (401, [])
    assert visitor.ask("both", "/page", headers=NAVIGATION).status == 302


@pytest.mark.case(3)
def test_a_second_token_in_a_request_opens_nothing(visitor: Visitor, token: Token) -> None:
    for more in (token.headers[:1], token.headers[1:], [("CF-Access-Client-Secret", "other")]):
        for presented in ([*token.headers, *more], [*more, *token.headers]):
            answer = visitor.ask("hook", "/deploy", headers=presented)
            assert not answer.is_success
    twin = [(name.replace("-", "_"), value) for name, value in token.headers]
    assert not visitor.ask("hook", "/deploy", headers=twin).is_success


def test_a_machine_that_no_policy_names_is_refused(site: Site, visitor: Visitor) -> None:
    other = make(site, "other")
    answer_when(visitor, other, 403)
    assert visitor.ask("both", "/page", headers=other.headers).status == 200
    answer = visitor.ask("hook", "/deploy", headers=[*NAVIGATION, *other.headers])
    assert (answer.status, answer.all("Location")) == (403, [])
    command(site, "revoke", "other")


def test_a_rotated_and_a_revoked_secret_end_within_seconds(site: Site, visitor: Visitor, token: Token) -> None:
    rotated = Token(token.name, token.client_id, command(site, "rotate", token.name)["client_secret"])
    answer_when(visitor, rotated, 200)
    for headers in ([], NAVIGATION):
        assert visitor.ask("hook", "/deploy", headers=[*headers, *token.headers]).status == 401
    command(site, "revoke", token.name)
    answer_when(visitor, rotated, 401)
    answer = visitor.ask("hook", "/deploy", headers=[*NAVIGATION, *rotated.headers])
    assert (answer.status, answer.all("Location")) == (401, [])


def test_an_expired_token_is_401(site: Site, visitor: Visitor) -> None:
    hours = int((site.clock.now() - time.time()) // 3600) + 2
    brief = make(site, "hook", "--duration", f"{hours}h")
    answer_when(visitor, brief, 200)
    site.clock.advance(2 * 3600)
    answer = visitor.ask("hook", "/deploy", headers=[*NAVIGATION, *brief.headers])
    assert (answer.status, answer.all("Location")) == (401, [])
    command(site, "revoke", "hook")


@pytest.mark.case(97)
def test_the_log_names_refused_machines_and_holds_no_secret(site: Site, visitor: Visitor) -> None:
    name = "logged"
    made = make(site, name)
    answer_when(visitor, made, 403)
    visitor.ask("hook", "/deploy", headers=[made.headers[0], ("CF-Access-Client-Secret", "guess-at-a-secret")])
    written = site.secondgate.output()
    lines = [json.loads(line) for line in written.splitlines() if '"machine.refused"' in line]
    assert made.client_id in {line["client_id"] for line in lines}
    assert made.secret not in written
    assert "guess-at-a-secret" not in written
    assert '"service_token.unknown"' in written
    command(site, "revoke", name)
