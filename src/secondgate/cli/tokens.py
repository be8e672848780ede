"""`secondgate token`: tokens of the admin API. What opens one is shown once, when it is made.

The first one is made here: there is none by default, so that nobody can call the API before an administrator of the
machine says so.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Mapping

from secondgate.access.fields import parse_network
from secondgate.cli.exits import DONE
from secondgate.cli.opened import ACTOR, run_with_services
from secondgate.cli.output import say, say_json
from secondgate.cli.tables import say_facts, say_table, time_text
from secondgate.config import Settings
from secondgate.errors import Malformed
from secondgate.flows.api_tokens import create_api_token, revoke_api_token
from secondgate.flows.service_tokens import parse_token_name
from secondgate.flows.services import Services
from secondgate.model.api_token import ApiToken, Permission
from secondgate.model.policy import Network
from secondgate.protocol.duration import FOREVER, parse_token_duration

EVERY = "all"
SLUGS: Mapping[str, Permission] = {one.name.lower().replace("_", "-"): one for one in Permission}
"""Short names of permissions, as `apps-read`."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command group."""
    group = subparsers.add_parser("token", help="tokens of the admin API: create, list, revoke")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    create = commands.add_parser(
        "create",
        help="make a token; it is shown this once",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="permissions, by either name (writing includes reading):\n"
        + "\n".join(f"  {slug.ljust(22)}{permission}" for slug, permission in SLUGS.items()),
    )
    create.add_argument("--name", required=True, type=_name, help="what lists and the audit log call it")
    create.add_argument(
        "--permission",
        metavar="P",
        required=True,
        nargs="+",
        action="extend",
        type=_permissions,
        help=f"what it may do: a name below, or {EVERY}",
    )
    create.add_argument(
        "--ttl",
        metavar="HOURS",
        type=_duration,
        help=f"how long it is valid: hours such as 720h, or {FOREVER} (default: {FOREVER})",
    )
    create.add_argument(
        "--ip",
        metavar="CIDR",
        nargs="+",
        action="extend",
        default=[],
        type=_network,
        help="addresses or networks that it may be used from (default: all)",
    )
    create.set_defaults(func=create_token)
    commands.add_parser("list", help="list all tokens; what opens them is not known").set_defaults(func=list_tokens)
    revoke = commands.add_parser("revoke", help="delete a token, which ends it at once")
    revoke.add_argument("name", metavar="NAME", help="its name or its id")
    revoke.set_defaults(func=revoke_token)


def create_token(arguments: argparse.Namespace) -> int:
    """Make one, and show what opens it."""

    async def work(services: Services, _: Settings) -> int:
        token, secret = await create_api_token(
            services,
            name=arguments.name,
            permissions=(one for given in arguments.permission for one in given),
            networks=tuple(arguments.ip),
            expires_at=None if arguments.ttl is None else services.now() + arguments.ttl,
            actor=ACTOR,
        )
        if arguments.json:
            say_json({**_data(token), "token": secret.reveal()})
            return DONE
        say_facts((("name", token.name), ("id", token.id), ("expires", _expiry(token)), ("from", _networks(token))))
        for permission in sorted(token.permissions):
            say(f"may      {permission}")
        say("")
        say("Clients send this as `Authorization: Bearer TOKEN`. It is not shown again.")
        say("")
        say(secret.reveal())
        return DONE

    return run_with_services(arguments, work)


def list_tokens(arguments: argparse.Namespace) -> int:
    """List all, by name."""

    async def work(services: Services, _: Settings) -> int:
        tokens = await services.durable.list_api_tokens()
        if arguments.json:
            say_json([_data(token) for token in tokens])
            return DONE
        now = services.now()
        say_table(
            ("NAME", "CREATED", "EXPIRES", "LAST USED", "STATE", "FROM", "PERMISSIONS"),
            (
                (
                    token.name,
                    time_text(token.created_at),
                    _expiry(token),
                    time_text(token.last_used_at),
                    _state(token, now),
                    _networks(token),
                    ", ".join(_slugs(token.permissions)),
                )
                for token in tokens
            ),
        )
        return DONE

    return run_with_services(arguments, work)


def revoke_token(arguments: argparse.Namespace) -> int:
    """Delete one."""

    async def work(services: Services, _: Settings) -> int:
        token = await revoke_api_token(services, arguments.name, actor=ACTOR)
        if arguments.json:
            say_json({"revoked": _data(token)})
        else:
            say(f"revoked {token.name}; it opens nothing any more")
        return DONE

    return run_with_services(arguments, work)


def _data(token: ApiToken) -> Mapping[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "permissions": sorted(token.permissions),
        "networks": [str(network) for network in token.networks],
        "excluded_networks": [str(network) for network in token.excluded_networks],
        "enabled": token.is_enabled,
        "created_at": token.created_at,
        "not_before": token.not_before,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    }


def _state(token: ApiToken, now: int) -> str:
    if token.is_expired_at(now):
        return "expired"
    if not token.is_enabled:
        return "disabled"
    return "valid" if token.is_valid_at(now) else "not yet"


def _expiry(token: ApiToken) -> str:
    return time_text(token.expires_at) or "never"


def _networks(token: ApiToken) -> str:
    from_, never = (", ".join(map(str, networks)) for networks in (token.networks, token.excluded_networks))
    return (from_ or "everywhere") + (f", never {never}" if never else "")


def _slugs(permissions: Iterable[Permission]) -> tuple[str, ...]:
    given = frozenset(permissions)
    return (EVERY,) if given == frozenset(Permission) else tuple(slug for slug, one in SLUGS.items() if one in given)


def _permissions(text: str) -> tuple[Permission, ...]:
    """Read a permission by its name, its short name, or all of them."""
    wanted = " ".join(text.lower().split())
    if wanted == EVERY:
        return tuple(Permission)
    names = {**SLUGS, **{one.value.lower(): one for one in Permission}}
    if wanted in names:
        return (names[wanted],)
    close = difflib.get_close_matches(wanted, names, n=1)
    meant = f"; did you mean {_spelling(close[0])!r}?" if close else ""
    raise argparse.ArgumentTypeError(f"there is no permission {text!r}{meant} (all: secondgate token create --help)")


def _spelling(name: str) -> str:
    return next((one.value for one in Permission if one.value.lower() == name), name)


def _name(text: str) -> str:
    try:
        return parse_token_name(text)
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.detail.removeprefix("name: ")) from None


def _duration(text: str) -> int | None:
    try:
        return parse_token_duration(text, field="ttl")
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.detail.removeprefix("ttl: ")) from None


def _network(text: str) -> Network:
    try:
        return parse_network(text)
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.detail.removeprefix("ip: ")) from None
