"""`secondgate check`: reads the configuration and prints every problem with its place."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time

from secondgate.access import compile_access
from secondgate.cli.exits import BAD_CONFIGURATION, DONE
from secondgate.cli.output import complain, say, say_json
from secondgate.config import Settings, load
from secondgate.errors import InvalidConfiguration
from secondgate.store.authenticator_models import load_metadata_file


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("check", help="read the configuration and print every problem with its place")
    parser.set_defaults(func=check)


def check(arguments: argparse.Namespace) -> int:
    """Check the configuration; problems go to standard error, or with `--json` to standard output as an object."""
    try:
        settings = load(arguments.config, os.environ)
        compile_access(settings.access, account_id=settings.account_id)
        if settings.webauthn.metadata_file is not None:
            load_metadata_file(settings.webauthn.metadata_file, now=int(time.time()))
    except InvalidConfiguration as error:
        if arguments.json:
            problems = [dataclasses.asdict(problem) for problem in error.problems]
            say_json({"ok": False, "problems": problems})
        else:
            for problem in error.problems:
                complain(str(problem))
        return BAD_CONFIGURATION
    counts = _counts(settings)
    if arguments.json:
        say_json({"ok": True, "problems": [], **counts})
    else:
        say("ok: " + ", ".join(_counted(count, what) for what, count in counts.items()))
    return DONE


def _counts(settings: Settings) -> dict[str, int]:
    access = settings.access
    return {
        "applications": len(access.applications),
        "policies": sum(len(application.policies) for application in access.applications),
        "groups": len(access.groups),
        "lists": len(access.lists),
        "identity_providers": len(access.identity_providers),
    }


def _counted(count: int, plural: str) -> str:
    words = plural.replace("_", " ")
    if count == 1:
        words = words.removesuffix("ies") + "y" if words.endswith("ies") else words.removesuffix("s")
    return f"{count} {words}"
