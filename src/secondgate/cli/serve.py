"""`secondgate serve`: runs the three listeners until SIGTERM; SIGHUP reloads."""

from __future__ import annotations

import argparse
import os

from secondgate.app import run
from secondgate.cli.exits import DONE
from secondgate.config import load


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("serve", help="run the gate, the portal and the admin listener")
    parser.set_defaults(func=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Serve. Raises InvalidConfiguration, StartRefused, Unavailable."""
    environment = dict(os.environ)
    run(load(arguments.config, environment), config=(arguments.config, environment))
    return DONE
