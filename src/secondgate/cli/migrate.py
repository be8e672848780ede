"""`secondgate migrate`: brings the database to the newest shape, as every start does, without serving.

It opens the store by the same rules: a database that is missing, empty or sealed under another key, where there was
one, is refused and left as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time

from secondgate.cli.exits import DONE
from secondgate.cli.output import say, say_json
from secondgate.config import Settings, load
from secondgate.store.opening import open_durable
from secondgate.store.sql.migrate import migrate_database


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("migrate", help="bring the database to the newest shape, without serving")
    parser.set_defaults(func=migrate)


def migrate(arguments: argparse.Namespace) -> int:
    """Migrate, and say what shape the database has now."""
    label, revision = asyncio.run(_migrated(load(arguments.config, os.environ)))
    if arguments.json:
        say_json({"database": label, "revision": revision})
    else:
        say(f"ok: the database {label} has the shape {revision}")
    return DONE


async def _migrated(settings: Settings) -> tuple[str, str]:
    storage = settings.storage
    opened = await open_durable(data_dir=storage.data_dir, database_url=storage.database.reveal(), now=int(time.time()))
    try:
        return opened.database.label, (await migrate_database(opened.database)).after
    finally:
        await opened.durable.close()
