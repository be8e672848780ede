"""`secondgate explain`: which application, policy and MFA rule decide a URL for a person, and why.

Reads the configuration and the live store, and changes nothing. The decisions are `model.explanation`'s; the words
are `cli.explanation_text`'s.
"""

from __future__ import annotations

import argparse
import re
from ipaddress import ip_address
from urllib.parse import quote

from secondgate.cli.exits import DONE
from secondgate.cli.explanation_text import Question, explanation_data, explanation_lines
from secondgate.cli.opened import email_argument, run_with_services
from secondgate.cli.output import say, say_json
from secondgate.config import Settings
from secondgate.errors import Malformed
from secondgate.flows.explanation import NO_ADDRESS, load_known
from secondgate.flows.services import Services
from secondgate.model.access import Access
from secondgate.model.explanation import Explanation, explain
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.policy import Address, Visitor
from secondgate.protocol.forwarded import OriginalRequest, from_auth_request, parse_host

_URL = re.compile(r"(?:(https?)://)?([^/?#\\:]+)(:[0-9]+)?((?:[/?][^#]*)?)(?:#.*)?", re.IGNORECASE | re.DOTALL)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("explain", help="say what decides a URL for a person, and why")
    parser.add_argument("--email", required=True, type=email_argument, help="whom it is about")
    parser.add_argument("--ip", metavar="ADDRESS", type=_address, help="where from, for rules about addresses")
    parser.add_argument("url", metavar="URL", type=parse_url)
    parser.set_defaults(func=explain_url)


def explain_url(arguments: argparse.Namespace) -> int:
    """Explain; exit code 0 whatever the decision is."""

    async def work(services: Services, settings: Settings) -> int:
        known = await load_known(services, arguments.email)
        request: OriginalRequest = arguments.url
        address: Address | None = arguments.ip
        access = services.access()
        explanation = explain(
            access,
            host=request.host,
            path=request.path,
            visitor=Visitor(address or NO_ADDRESS, known.identity),
            mfa=known.mfa,
            now=services.now(),
        )
        question = Question(
            request=request,
            is_portal=request.host == settings.portal_host,
            email=arguments.email,
            person=known.person,
            identity=known.identity,
            identity_provider=_provider_name(services, known.identity),
            address=address,
            mfa=known.mfa,
            now=services.now(),
            login=known.login,
            organization_mfa=access.rulebook.organization.mfa,
            evaluations=_evaluations(access, explanation),
        )
        if arguments.json:
            say_json(explanation_data(question, explanation))
        else:
            for line in explanation_lines(question, explanation):
                say(line)
        return DONE

    return run_with_services(arguments, work)


def parse_url(text: str) -> OriginalRequest:
    """Read a URL as the gate would be told it by a proxy, with or without its scheme.

    What a browser does before it sends one is done here: a fragment is dropped, an internationalised host becomes
    ASCII, other characters in the path are percent-encoded. Raises argparse's own error, which is bad usage.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("must be a URL, as https://wiki.example.com/page")
    scheme, host, port, target = match.groups()
    target = "".join(one if one.isascii() and one != " " else quote(one) for one in target)
    if not target.startswith("/"):
        target = "/" + target
    try:
        url = f"{scheme or 'https'}://{parse_host(host)}{port or ''}{target}"
        return from_auth_request([("X-Original-Method", "GET"), ("X-Original-URL", url)])
    except Malformed as error:
        words = error.detail.removeprefix(f"{error.field}: ")
        raise argparse.ArgumentTypeError(f"{words}, as in https://wiki.example.com/page") from None


def _evaluations(access: Access, explanation: Explanation) -> tuple[str, ...]:
    if explanation.application is None:
        return ()
    return tuple(sorted(rule.evaluate_url for rule in access.evaluations[explanation.application.id]))


def _provider_name(services: Services, identity: Identity) -> str:
    if identity.source is IdentitySource.HEADERS:
        return "the trusted proxy's headers"
    providers = services.access().identity_providers
    return next((one.name for one in providers if one.id == identity.identity_provider_id), identity.source)


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be an address, as 192.0.2.7 or 2001:db8::1") from None
