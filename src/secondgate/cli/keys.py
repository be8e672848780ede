"""`secondgate keys`: the keys that tokens and assertions are signed with."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from secondgate.cli.exits import DONE
from secondgate.cli.opened import ACTOR, run_with_services
from secondgate.cli.output import say, say_json
from secondgate.cli.tables import say_table, time_text
from secondgate.config import Settings
from secondgate.flows.keys import load_key_times, rotate_keys
from secondgate.flows.services import Services
from secondgate.protocol.jwt import SPREAD_S


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command group."""
    group = subparsers.add_parser("keys", help="signing keys: list, rotate")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    commands.add_parser("list", help="list the keys, and when the next one is made").set_defaults(func=list_keys)
    commands.add_parser("rotate", help="make a new key now; what was signed before stays valid").set_defaults(
        func=rotate
    )


def list_keys(arguments: argparse.Namespace) -> int:
    """List them, the newest first; private keys are never shown."""

    async def work(services: Services, _: Settings) -> int:
        keys, times = await services.durable.list_signing_keys(), await load_key_times(services)
        if arguments.json:
            data = [{"kid": key.kid, "algorithm": key.algorithm, "created_at": key.created_at} for key in keys]
            say_json({"keys": data, "interval_days": times.interval_days, "next_rotation_at": times.next_at})
            return DONE
        say_table(("KEY", "ALGORITHM", "CREATED"), ((k.kid, k.algorithm, time_text(k.created_at)) for k in keys))
        say("")
        next_on = datetime.fromtimestamp(times.next_at, UTC).date()
        say(f"the next one is made on {next_on}, as every {times.interval_days} days")
        return DONE

    return run_with_services(arguments, work)


def rotate(arguments: argparse.Namespace) -> int:
    """Make a new one."""

    async def work(services: Services, _: Settings) -> int:
        await rotate_keys(services, actor=ACTOR)
        newest = (await services.durable.list_signing_keys())[0]
        if arguments.json:
            say_json({"kid": newest.kid, "created_at": newest.created_at})
        else:
            say(f"made {newest.kid}, which signs {SPREAD_S} seconds from now; the keys before stay published")
        return DONE

    return run_with_services(arguments, work)
