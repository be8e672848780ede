"""Measures the gate on this machine: `python -m tests.load`. Its README says what each scenario is."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import structlog

from tests.load import machine, picture, report
from tests.load.lab import OUT, Options, open_lab, say
from tests.load.scenarios import faults, hits, logins, million, misses, replicas, revocation, strangers

SCENARIOS = {
    "hits": hits.run,
    "misses": misses.run,
    "strangers": strangers.run,
    "pages": misses.run_pages,
    "logins": logins.run,
    "revocation": revocation.run,
    "million": million.run,
    "replicas": replicas.run,
    "faults": faults.run,
}
WRONG_ANSWERS = 1
BUSY = 0.5


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests/run load", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers and short times: only to see that it works")
    parser.add_argument("--sessions", type=int, help="how many live sessions the scenario `million` has")
    parser.add_argument("--seconds", type=float, help="how long each measurement takes")
    parser.add_argument("--rounds", type=int, help="how often hits and baselines are measured in turn")
    parser.add_argument("--changes", type=int, help="how many changes of each kind the scenario `replicas` makes")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--out", type=Path, default=OUT, help="where the results are written: .tests/load")
    return parser.parse_args()


def options_of(arguments: argparse.Namespace) -> Options:
    """Give the options that a command line asks for."""
    options = (
        Options.quick(sessions=arguments.sessions, out=arguments.out) if arguments.quick else Options(out=arguments.out)
    )
    given = {name: getattr(arguments, name) for name in ("sessions", "seconds", "rounds", "changes")}
    return Options(**{**asdict(options), **{name: value for name, value in given.items() if value is not None}})


def main() -> int:
    """Run the scenarios, print what they found, keep it. 1 when an answer was wrong; never because of a time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    arguments = parse_arguments()
    options = options_of(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is stopped then too
    server_core, load_core = machine.choose_cores()
    os.sched_setaffinity(0, {load_core})
    if server_core == load_core:
        say("there is one core alone: what measures takes time from what is measured")
    facts = {**machine.facts(), "server_core": server_core, "load_core": load_core}
    if os.getloadavg()[0] > BUSY:
        say(f"the machine does something else too (load average {os.getloadavg()[0]:.1f}): this will say little")
    with tempfile.TemporaryDirectory(prefix="secondgate-load-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        lab = open_lab(options, folder, stack, server_core=server_core, load_core=load_core)
        for scenario, run in SCENARIOS.items():
            if not arguments.only or scenario in arguments.only:
                run(lab)
    rows = list(lab.rows.values())
    shown = {name: str(value) for name, value in asdict(options).items()}
    tables = list(lab.tables.values())
    found = report.targets(lab.rows, lab.tables)
    report.save(options.out, rows, tables, facts=facts, options=shown, found=found)
    title = f"Secondgate on {facts['cpu']}, {facts['cores']} cores, Python {facts['python']}"
    picture.draw(options.out / "load.png", rows, found, title)
    sys.stdout.write("\n" + report.text_blocks(rows, tables) + "\n\n")
    sys.stdout.write(report.target_block(found) + "\n")
    wrong = sum(row.wrong for row in rows) + sum(table.wrong for table in tables)
    sys.stdout.write(f"\n{wrong} wrong answers; kept in {options.out}\n")
    return WRONG_ANSWERS if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
