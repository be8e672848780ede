"""A set of networks says of every address what looking through all of them would say."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondgate.model.network_set import NetworkSet
from secondgate.model.policy import Address, IpList, Network, Visitor, is_rule_match

# Few bits vary, so that addresses and networks often meet.
FEW_BITS = st.integers(0, 15)
NUMBERS_4 = st.one_of(st.integers(0, 2**32 - 1), FEW_BITS, FEW_BITS.map(lambda bits: bits << 28))
NUMBERS_6 = st.one_of(st.integers(0, 2**128 - 1), FEW_BITS, FEW_BITS.map(lambda bits: bits << 124))
MAPPED = NUMBERS_4.map(lambda number: IPv6Address((0xFFFF << 32) + number))
ADDRESSES: st.SearchStrategy[Address] = st.one_of(NUMBERS_4.map(IPv4Address), NUMBERS_6.map(IPv6Address), MAPPED)
NETWORKS: st.SearchStrategy[Network] = st.one_of(
    st.builds(lambda number, length: IPv4Network((number, length), strict=False), NUMBERS_4, st.integers(0, 32)),
    st.builds(lambda number, length: IPv6Network((number, length), strict=False), NUMBERS_6, st.integers(0, 128)),
)


def is_in_any(address: Address, networks: list[Network]) -> bool:
    return any(address in network for network in networks)


@given(st.lists(NETWORKS, max_size=12), st.lists(ADDRESSES, max_size=12))
def test_it_holds_the_addresses_that_one_of_its_networks_holds(
    networks: list[Network], addresses: list[Address]
) -> None:
    found = NetworkSet.of(networks)
    edges = [edge for network in networks for edge in (network.network_address, network.broadcast_address)]
    for address in (*addresses, *edges):
        assert (address in found) is is_in_any(address, networks)
    assert all(edge in found for edge in edges)


@given(st.lists(NETWORKS, max_size=12), ADDRESSES)
def test_a_rule_takes_a_mapped_address_for_the_ipv4_address_that_it_is(
    networks: list[Network], address: Address
) -> None:
    visitor = Visitor(address)
    assert is_rule_match(IpList("l", NetworkSet.of(networks)), visitor, {}) is is_in_any(visitor.address, networks)


@given(st.lists(NETWORKS, max_size=12))
def test_order_and_repetition_make_no_difference(networks: list[Network]) -> None:
    one, other = NetworkSet.of(networks), NetworkSet.of([*reversed(networks), *networks])
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("address", "is_in"),
    [("192.0.2.7", True), ("192.0.3.7", False), ("2001:db8::7", True), ("2001:db9::7", False), ("::c000:207", False)],
)
def test_the_families_are_apart(address: str, *, is_in: bool) -> None:
    networks = NetworkSet.of([ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])
    assert (ip_address(address) in networks) is is_in


def test_sixty_thousand_networks_are_looked_up_once_for_each_prefix_length() -> None:
    networks = NetworkSet.of(IPv4Network(((10 << 24) + (number << 8), 24)) for number in range(60_000))
    assert [len(numbers) for _, numbers in networks.ipv4] == [60_000]
    assert ip_address("10.234.95.1") in networks
    assert ip_address("10.234.96.1") not in networks
    assert len(repr(IpList("l", networks))) < 100
