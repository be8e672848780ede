"""What a scenario costs and answers: processor time, Redis commands, memory, and whether the answers are right."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import redis

from tests.load import machine
from tests.load.programs import Program, Secondgate
from tests.load.requests import Check


@dataclass(slots=True)
class Row:
    """What one scenario measured; None where it does not apply. Rates are a second, times milliseconds.

    `against` names the rows that the rate is divided by. `wrong` counts answers that were not what they had to be.
    """

    name: str
    rate: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    half_rate: float | None = None
    half_p99_ms: float | None = None
    cpu_ms_per_1000: float | None = None
    redis_per_check: float | None = None
    resident_mb: float | None = None
    requests: int = 0
    wrong: int = 0
    ratios: dict[str, float] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cost:
    """What was used between two moments."""

    cpu_s: float
    commands: Mapping[str, int]
    resident_bytes: int

    def into(self, row: Row, *, checks: int) -> None:
        """Write it into a row about so many checks."""
        row.cpu_ms_per_1000 = self.cpu_s * 1e6 / checks if checks else None
        row.redis_per_check = sum(self.commands.values()) / checks if checks else None
        row.resident_mb = self.resident_bytes / 1e6
        row.more["redis_commands"] = dict(self.commands)


class Meter:
    """Reads what Secondgate and its Redis have used since it was made."""

    def __init__(self, secondgate: Secondgate, store: Program) -> None:
        self._pid = secondgate.pid
        self._redis = redis.Redis(port=store.port)
        self._commands = self._calls()
        self._cpu_s = machine.cpu_s(self._pid)

    def stop(self) -> Cost:
        """Give what was used."""
        cpu_s = machine.cpu_s(self._pid) - self._cpu_s
        calls = self._calls()
        used = {name: count - self._commands.get(name, 0) for name, count in calls.items()}
        self._redis.close()
        commands = {name: count for name, count in used.items() if count}
        return Cost(cpu_s, commands, machine.resident_bytes(self._pid))

    def _calls(self) -> dict[str, int]:
        """Count commands by name, without those of whoever looks or connects."""
        found: dict[str, dict[str, int]] = self._redis.info("commandstats")
        calls = {name.removeprefix("cmdstat_"): int(stats["calls"]) for name, stats in found.items()}
        own = ("info", "client", "hello", "select", "ping")
        return {name: count for name, count in calls.items() if name.partition("|")[0] not in own}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status and header fields, the last of each name."""

    status: int
    fields: Mapping[str, str]


class Asker:
    """A connection on which one request is asked after the other."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer."""
        self._socket.sendall(request)
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        response.read()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def count_wrong(port: int, checks: Mapping[Check, str | None], *, status: int) -> int:
    """Ask each check once; count the answers that have another status or name another person than they must.

    The value beside a check is the address that must be told; None where nothing is said of anybody.
    """
    asker, wrong = Asker(port), 0
    for check, email in checks.items():
        answer = asker.ask(check.encode())
        is_right = answer.status == status and (email is None or answer.fields.get("remote-email") == email)
        wrong += not is_right
    asker.close()
    return wrong
