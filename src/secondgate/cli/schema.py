"""`secondgate schema`: the JSON Schema of the configuration."""

from __future__ import annotations

import argparse

from secondgate.cli.exits import DONE
from secondgate.cli.output import say_json
from secondgate.config import json_schema


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("schema", help="print the JSON Schema of the configuration")
    parser.set_defaults(func=schema)


def schema(arguments: argparse.Namespace) -> int:
    """Print the schema; it is JSON with and without `--json`, which gives it in one line."""
    say_json(json_schema(), indent=None if arguments.json else 2)
    return DONE
