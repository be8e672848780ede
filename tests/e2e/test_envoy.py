"""What is Envoy's alone: HTTP/2, whose clients split their cookies, and the one path that all of it is judged by."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.processes import own_environment
from tests.e2e.sites import Site
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.parametrize("site", ["envoy"], indirect=True, scope="session")


def over_http2(site: Site, label: str, *headers: str) -> dict[str, Any]:
    """Ask the echo application with HTTP/2, and give what it received."""
    host = site.host(label)
    done = subprocess.run(  # noqa: S603 - a program of the system's
        [
            *("curl", "--silent", "--show-error", "--fail", "--http2", "--cacert", site.ca_file),
            *("--resolve", f"{host}:{site.port}:127.0.0.1", "--write-out", "%{stderr}%{http_version}"),
            *(part for header in headers for part in ("--header", header)),
            f"https://{host}:{site.port}/page",
        ],
        capture_output=True,
        check=True,
        env=own_environment(),
    )
    assert done.stderr == b"2"
    received: dict[str, Any] = json.loads(done.stdout)
    return received


@pytest.mark.case(1, 30)
def test_over_http2_cookies_in_several_fields_are_one_and_ours_is_not_among_them(
    site: Site, visitor: Visitor, address: str
) -> None:
    visitor.sign_in(address)
    ours = f"Cookie: {visitor.cookie_header(site.host('plain'))}"
    for cookies, left in (
        (("Cookie: theme=dark", ours, "Cookie: lang=de"), ["theme=dark; lang=de"]),
        ((ours,), []),
    ):
        headers = over_http2(site, "plain", *cookies, "Remote-Email: root@people.test")["headers"]
        assert [value for name, value in headers if name.lower() == "cookie"] == left
        assert [value for name, value in headers if name.lower() == "remote-email"] == [address]


@pytest.mark.case(30)
def test_an_application_without_a_login_does_not_see_our_cookie_either(site: Site) -> None:
    visitor = Visitor(site)
    for cookie, left in (("__Host-secondgate=x", []), ("", []), ("a=b; __Host-secondgate=x", ["a=b"])):
        visitor.page = visitor.ask("open", "/page", cookie=cookie)
        assert [value for name, value in visitor.received()["headers"] if name.lower() == "cookie"] == left


@pytest.mark.case(12)
@pytest.mark.parametrize(
    ("sent", "judged"),
    [
        ("/x/../page", "/page"),
        ("/x/%2e%2e/page", "/page"),
        ("/p%61ge?a=%61", "/page?a=%61"),
        ("/x//page", "/x//page"),
        ("/x%2fpage", "/x%2fpage"),
        ("/.secondgate/../page", "/page"),
    ],
)
def test_gate_and_application_are_told_one_path(site: Site, sent: str, judged: str) -> None:
    visitor = Visitor(site)
    visitor.page = visitor.ask("open", sent)
    assert visitor.received()["target"] == judged
    asked = visitor.ask("app", sent)
    location = json.loads(asked.body)["location"]
    assert location == f"{site.url('app', '/.secondgate/login')}?return_to={quoted(judged)}"


def quoted(path: str) -> str:
    return path.translate({ord(one): f"%{ord(one):02X}" for one in "/%?="})


@pytest.mark.case(8)
def test_a_client_of_this_very_machine_is_known_by_its_own_address(site: Site) -> None:
    for source in ("127.9.9.1", "127.9.9.2"):
        visitor = replace(Visitor(site), source=source)
        visitor.page = visitor.ask("open", "/page", headers=[("X-Forwarded-For", "198.51.100.1")])
        assert [value for name, value in visitor.received()["headers"] if name.lower() == "x-forwarded-for"] == [source]


def test_nothing_of_envoys_own_is_believed_of_a_client(site: Site) -> None:
    visitor = Visitor(site, source="127.0.0.1")  # which Envoy would take for internal, as it would 10.0.0.0/8
    forged = [
        ("X-Envoy-Internal", "true"),
        ("X-Envoy-Upstream-Rq-Timeout-Ms", "1"),
        ("X-Envoy-Retry-On", "5xx"),
        ("X-Envoy-Original-Path", "/admin"),
        ("X-Envoy-Auth-Headers-To-Remove", "remote-email"),
    ]
    visitor.page = visitor.ask("open", "/page", headers=forged)
    assert visitor.page.status == 200
    told = {name.lower(): value for name, value in visitor.received()["headers"]}
    assert "x-envoy-internal" not in told
    assert "x-envoy-retry-on" not in told
    assert told.get("x-envoy-expected-rq-timeout-ms") == "15000"
    assert "remote-email" in told
