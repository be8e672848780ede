"""Where scenarios run: the programs that all of them need, the sessions, and the rows that they found."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from tests.e2e.processes import Running
from tests.load import programs
from tests.load.generator import Result, run
from tests.load.measure import Meter, Row, count_wrong
from tests.load.programs import Program, Secondgate
from tests.load.requests import PATHS, Check
from tests.load.sessions import Crowd, email, make_crowd
from tests.load.table import Table
from tests.load.wrk import Asked, Load, run_wrk

SAMPLE = 100


OUT = Path(".tests/load")


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how much."""

    sessions: int = 1_000_000
    seconds: float = 4.0
    rounds: int = 3
    misses: int = 50_000
    people: int = 1_000
    revocations: int = 200
    changes: int = 1_000
    cuts: int = 20
    out: Path = OUT

    @classmethod
    def quick(cls, *, sessions: int | None, out: Path) -> Options:
        """Give small numbers, to see whether it works: what it measures then says little."""
        return cls(
            sessions or 20_000,
            seconds=1,
            rounds=1,
            misses=5_000,
            people=200,
            revocations=20,
            changes=30,
            cuts=4,
            out=out,
        )


@dataclass
class Lab:
    """One run. `server_core` is of what is measured, `load_core` of wrk, the generator, Redis and this process."""

    options: Options
    folder: Path
    stack: ExitStack
    server_core: int
    load_core: int
    redis: Program
    secondgate: Secondgate
    crowd: Crowd
    rows: dict[str, Row] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    baselines: dict[str, float] = field(default_factory=dict)

    def own(self, running: Running) -> None:
        """Stop a program when the run ends."""
        self.stack.callback(running.stop)

    def make(self, config: Path, name: str, *, first: int, count: int) -> Crowd:
        """Make sessions, on all cores: nothing is measured meanwhile."""
        cores = {self.server_core, self.load_core}
        return make_crowd(config, self.folder / name, first=first, count=count, cores=cores)

    def meter(self, secondgate: Secondgate | None = None, store: Program | None = None) -> Meter:
        """Begin to count what is used."""
        return Meter(secondgate or self.secondgate, store or self.redis)

    def add(self, row: Row) -> None:
        """Keep a row, with its ratios to the baselines, and say it."""
        row.ratios.update({name: row.rate / rate for name, rate in self.baselines.items() if rate})
        self.rows[row.name] = row
        wrong = f", {row.wrong} WRONG ANSWERS" if row.wrong else ""
        say(f"  {row.name}: {row.rate:,.0f}/s, p99 {row.p99_ms or 0:.2f} ms{wrong}")


def say(text: str) -> None:
    """Say how far it is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def open_lab(options: Options, folder: Path, stack: ExitStack, *, server_core: int, load_core: int) -> Lab:
    """Start Redis and Secondgate, and log a thousand people in."""
    redis = programs.start_redis(folder, load_core)
    stack.callback(redis.running.stop)
    config = programs.write_config(folder, "secondgate", redis.port)
    secondgate = programs.start_secondgate(config, server_core)
    stack.callback(secondgate.running.stop)
    crowd = Crowd(folder / "people", 0, 0)
    lab = Lab(options, folder, stack, server_core, load_core, redis, secondgate, crowd)
    lab.crowd = lab.make(config, "people", first=0, count=1000)
    return lab


def sample(crowd: Crowd, dialect: str = "auth-request") -> dict[Check, str | None]:
    """Give checks of some people of a crowd, each with the address that the answer must tell."""
    lines = crowd.lines()[:SAMPLE]
    return {
        Check(PATHS[number % len(PATHS)], line, dialect): email(crowd.first + number)
        for number, line in enumerate(lines)
    }


def wrong_of(load: Load, *, expected: int) -> int:
    """Count what wrk saw that may not be: any refusal where 200 is expected, any permission where it is not."""
    refused = load.refused if expected < 400 else load.requests - load.refused
    return load.broken + refused


def warmed(port: int, asked: Asked, *, seconds: float) -> Load:
    """Ask for some seconds, after one that does not count: what can be remembered is remembered then."""
    run_wrk(port, asked, seconds=1)
    return run_wrk(port, asked, seconds=seconds)


def measured_load(
    lab: Lab, port: int, asked: Asked, *, checks: dict[Check, str | None], name: str, expected: int = 200
) -> Row:
    """Ask with wrk for some seconds, and look before and after whether the answers are right."""
    wrong = count_wrong(port, checks, status=expected)
    run_wrk(port, asked, seconds=1)
    meter = lab.meter()
    load = run_wrk(port, asked, seconds=lab.options.seconds)
    cost = meter.stop()
    wrong += wrong_of(load, expected=expected) + count_wrong(port, checks, status=expected)
    row = Row(name, load.rate, load.p50_ms, load.p99_ms, requests=load.requests, wrong=wrong)
    cost.into(row, checks=load.requests)
    return row


def in_rounds(rounds: int, ways: Mapping[str, Callable[[], Load]]) -> dict[str, list[Load]]:
    """Measure several ways in turn, so that whatever else the machine does meets all of them."""
    found: dict[str, list[Load]] = {name: [] for name in ways}
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        for name, way in ways.items():
            found[name].append(way())
    return found


def median(loads: list[Load]) -> Load:
    """Give the load with the median rate."""
    middle = statistics.median_low(load.rate for load in loads)
    return next(load for load in loads if load.rate == middle)


def at_rate(lab: Lab, port: int, checks: list[Check], rate: float) -> Result:
    """Ask at a rate that answers cannot slow down."""
    requests = [check.encode() for check in checks]
    count = int(rate * lab.options.seconds)
    return run(port, islice(cycle(requests), count), connections=64, rate=rate)


def at_half(lab: Lab, port: int, checks: list[Check], row: Row, *, expected: int = 200) -> None:
    """Take p99 at half of a row's rate into the row."""
    result = at_rate(lab, port, checks, row.rate / 2)
    row.half_rate, row.half_p99_ms = result.rate, result.p99_ms
    row.wrong += result.others(expected)
    row.more["half"] = {"p50_ms": result.p50_ms, "own_p99_ms": result.own_p99_ms, "asked_rate": row.rate / 2}
