"""`secondgate sessions`: what is live of a person, and ending all of it."""

from __future__ import annotations

import argparse

from secondgate.cli.exits import DONE
from secondgate.cli.opened import ACTOR, email_argument, load_person, run_with_services
from secondgate.cli.output import say, say_json
from secondgate.cli.tables import say_table, time_text
from secondgate.config import Settings
from secondgate.flows.services import Services
from secondgate.flows.sessions import end_sessions, list_sessions

SHORT_ID_CHARACTERS = 8


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command group."""
    group = subparsers.add_parser("sessions", help="a person's live sessions: list, end")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    for name, func, text in (
        ("list", list_all, "list logins, application sessions and MFA sessions of a person"),
        ("end", end_all, "end all of them: the person logs in anew, with MFA"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("email", metavar="EMAIL", type=email_argument)
        command.set_defaults(func=func)


def list_all(arguments: argparse.Namespace) -> int:
    """List a person's sessions. The ids are hashes: they open nothing."""

    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        logins, applications = await list_sessions(services, person.id)
        mfa = await services.sessions.list_mfa_sessions(person.id)
        names = {one.id: one.name for one in services.access().applications}
        found: list[dict[str, object]] = [
            {
                "kind": "login",
                "at": login.at,
                "expires_at": login.expires_at,
                "device": login.device_id,
                "identity_provider": login.identity.identity_provider_id,
            }
            for login in logins
        ]
        found += [
            {
                "kind": "application",
                "at": session.created_at,
                "expires_at": session.expires_at,
                "device": session.device_id,
                "host": session.host,
                "applications": [names.get(grant.application_id, grant.application_id) for grant in session.grants],
            }
            for session in applications
        ]
        found += [
            {
                "kind": "mfa",
                "at": session.at,
                "device": session.device_id,
                "method": session.method,
                "authenticator_id": session.authenticator_id,
            }
            for session in mfa
        ]
        if arguments.json:
            say_json(found)
        else:
            say_table(("KIND", "BROWSER", "SINCE", "UNTIL", "WHAT"), map(_row, found))
        return DONE

    return run_with_services(arguments, work)


def end_all(arguments: argparse.Namespace) -> int:
    """End everything live of a person."""

    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        count = await end_sessions(services, person.id, actor=ACTOR)
        if arguments.json:
            say_json({"email": person.email, "ended": count})
        else:
            say(f"ended all sessions of {person.email} ({count} {'record' if count == 1 else 'records'})")
        return DONE

    return run_with_services(arguments, work)


def _row(session: dict[str, object]) -> tuple[str, ...]:
    at, until = session["at"], session.get("expires_at")
    names = session.get("applications")
    what = f"{session['host']}: {', '.join(names)}" if isinstance(names, list) else str(session.get("method", ""))
    return (
        str(session["kind"]),
        str(session["device"])[:SHORT_ID_CHARACTERS],
        time_text(at if isinstance(at, int) else None),
        time_text(until if isinstance(until, int) else None),
        what,
    )
