"""`secondgate devices`: a person's authenticators. Who has none left enrols anew at the next protected application."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from secondgate.cli.exits import DONE
from secondgate.cli.opened import ACTOR, email_argument, load_person, run_with_services
from secondgate.cli.output import say, say_json
from secondgate.cli.tables import say_table, time_text
from secondgate.config import Settings
from secondgate.flows.services import Services
from secondgate.flows.sessions import delete_authenticators
from secondgate.model.person import Authenticator

AUTHENTICATOR_HEADINGS = ("ID", "METHOD", "NAME", "ADDED", "LAST USED")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command group."""
    group = subparsers.add_parser("devices", help="a person's authenticators: list, delete, reset")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    for name, func, text in (
        ("list", list_devices, "list a person's authenticators"),
        ("delete", delete_device, "delete one authenticator"),
        ("reset", reset_devices, "delete all authenticators of a person, who then enrols anew"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("email", metavar="EMAIL", type=email_argument)
        if name == "delete":
            command.add_argument("id", metavar="ID", help="as `devices list` shows it")
        command.set_defaults(func=func)


def list_devices(arguments: argparse.Namespace) -> int:
    """List a person's authenticators, the oldest first."""

    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        authenticators = await services.durable.list_authenticators(person.id)
        if arguments.json:
            say_json([authenticator_data(one) for one in authenticators])
        else:
            say_table(AUTHENTICATOR_HEADINGS, map(authenticator_row, authenticators))
        return DONE

    return run_with_services(arguments, work)


def delete_device(arguments: argparse.Namespace) -> int:
    """Delete one authenticator, and end the sessions that it carried."""
    return _delete(arguments, arguments.id)


def reset_devices(arguments: argparse.Namespace) -> int:
    """Delete all authenticators of a person, and end all application sessions."""
    return _delete(arguments, None)


def authenticator_data(authenticator: Authenticator) -> Mapping[str, object]:
    """Give an authenticator for `--json`."""
    return {
        "id": authenticator.id,
        "method": authenticator.method,
        "name": authenticator.name,
        "aaguid": authenticator.aaguid,
        "created_at": authenticator.created_at,
        "last_used_at": authenticator.last_used_at,
    }


def authenticator_row(authenticator: Authenticator) -> tuple[str, ...]:
    """Give an authenticator's row under `AUTHENTICATOR_HEADINGS`."""
    return (
        authenticator.id,
        authenticator.method,
        authenticator.name,
        time_text(authenticator.created_at),
        time_text(authenticator.last_used_at),
    )


def _delete(arguments: argparse.Namespace, authenticator_id: str | None) -> int:
    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        count = await delete_authenticators(services, person.id, actor=ACTOR, authenticator_id=authenticator_id)
        if arguments.json:
            say_json({"email": person.email, "deleted": count})
        else:
            say(f"deleted {count} {'authenticator' if count == 1 else 'authenticators'} of {person.email}")
        return DONE

    return run_with_services(arguments, work)
