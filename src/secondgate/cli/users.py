"""`secondgate users`: who has logged in; deleting and disabling people."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from secondgate.cli.devices import AUTHENTICATOR_HEADINGS, authenticator_data, authenticator_row
from secondgate.cli.exits import DONE
from secondgate.cli.opened import ACTOR, email_argument, load_person, run_with_services
from secondgate.cli.output import say, say_json
from secondgate.cli.tables import say_facts, say_table, time_text
from secondgate.config import Settings
from secondgate.flows.services import Services
from secondgate.flows.sessions import delete_person, list_sessions, set_person_disabled
from secondgate.model.person import Person


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command group."""
    group = subparsers.add_parser("users", help="people who have logged in: list, show, delete, disable, enable")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    commands.add_parser("list", help="list everyone").set_defaults(func=list_users)
    for name, func, text in (
        ("show", show_user, "show a person with authenticators and sessions"),
        ("delete", delete_user, "delete a person with all authenticators and sessions"),
        ("disable", disable_user, "refuse a person everywhere, and end all sessions"),
        ("enable", enable_user, "let a disabled person in again"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("email", metavar="EMAIL", type=email_argument)
        command.set_defaults(func=func)


def list_users(arguments: argparse.Namespace) -> int:
    """List everyone, by address."""

    async def work(services: Services, _: Settings) -> int:
        people = await services.durable.list_people()
        if arguments.json:
            say_json([_data(person) for person in people])
        else:
            say_table(
                ("EMAIL", "NAME", "LAST LOGIN", "STATE"),
                ((person.email, person.name, time_text(person.last_login_at), _state(person)) for person in people),
            )
        return DONE

    return run_with_services(arguments, work)


def show_user(arguments: argparse.Namespace) -> int:
    """Show one person."""

    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        authenticators = await services.durable.list_authenticators(person.id)
        logins, applications = await list_sessions(services, person.id)
        if arguments.json:
            say_json(
                {
                    **_data(person),
                    "authenticators": [authenticator_data(one) for one in authenticators],
                    "logins": len(logins),
                    "application_sessions": len(applications),
                }
            )
            return DONE
        say_facts(
            (
                ("email", person.email),
                ("name", person.name),
                ("id", person.id),
                ("state", _state(person)),
                ("first login", time_text(person.created_at)),
                ("last login", time_text(person.last_login_at)),
                ("last method", person.last_method or ""),
                ("sessions", f"{len(logins)} at the portal, {len(applications)} at applications"),
                ("authenticators", str(len(authenticators))),
            )
        )
        if authenticators:
            say("")
            say_table(AUTHENTICATOR_HEADINGS, map(authenticator_row, authenticators))
        return DONE

    return run_with_services(arguments, work)


def delete_user(arguments: argparse.Namespace) -> int:
    """Delete one person."""

    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        await delete_person(services, person.id, actor=ACTOR)
        if arguments.json:
            say_json({"deleted": _data(person)})
        else:
            say(f"deleted {person.email}")
        return DONE

    return run_with_services(arguments, work)


def disable_user(arguments: argparse.Namespace) -> int:
    """Disable one person."""
    return _set_disabled(arguments, disabled=True)


def enable_user(arguments: argparse.Namespace) -> int:
    """Enable one person."""
    return _set_disabled(arguments, disabled=False)


def _set_disabled(arguments: argparse.Namespace, *, disabled: bool) -> int:
    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        await set_person_disabled(services, person.id, disabled=disabled, actor=ACTOR)
        if arguments.json:
            say_json({**_data(person), "disabled": disabled})
        else:
            say(f"{'disabled' if disabled else 'enabled'} {person.email}")
        return DONE

    return run_with_services(arguments, work)


def _data(person: Person) -> Mapping[str, object]:
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "created_at": person.created_at,
        "last_login_at": person.last_login_at,
        "disabled": person.disabled,
        "last_method": person.last_method,
    }


def _state(person: Person) -> str:
    return "disabled" if person.disabled else "enabled"
