"""Many networks at once, arranged so that asking for one address costs the same for ten of them and for a million.

A network is the address bits before its prefix's end (RFC 4632, section 3.1; RFC 4291, section 2.3), so an address lies
in one of the networks of one prefix length if those bits of it are in their set. Whether an IPv4 address mapped
into IPv6 is the one or the other is not decided here: `policy.Visitor` has made it IPv4 before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_Levels = tuple[tuple[int, frozenset[int]], ...]


@dataclass(frozen=True, slots=True)
class NetworkSet:
    """Networks of both families; `address in networks` looks at most once for each prefix length that occurs.

    `ipv4` and `ipv6` hold, by the number of bits behind the prefix, the numbers that the networks' own bits are.
    """

    ipv4: _Levels = field(default=(), repr=False)
    ipv6: _Levels = field(default=(), repr=False)

    @classmethod
    def of(cls, networks: Iterable[IPv4Network | IPv6Network]) -> NetworkSet:
        """Arrange networks. The same ones in another order, or twice, make an equal set."""
        levels: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in networks:
            bits = network.max_prefixlen - network.prefixlen
            levels[network.version].setdefault(bits, set()).add(int(network.network_address) >> bits)
        return cls(_arranged(levels[4]), _arranged(levels[6]))

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address lies in one of the networks."""
        levels = self.ipv4 if isinstance(address, IPv4Address) else self.ipv6
        number = int(address)
        return any(number >> bits in numbers for bits, numbers in levels)


def _arranged(levels: dict[int, set[int]]) -> _Levels:
    return tuple((bits, frozenset(levels[bits])) for bits in sorted(levels))
