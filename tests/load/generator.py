"""A load of known requests, each sent once: as fast as answers come, or at a rate that answers cannot slow down.

At a rate, latency counts from the moment at which a request was due, not from when it could be sent: an answer that is
late makes all that wait behind it late too (no coordinated omission). One process asks with plain sockets and an epoll,
so that its own share is small; how late it was itself is told with the result.
"""

from __future__ import annotations

import gc
import math
import os
import select
import socket
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK_BYTES = 65_536
GIVE_UP_S = 10.0
_STATUS = slice(9, 12)
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it. `statuses` counts answers by status; times are in milliseconds.

    `own_p99_ms` is how late requests were sent for reasons of the generator's own: all connections were not busy.
    """

    requests: int
    seconds: float
    statuses: dict[int, int]
    p50_ms: float
    p99_ms: float
    own_p99_ms: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def others(self, expected: int) -> int:
        """Count the answers with another status than this one."""
        return sum(count for status, count in self.statuses.items() if status != expected)


def percentile(times: array[float] | list[float], share: float) -> float:
    """Give the time in milliseconds within which this share was answered; `times` are seconds."""
    if not times:
        return 0.0
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)] * 1000


class _Connection:
    """A connection with at most one request under way, due at `due`."""

    __slots__ = ("due", "received", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.received = b""


def run(port: int, requests: Iterator[bytes], *, connections: int = 16, rate: float = 0.0) -> Result:
    """Send all requests, at `rate` a second, or each as soon as a connection is free. Raises TimeoutError, OSError."""
    loop = _Loop([_Connection(port) for _ in range(connections)], rate)
    gc.collect()
    gc.disable()
    try:
        return loop.run(requests)
    finally:
        gc.enable()
        loop.close()


class _Loop:
    def __init__(self, connections: list[_Connection], rate: float) -> None:
        self._by_number = {one.socket.fileno(): one for one in connections}
        self._idle = list(connections)
        self._interval_s = 1 / rate if rate else 0.0
        self._times = array("d")
        self._own = array("d")
        self._statuses: dict[bytes, int] = {}
        self._epoll = select.epoll()
        for number in self._by_number:
            self._epoll.register(number, select.EPOLLIN)

    def run(self, requests: Iterator[bytes]) -> Result:
        """Send and receive until there is nothing left."""
        now = time.perf_counter
        idle, interval_s, poll = self._idle, self._interval_s, self._epoll.poll
        waiting = next(requests, None)
        began = due = heard = was_idle = now()
        while waiting is not None or len(idle) < len(self._by_number):
            at = now()
            while waiting is not None and idle and due <= at:
                connection = idle.pop()
                connection.due = due if interval_s else at
                connection.socket.send(waiting)
                if interval_s:
                    self._own.append(at - max(due, was_idle))
                    due += interval_s
                waiting = next(requests, None)
                at = now()
            # An epoll sleeps for whole milliseconds: shorter waits are spent looking.
            is_soon = interval_s and waiting is not None and idle and due - at < 0.002
            events = poll(0 if is_soon else min(1.0, max(due - at - 0.001, 0.001)) if interval_s and idle else 1.0)
            at = now()
            for number, _ in events:
                self._receive(self._by_number[number], at)
                heard = at
            if events and len(idle) == len(events):
                was_idle = at
            elif not events and is_soon:
                os.sched_yield()
            if at - heard > GIVE_UP_S:
                raise TimeoutError("an answer did not come")
        seconds = now() - began
        statuses = {int(status): count for status, count in self._statuses.items()}
        p50, p99 = percentile(self._times, 0.5), percentile(self._times, 0.99)
        return Result(len(self._times), seconds, statuses, p50, p99, percentile(self._own, 0.99))

    def close(self) -> None:
        """Close everything."""
        self._epoll.close()
        for connection in self._by_number.values():
            connection.socket.close()

    def _receive(self, connection: _Connection, at: float) -> None:
        data = connection.socket.recv(CHUNK_BYTES)
        if not data:
            raise OSError("a connection was closed")
        if connection.received:
            data = connection.received + data
        if not is_whole(data):
            connection.received = data
            return
        connection.received = b""
        status = data[_STATUS]
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._times.append(at - connection.due)
        self._idle.append(connection)


def is_whole(data: bytes) -> bool:
    """Whether an answer is complete. Only `Content-Length` is known here: nothing that is asked answers in chunks."""
    end = data.find(_END)
    if end < 0:
        return False
    if data.endswith(_END) and end + 4 == len(data) and b"ontent-Length: 0\r" in data:
        return True
    head = data[:end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
    return len(data) >= end + 4 + length
