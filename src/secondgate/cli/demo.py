"""`secondgate demo`: the whole way on one machine, to be looked at or to be walked by itself (`--check`)."""

from __future__ import annotations

import argparse
from pathlib import Path

from secondgate.cli.exits import DONE, FAILED
from secondgate.cli.output import say
from secondgate.demo import run_demo

DEFAULT_PORT = 8080


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("demo", help="run Traefik, Secondgate and a sample application on this machine")
    parser.add_argument("--check", action="store_true", help="walk the whole way without a browser, and exit 0 or 1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"Traefik's port ({DEFAULT_PORT})")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where everything is stored (.demo)")
    parser.set_defaults(func=demo)


def demo(arguments: argparse.Namespace) -> int:
    """Run the demo. Raises StartRefused for a busy port or a missing Traefik."""
    passed = run_demo(folder=arguments.folder.resolve(), port=arguments.port, check=arguments.check, say=say)
    return DONE if passed else FAILED
