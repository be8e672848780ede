"""Finds the server to ask: the master that the Sentinels name, or the owner of our slot of a cluster.

All keys of the live store share one hash tag, so of a cluster one node holds them all, and whoever knows that node
needs nothing else of a cluster. Sentinel as https://redis.io/docs/latest/develop/reference/sentinel-clients/ asks, but
for asking all Sentinels at once: of those that answer, the one with the newest configuration (`config-epoch`) is
believed, so that a Sentinel that was cut off from the others does not lead back to the master of before. A cluster's
nodes are asked `CLUSTER SLOTS`: https://redis.io/docs/latest/commands/cluster-slots/.

Nothing here says whether the server found can be reached.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, cast

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from secondgate.stopping import stop

Address = tuple[str, int]
Connect = Callable[[Address], Redis]
"""Makes a client of one node."""
_GRACE_S = 0.1
"""How long the other Sentinels may take after one of them answered."""
_ASKED_AT_ONCE = 4


class Finder(ABC):
    """Finds the server; those who ask while others do share the answer."""

    def __init__(self, nodes: Iterable[Address], connect: Connect) -> None:
        self._connect = connect
        self._clients = {node: connect(node) for node in nodes}
        self._asking: asyncio.Task[Address] | None = None

    async def find(self) -> Address:
        """Give host and port. Raises RedisError, OSError or TimeoutError."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        # who gives up must not take the answer from the others
        return await asyncio.shield(self._asking)

    def _asked(self, asking: asyncio.Task[Address]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # nobody may have waited for it

    @abstractmethod
    async def _ask(self) -> Address: ...

    def redirected(self, address: Address) -> None:  # noqa: B027 - Sentinel's servers redirect nobody
        """Learn from a server who has what it has not."""

    async def close(self) -> None:
        """Give back all connections."""
        if self._asking is not None:
            await stop(self._asking)
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))


class SentinelFinder(Finder):
    """Finds the master of a `service`."""

    def __init__(self, nodes: Iterable[Address], connect: Connect, *, service: str) -> None:
        super().__init__(nodes, connect)
        self._service = service

    async def _ask(self) -> Address:
        asked = {asyncio.create_task(self._state(client)) for client in self._clients.values()}
        waiting = asked
        states: list[dict[str, Any]] = []
        try:
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=_GRACE_S if states else None, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                states += [state for task in done if (state := task.result())]
        finally:
            await stop(*waiting)
        if not states:
            raise RedisError("no Sentinel knows a master that is up")
        newest = max(states, key=lambda state: int(state["config-epoch"]))
        return newest["ip"], int(newest["port"])

    async def _state(self, client: Redis) -> dict[str, Any] | None:
        """Give what a Sentinel says of the master; None where it cannot, or where the master is down."""
        try:
            state = cast("dict[str, Any]", await client.sentinel_master(self._service))
        except (RedisError, OSError, TimeoutError):
            return None
        is_up = state["is_master"] and not state["is_sdown"] and not state["is_odown"]
        return state if is_up else None


class ClusterFinder(Finder):
    """Finds the node that owns the slot of `key`; the nodes that it is given are where it begins to ask."""

    def __init__(self, nodes: Iterable[Address], connect: Connect, *, key: str) -> None:
        super().__init__(nodes, connect)
        self._slot = key_slot(key.encode())
        self._first = tuple(self._clients)
        self._redirected_to: Address | None = None

    def redirected(self, address: Address) -> None:
        """Learn who owns the slot from a node that does not (`MOVED`): it is the next one found."""
        self._redirected_to = address

    async def _ask(self) -> Address:
        if self._redirected_to is not None:
            address, self._redirected_to = self._redirected_to, None
            return address
        known = tuple(self._clients)
        for begin in range(0, len(known), _ASKED_AT_ONCE):
            if found := await self._first_answer(known[begin : begin + _ASKED_AT_ONCE]):
                owner, nodes = found
                await self._remember(nodes)
                return owner
        raise RedisError("no node of the cluster knows who owns the slot")

    async def _first_answer(self, nodes: tuple[Address, ...]) -> tuple[Address, list[Address]] | None:
        waiting = {asyncio.create_task(self._slots(node)) for node in nodes}
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if found := task.result():
                        return found
        finally:
            await stop(*waiting)
        return None

    async def _slots(self, node: Address) -> tuple[Address, list[Address]] | None:
        """Give what a node says of the cluster: the slot's owner, and all nodes; None where it cannot."""
        try:
            ranges: list[Any] = await self._clients[node].execute_command(  # type: ignore[no-untyped-call]
                "CLUSTER", "SLOTS"
            )
        except (RedisError, OSError, TimeoutError):
            return None
        owner: Address | None = None
        nodes: list[Address] = []
        for first, last, *members in ranges:
            # a node that does not know its own name leaves it to us
            addresses = [((member[0] or b"").decode() or node[0], int(member[1])) for member in members]
            nodes += addresses
            if first <= self._slot <= last:
                owner = addresses[0]
        return None if owner is None else (owner, nodes)

    async def _remember(self, nodes: list[Address]) -> None:
        """Keep a client for each node that there is, and for those of the beginning."""
        wanted = dict.fromkeys((*self._first, *nodes))
        gone = [self._clients.pop(node) for node in set(self._clients) - wanted.keys()]
        for node in wanted:
            if node not in self._clients:
                self._clients[node] = self._connect(node)
        await asyncio.gather(*(client.aclose() for client in gone))
