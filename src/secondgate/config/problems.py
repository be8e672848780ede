"""What does not fit together in a configuration although each part of it is well formed.

The managed objects are judged by `access.problems`; this judges the rest, and what stands between the two: hosts
against the public URL, one-time PINs against mail, workers against Redis.
"""

from __future__ import annotations

from collections.abc import Iterator

from secondgate.access import Finding, find_problems
from secondgate.access.application_policies import placed_policies
from secondgate.access.destination import parse_destination
from secondgate.config.jwt_problems import find_jwt_problems
from secondgate.config.public_url import is_localhost
from secondgate.config.settings import Settings

_MAIL_NEEDS = ("mail", "mail.smtp", "mail.outbox", "mail.from")
_PROVIDER_NEEDS = (
    "access.identity_providers",
    "access.identity_providers[*]",
    "identity",
    "identity.headers",
    "identity.jwt",
)
_RESERVED_HEADERS = frozenset(
    (
        "host",
        "cookie",
        "set-cookie",
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "forwarded",
        "x-secondgate-proxy-secret",
        "x-original-url",
        "x-original-method",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-uri",
        "x-forwarded-method",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-real-ip",
        "cf-access-jwt-assertion",
        "cf-access-authenticated-user-email",
    )
)


def find_setting_problems(settings: Settings) -> tuple[Finding, ...]:
    """Find everything that does not fit together, in the managed objects too."""
    return (
        *_process_problems(settings),
        *_mail_problems(settings),
        *_header_problems(settings),
        *find_jwt_problems(settings),
        *find_problems(settings.access),
        *_host_problems(settings),
        *_login_problems(settings),
    )


def _process_problems(settings: Settings) -> Iterator[Finding]:
    if settings.workers > 1 and not settings.storage.redis.reveal():
        yield Finding(
            "workers",
            "more than 1 needs storage.redis, where workers share sessions; set it, or workers: 1",
            ("storage", "storage.redis"),
        )
    taken: dict[str, str] = {}
    for name in ("gate", "portal", "admin"):
        address = getattr(settings.listen, name)
        first = taken.setdefault(str(address), name)
        if first != name and (address.path or address.port):
            yield Finding(f"listen.{name}", f"{address} is the address of listen.{first} already")
    for number, network in enumerate(settings.trusted_proxies):
        if network.prefixlen == 0 and settings.proxy_secret is None:
            yield Finding(
                f"trusted_proxies[{number}]",
                f"{network} trusts everybody; name the proxies, or set proxy_secret so that they prove who they are",
                ("proxy_secret",),
            )


def _mail_problems(settings: Settings) -> Iterator[Finding]:
    mail = settings.mail
    if mail is not None and (mail.smtp is None) == (mail.outbox is None):
        yield Finding("mail", "must have either smtp or outbox", _MAIL_NEEDS)
    if mail is None:
        for number, provider in enumerate(settings.access.identity_providers):
            if provider.type == "onetimepin":
                yield Finding(
                    f"access.identity_providers[{number}]",
                    f"{provider.name!r} sends one-time PINs, and there is no mail to send them by; set mail.smtp",
                    _MAIL_NEEDS,
                )


def _header_problems(settings: Settings) -> Iterator[Finding]:
    """Header names are compared as proxies may fold them: without case, `_` and `-` alike."""
    answered: dict[str, str] = {}
    for field in ("user", "email", "name", "groups"):
        yield from _taken_header(f"identity_headers.{field}", getattr(settings.identity_headers, field), answered)
    for number, headers in enumerate(settings.identity.headers):
        read: dict[str, str] = {}
        for field in ("email", "name", "groups", "amr", "auth_time"):
            name = getattr(headers, field)
            if name is not None:
                yield from _taken_header(f"identity.headers[{number}].{field}", name, read)
    for number, jwt in enumerate(settings.identity.jwt):
        if jwt.header is not None:
            yield from _taken_header(f"identity.jwt[{number}].header", jwt.header, {})


def _taken_header(path: str, name: str, taken: dict[str, str]) -> Iterator[Finding]:
    folded = name.lower().replace("_", "-")
    if folded in _RESERVED_HEADERS:
        yield Finding(path, f"{name} means something else already; take another name")
    elif taken.setdefault(folded, path) != path:
        yield Finding(path, f"{name} is the name of {taken[folded]} already")


def _host_problems(settings: Settings) -> Iterator[Finding]:
    for number, application in enumerate(settings.access.applications):
        for place, address in application.addresses():
            host = parse_destination(address).host
            path = f"access.applications[{number}].{place}"
            if host == settings.portal_host:
                yield Finding(path, f"{host} is the portal's own host; an application needs another", ("public_url",))
            elif not settings.secure and not is_localhost(host.removeprefix("*.")):
                yield Finding(
                    path,
                    f"must be localhost or end in .localhost, as public_url is plain HTTP: {host} needs HTTPS",
                    ("public_url",),
                )


def _login_problems(settings: Settings) -> Iterator[Finding]:
    asked = any(
        placed.shape.decision.needs_identity
        for application in settings.access.applications
        for placed in placed_policies(settings.access, application)
    )
    if asked and not (settings.access.identity_providers or settings.identity.headers or settings.identity.jwt):
        yield Finding(
            "access.identity_providers",
            "nobody could log in: add {name: PIN, type: onetimepin} here, or identity.headers or identity.jwt",
            _PROVIDER_NEEDS,
        )
