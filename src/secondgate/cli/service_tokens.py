"""`secondgate service-tokens`: what machines prove themselves with. A secret is shown once, when it is made."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from secondgate.cli.exits import DONE
from secondgate.cli.opened import ACTOR, run_with_services
from secondgate.cli.output import say, say_json
from secondgate.cli.tables import say_facts, say_table, time_text
from secondgate.config import Settings
from secondgate.errors import Malformed
from secondgate.flows.service_tokens import (
    create_service_token,
    list_service_tokens,
    parse_token_name,
    refresh_service_token,
    revoke_service_token,
    rotate_service_token,
)
from secondgate.flows.services import Services
from secondgate.model.secret import Secret
from secondgate.model.service_token import ServiceToken
from secondgate.protocol.duration import FOREVER, parse_token_duration
from secondgate.protocol.service_token import CLIENT_ID_HEADER, CLIENT_SECRET_HEADER

DEFAULT_DURATION = "8760h"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command group."""
    group = subparsers.add_parser("service-tokens", help="tokens of machines: create, list, rotate, revoke")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    create = commands.add_parser("create", help="make a token; its secret is shown this once")
    create.add_argument("--name", required=True, type=_name, help="what policies call it")
    create.add_argument(
        "--duration",
        metavar="HOURS",
        type=_duration,
        default=DEFAULT_DURATION,
        help=f"how long it is valid: hours such as 8760h, or {FOREVER} (default: {DEFAULT_DURATION}, a year)",
    )
    create.set_defaults(func=create_token)
    commands.add_parser("list", help="list all tokens, without secrets").set_defaults(func=list_tokens)
    for name, func, text in (
        ("rotate", rotate_token, "make another secret, shown this once; the old one ends, the expiry stays"),
        ("refresh", refresh_token, "let its duration begin anew, also when it has expired"),
        ("revoke", revoke_token, "delete a token"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("name", metavar="NAME", help="its name or its id")
        command.set_defaults(func=func)


def create_token(arguments: argparse.Namespace) -> int:
    """Make one, and show its secret."""

    async def work(services: Services, _: Settings) -> int:
        token, secret = await create_service_token(
            services, name=arguments.name, duration_s=arguments.duration, actor=ACTOR
        )
        _show_secret(arguments, token, secret)
        return DONE

    return run_with_services(arguments, work)


def list_tokens(arguments: argparse.Namespace) -> int:
    """List all, by name."""

    async def work(services: Services, _: Settings) -> int:
        tokens = await list_service_tokens(services)
        if arguments.json:
            say_json([_data(token) for token in tokens])
        else:
            now = services.now()
            say_table(
                ("NAME", "CLIENT ID", "CREATED", "EXPIRES", "STATE"),
                (
                    (
                        token.name,
                        token.client_id,
                        time_text(token.created_at),
                        _expiry(token),
                        "valid" if token.is_valid_at(now) else "expired",
                    )
                    for token in tokens
                ),
            )
        return DONE

    return run_with_services(arguments, work)


def rotate_token(arguments: argparse.Namespace) -> int:
    """Give one another secret, and show it."""

    async def work(services: Services, _: Settings) -> int:
        token, secret = await rotate_service_token(services, arguments.name, actor=ACTOR)
        _show_secret(arguments, token, secret)
        return DONE

    return run_with_services(arguments, work)


def refresh_token(arguments: argparse.Namespace) -> int:
    """Extend one."""

    async def work(services: Services, _: Settings) -> int:
        token = await refresh_service_token(services, arguments.name, actor=ACTOR)
        if arguments.json:
            say_json(_data(token))
        else:
            say(f"{token.name} expires: {_expiry(token)}")
        return DONE

    return run_with_services(arguments, work)


def revoke_token(arguments: argparse.Namespace) -> int:
    """Delete one."""

    async def work(services: Services, _: Settings) -> int:
        token = await revoke_service_token(services, arguments.name, actor=ACTOR)
        if arguments.json:
            say_json({"revoked": _data(token)})
        else:
            say(f"revoked {token.name}; within 5 seconds it opens nothing")
        return DONE

    return run_with_services(arguments, work)


def _show_secret(arguments: argparse.Namespace, token: ServiceToken, secret: Secret[str]) -> None:
    if arguments.json:
        say_json({**_data(token), "client_secret": secret.reveal()})
        return
    say_facts((("name", token.name), ("id", token.id), ("expires", _expiry(token))))
    say("")
    say("The machine sends these two headers, from 5 seconds from now on. The secret is not shown again.")
    say("")
    say(f"{CLIENT_ID_HEADER}: {token.client_id}")
    say(f"{CLIENT_SECRET_HEADER}: {secret.reveal()}")


def _data(token: ServiceToken) -> Mapping[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "client_id": token.client_id,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }


def _expiry(token: ServiceToken) -> str:
    return time_text(token.expires_at) or "never"


def _name(text: str) -> str:
    try:
        return parse_token_name(text)
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.detail.removeprefix("name: ")) from None


def _duration(text: str) -> int | None:
    try:
        return parse_token_duration(text, field="duration")
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.detail.removeprefix("duration: ")) from None
