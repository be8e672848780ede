"""`secondgate serve`: runs the three listeners until SIGTERM; SIGHUP reloads. With several workers, a supervisor."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from secondgate.app import STOP_WITHIN_S, run
from secondgate.cli.exits import DONE
from secondgate.config import Settings, load
from secondgate.handed_down import SUPERVISOR_VARIABLE, Plan
from secondgate.worker import worker_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("serve", help="run the gate, the portal and the admin listener")
    parser.set_defaults(func=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Serve. Raises InvalidConfiguration, StartRefused, Unavailable."""
    worker = worker_of(os.environ)
    environment = dict(os.environ)
    settings = load(arguments.config, environment)
    if worker is None and settings.workers > 1:
        _become_supervisor(arguments.config, settings)
    run(settings, config=(arguments.config, environment), worker=worker)
    return DONE


def _become_supervisor(config: str, settings: Settings) -> NoReturn:
    """Go on as the supervisor, in this process: see `secondgate.supervisor`."""
    plan = Plan(
        config=config,
        workers=settings.workers,
        listeners={name: str(getattr(settings.listen, name)) for name in ("gate", "portal", "admin")},
        log_level=settings.log_level,
        stop_within_s=STOP_WITHIN_S,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-P", "-m", "secondgate.supervisor", "serve", "-c", config]
    os.execve(sys.executable, command, {**os.environ, SUPERVISOR_VARIABLE: plan.to_text()})  # noqa: S606 - no shell
