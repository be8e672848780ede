"""The command line: which commands there are, and what happens when one fails.

One module a command group. Each has `add_parser(subparsers)`, which sets `func`: a function of the parsed arguments
that gives the exit code. Errors go to standard error, one line each, without a traceback. Exit codes: 0 done, 1
failed, 2 bad usage or configuration.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from secondgate import __version__
from secondgate.cli import (
    check,
    demo,
    devices,
    explain,
    keys,
    migrate,
    passes,
    schema,
    serve,
    service_tokens,
    sessions,
    tokens,
    users,
)
from secondgate.cli.exits import BAD_CONFIGURATION, DONE, FAILED, INTERRUPTED
from secondgate.cli.output import complain
from secondgate.errors import InvalidConfiguration, SecondgateError

DEFAULT_CONFIG = "secondgate.yaml"
COMMAND_GROUPS: tuple[ModuleType, ...] = (
    serve,
    check,
    explain,
    tokens,
    users,
    devices,
    passes,
    sessions,
    service_tokens,
    keys,
    migrate,
    schema,
    demo,
)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line. `--config` and `--json` may stand before or after the command."""
    parser = argparse.ArgumentParser(
        prog="secondgate", description="The second gate behind everyone's login: a forward-auth MFA sidecar."
    )
    parser.add_argument("--version", action="version", version=f"secondgate {__version__}")
    _add_common(parser, config=os.environ.get("SECONDGATE_CONFIG") or DEFAULT_CONFIG, as_json=False)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in COMMAND_GROUPS:
        group.add_parser(subparsers)
    for command in _commands(parser):
        _add_common(command, config=argparse.SUPPRESS, as_json=argparse.SUPPRESS)
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code. Raises SystemExit for bad usage and for `--help`, as argparse does."""
    parsed = make_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = parsed.func
    try:
        code = command(parsed)
        sys.stdout.flush()
    except InvalidConfiguration as error:
        for problem in error.problems:
            complain(str(problem))
        return BAD_CONFIGURATION
    except SecondgateError as error:
        complain(f"secondgate: {' '.join(str(error).split())}")
        return FAILED
    except BrokenPipeError:
        # Whoever read the output has enough; nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        file = f": {error.filename}" if error.filename else ""
        complain(f"secondgate: {error.strerror or error}{file}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _add_common(parser: argparse.ArgumentParser, *, config: str, as_json: bool | str) -> None:
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=config,
        help=f"the configuration (else $SECONDGATE_CONFIG, or {DEFAULT_CONFIG})",
    )
    parser.add_argument("--json", action="store_true", default=as_json, help="print data as JSON")


def _commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Give the parsers that run a command: those without further sub-commands."""
    inner = [
        command
        for action in parser._actions  # noqa: SLF001 - argparse has no other way to its sub-commands
        if isinstance(action.choices, dict)
        for command in action.choices.values()
    ]
    return [leaf for command in inner for leaf in _commands(command)] or [parser]
