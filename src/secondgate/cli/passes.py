"""`secondgate pass`: temporary passes, for people who have lost their authenticators. A code is shown once."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from secondgate.cli.exits import DONE
from secondgate.cli.opened import ACTOR, email_argument, load_person, run_with_services
from secondgate.cli.output import say, say_json
from secondgate.cli.tables import say_facts, say_table, time_text
from secondgate.config import Settings
from secondgate.errors import Malformed
from secondgate.flows.passes import DEFAULT_TTL, create_pass, parse_pass_ttl, revoke_pass
from secondgate.flows.services import Services
from secondgate.model.temporary_pass import TemporaryPass
from secondgate.protocol.temporary_pass import format_pass_code


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command group."""
    group = subparsers.add_parser("pass", help="temporary passes of people: create, list, revoke")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    create = commands.add_parser("create", help="issue a pass, shown this once, in place of the person's earlier one")
    create.add_argument("email", metavar="EMAIL", type=email_argument)
    create.add_argument(
        "--ttl",
        metavar="DURATION",
        type=_ttl,
        default=DEFAULT_TTL,
        help=f"how long it is valid, from 1m to 72h (default: {DEFAULT_TTL})",
    )
    create.set_defaults(func=create_one)
    commands.add_parser("list", help="list all passes, without codes").set_defaults(func=list_all)
    revoke = commands.add_parser("revoke", help="delete a person's pass; what it opened closes")
    revoke.add_argument("email", metavar="EMAIL", type=email_argument)
    revoke.set_defaults(func=revoke_one)


def create_one(arguments: argparse.Namespace) -> int:
    """Issue one, and show its code."""

    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        issued, code = await create_pass(services, person.id, ttl_s=arguments.ttl, actor=ACTOR)
        if arguments.json:
            data = _data(issued, person.email, now=services.now())
            say_json({**data, "code": format_pass_code(code)})
            return DONE
        say_facts((("email", person.email), ("valid until", time_text(issued.expires_at))))
        say("")
        say(format_pass_code(code))
        say("")
        say("Make sure who it is before you tell it. It works once, after a login, and is not shown again.")
        return DONE

    return run_with_services(arguments, work)


def list_all(arguments: argparse.Namespace) -> int:
    """List everyone's, the oldest first."""

    async def work(services: Services, _: Settings) -> int:
        passes, now = await services.durable.list_passes(), services.now()
        emails = {person.id: person.email for person in await services.durable.list_people()} if passes else {}
        known = [(one, emails.get(one.person_id, "")) for one in passes]
        if arguments.json:
            say_json([_data(one, email, now=now) for one, email in known])
            return DONE
        say_table(
            ("EMAIL", "ISSUED", "BY", "VALID UNTIL", "STATE"),
            (
                (email, time_text(one.created_at), one.created_by, time_text(one.expires_at), one.state_at(now))
                for one, email in known
            ),
        )
        return DONE

    return run_with_services(arguments, work)


def revoke_one(arguments: argparse.Namespace) -> int:
    """Delete one."""

    async def work(services: Services, _: Settings) -> int:
        person = await load_person(services, arguments.email)
        revoked = await revoke_pass(services, person.id, actor=ACTOR)
        if arguments.json:
            say_json({"revoked": _data(revoked, person.email, now=services.now())})
        else:
            say(f"revoked the pass of {person.email}")
        return DONE

    return run_with_services(arguments, work)


def _data(one: TemporaryPass, email: str, *, now: int) -> Mapping[str, object]:
    return {
        "id": one.id,
        "email": email,
        "created_at": one.created_at,
        "created_by": one.created_by,
        "expires_at": one.expires_at,
        "used_at": one.used_at,
        "state": one.state_at(now),
    }


def _ttl(text: str) -> int:
    try:
        return parse_pass_ttl(text, field="ttl")
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.detail.removeprefix("ttl: ")) from None
