"""Who the client is, and whether it is a person on the way to a page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.protocol.forwarded import client_address, is_navigation

Headers = list[tuple[str, str]]

LOOPBACK = ip_address("127.0.0.1")
TRUSTED = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


def test_without_the_header_the_peer_is_the_client() -> None:
    assert client_address(LOOPBACK, [], TRUSTED) == LOOPBACK


@pytest.mark.case(2)
def test_a_peer_that_is_not_trusted_is_the_client_whatever_it_says() -> None:
    assert client_address(ip_address("198.51.100.7"), ["192.0.2.1"], TRUSTED) == ip_address("198.51.100.7")
    assert client_address(LOOPBACK, ["192.0.2.1"], ()) == LOOPBACK


@pytest.mark.case(8)
def test_behind_fifty_forged_hops_the_right_most_untrusted_one_is_the_client() -> None:
    forged = ", ".join(f"203.0.113.{number}" for number in range(50))
    for fields in ([f"{forged}, 198.51.100.7, 10.0.0.2"], [forged, "198.51.100.7", "10.0.0.2"]):
        assert client_address(LOOPBACK, fields, TRUSTED) == ip_address("198.51.100.7")


@pytest.mark.case(8)
def test_forged_hops_of_trusted_addresses_are_not_followed_beyond_the_client() -> None:
    assert client_address(LOOPBACK, ["192.0.2.9, 10.0.0.1, 198.51.100.7"], TRUSTED) == ip_address("198.51.100.7")


def test_when_everyone_is_trusted_the_left_most_is_the_client() -> None:
    assert client_address(LOOPBACK, ["10.0.0.1, 10.0.0.2"], TRUSTED) == ip_address("10.0.0.1")


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        (" \t192.0.2.1 ", "192.0.2.1"),
        ("2001:db9::1", "2001:db9::1"),
        ("[2001:db9::1]", "2001:db9::1"),
        ("[2001:DB9::1]:4711", "2001:db9::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
    ],
)
def test_hops_are_read_with_ports_and_brackets(hop: str, address: str) -> None:
    assert client_address(LOOPBACK, [hop], TRUSTED) == ip_address(address)


@pytest.mark.case(8)
@pytest.mark.parametrize(
    "hop",
    [
        *("", "unknown", "_hidden", "wiki.example.com", "192.0.2.256", "192.0.2.01", "192.0.2", "0x7f.1", "1.2.3.4:x"),
        *(
            "192.0.2.1:",
            "192.0.2.1:123456",
            "[::1",
            "[::1]x",
            "[::1]:",
            "fe80::1%eth0",
            "[fe80::1%eth0]",
            "[192.0.2.1]",
        ),
        *("192.0.2.1 192.0.2.2", "\x00", '"192.0.2.1"', "for=192.0.2.1", "\u0661.1.1.1", ":::::", "a" * 65536),
    ],
)
def test_behind_an_unreadable_hop_the_last_trustworthy_address_counts(hop: str) -> None:
    assert client_address(LOOPBACK, [f"192.0.2.1, {hop}"], TRUSTED) == LOOPBACK
    assert client_address(LOOPBACK, [f"192.0.2.1, {hop}, 10.0.0.2"], TRUSTED) == ip_address("10.0.0.2")


def test_a_peer_written_as_ipv6_is_found_in_its_ipv4_network() -> None:
    peer = ip_address("::ffff:127.0.0.1")
    assert client_address(peer, ["192.0.2.1"], TRUSTED) == ip_address("192.0.2.1")
    assert client_address(peer, [], TRUSTED) == LOOPBACK


@pytest.mark.case(8)
def test_hops_beyond_the_64th_are_not_looked_at() -> None:
    hops = ["192.0.2.1", *[f"10.0.0.{number}" for number in range(1, 65)]]
    assert client_address(LOOPBACK, [", ".join(hops)], TRUSTED) == ip_address("10.0.0.1")
    begin = time.perf_counter()
    assert client_address(LOOPBACK, ["10.0.0.1," * 8000 + "10.0.0.2"], TRUSTED) == ip_address("10.0.0.1")
    assert time.perf_counter() - begin < 1


@pytest.mark.case(8)
@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789abcdef.:[]% ,x", max_size=40), max_size=5))
def test_no_header_makes_finding_the_client_fail(fields: Sequence[str]) -> None:
    client_address(LOOPBACK, fields, TRUSTED)


HTML = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", [HTML], True),
        ("HEAD", [HTML], True),
        ("POST", [HTML], True),
        ("GET", [("ACCEPT", "TEXT/HTML")], True),
        ("OPTIONS", [HTML], False),
        ("PUT", [HTML], False),
        ("DELETE", [("Sec-Fetch-Mode", "navigate")], False),
        ("GET", [], False),
        ("GET", [("Accept", "*/*")], False),
        ("GET", [("Accept", "application/json")], False),
        ("GET", [HTML, ("X-Requested-With", "XMLHttpRequest")], False),
        ("GET", [HTML, ("X-Requested-With", "com.example.app")], True),
        ("GET", [("Sec-Fetch-Mode", "navigate")], True),
        ("GET", [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")], True),
        ("GET", [HTML, ("Sec-Fetch-Mode", "cors")], False),
        ("GET", [HTML, ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "document")], False),
        ("GET", [HTML, ("Sec-Fetch-Mode", "websocket")], False),
        ("GET", [("Sec-Fetch-Dest", "document")], True),
        ("GET", [HTML, ("Sec-Fetch-Dest", "empty")], False),
        ("GET", [HTML, ("Sec-Fetch-Dest", "image")], False),
        ("GET", [HTML, ("Sec-Fetch-Mode", "")], True),
    ],
)
def test_a_navigation_is_told_from_a_script(method: str, headers: Headers, *, expected: bool) -> None:
    assert is_navigation(method, headers) is expected
