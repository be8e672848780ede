"""A whole Secondgate behind three sockets: real SQLite in a folder, mail into an outbox, a clock that tests move."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from re import MULTILINE, search
from typing import Any

from aiohttp import web

from secondgate.administration.managed import ManagedAccess
from secondgate.app import Background, _listeners, new_runner, open_services
from secondgate.config import Settings, load
from secondgate.flows.services import Services
from secondgate.model.audit import AuditEvent
from secondgate.protocol.metadata import Metadata
from secondgate.reload import Reload
from tests.web.wire import Answer, Fields, request_bytes, send

START = 1_800_000_000
PORTAL = "https://mfa.example.com"
PROXY, STRANGER = "127.0.0.1", "127.0.0.9"
CLIENT = "198.51.100.7"
AUTH_REQUEST, FORWARD_AUTH, EXT_AUTHZ = DIALECTS = ("auth-request", "forward-auth", "ext-authz")
IDENTITY = (
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "Cf-Access-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
)
NAVIGATION: Fields = (
    ("Accept", "text/html,*/*;q=0.8"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
)
SCRIPT: Fields = (("Accept", "application/json"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"))
STAFF = [{"name": "staff", "decision": "allow", "include": [{"email_domain": {"domain": "example.com"}}]}]
ROOT = [{"name": "root", "decision": "allow", "include": [{"email": {"email": "root@example.com"}}]}]
EVERYONE = [{"name": "all", "decision": "bypass", "include": [{"everyone": {}}]}]
NO_MFA = {"mfa_disabled": True}
KEY_ONLY = {"allowed_authenticators": ["security_key"]}


def application(name: str, domain: str, policies: list[dict[str, Any]] | None = None, **more: object) -> dict[str, Any]:
    """Give an application of the configuration, for the staff unless other policies are given."""
    return {"name": name, "domain": domain, "policies": policies or STAFF, **more}


def document(folder: Path) -> dict[str, Any]:
    """Give the configuration; tests change it before they start a site."""
    return {
        "public_url": PORTAL,
        "trusted_proxies": [f"{PROXY}/32"],
        "storage": {"data_dir": str(folder / "data")},
        "mail": {"outbox": str(folder / "outbox"), "from": "mfa@example.com"},
        "log_level": "debug",
        "access": {
            "organization": {
                "name": "Example",
                "session_duration": "720h",
                "mfa_config": {
                    "allowed_authenticators": ["totp", "security_key", "biometrics"],
                    "session_duration": "30m",
                },
                "mfa_required_for_all_apps": True,
            },
            "identity_providers": [{"name": "PIN", "type": "onetimepin"}],
            "applications": [
                application("Wiki", "wiki.example.com"),
                application("Wiki administration", "wiki.example.com/admin", mfa_config=KEY_ONLY),
                application("Vault", "vault.example.com", mfa_config=KEY_ONLY),
                application("Menu", "menu.example.com", mfa_config=NO_MFA),
                application("News", "news.example.com", mfa_config=NO_MFA, session_duration="30m"),
                application("Root", "root.example.com", ROOT, mfa_config=NO_MFA, custom_deny_message="Ask <root>."),
                application("Open", "open.example.com", EVERYONE, mfa_config=NO_MFA),
                application("Strict", "strict.example.com", mfa_config={"session_duration": "0m"}),
                application("Fresh", "fresh.example.com", secondgate={"mfa_check": "every_request"}),
                application("Any", "*.apps.example.com", mfa_config=NO_MFA),
                application("One", "one.apps.example.com", ROOT, mfa_config=NO_MFA),
                application("Api", "api.example.com", mfa_config=NO_MFA, options_preflight_bypass=True),
            ],
        },
    }


@dataclass
class Clock:
    """The time that Secondgate believes in, in Unix seconds."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass
class Site:
    """What runs, and what tests turn and look at. `extra` fields are those that the proxy adds to every request."""

    folder: Path
    settings: Settings
    services: Services
    current: ManagedAccess
    clock: Clock
    apps: dict[str, web.Application]
    ports: dict[str, int]
    extra: list[tuple[str, str]] = field(default_factory=list)
    seen: list[Path] = field(default_factory=list)

    @property
    def config_file(self) -> Path:
        """The configuration file."""
        return self.folder / "secondgate.yaml"

    async def send(
        self, listener: str, method: str, target: str, fields: Fields = (), body: bytes = b"", *, source: str = PROXY
    ) -> Answer:
        """Send one request to a listener."""
        if not any(name.lower() == "host" for name, _ in fields):
            fields = [("Host", "127.0.0.1"), *fields]
        return await send(
            self.ports[listener], request_bytes(method, target, [*fields, *self.extra], body), source=source
        )

    async def check(
        self,
        dialect: str,
        url: str,
        *,
        method: str = "GET",
        asked_with: str = "GET",
        cookie: str = "",
        fields: Fields = NAVIGATION,
        address: str = CLIENT,
        source: str = PROXY,
    ) -> Answer:
        """Ask the gate about a URL as a proxy does; `asked_with` is the question's own method, where it has one."""
        asked = question(dialect, url, method=method, asked_with=asked_with)
        told = [*asked.fields, ("X-Forwarded-For", address), *fields]
        if cookie:
            told.append(("Cookie", cookie))
        return await self.send("gate", asked.method, asked.target, told, source=source)

    async def events(self, *actions: str) -> list[AuditEvent]:
        """Give the audit log, the oldest first; only some actions where they are named."""
        events = await self.services.durable.list_events(limit=10_000)
        return [event for event in reversed(events) if not actions or event.action in actions]

    async def settle(self) -> None:
        """Wait for what goes on after an answer."""
        assert isinstance(self.services.spawn, Background)
        await self.services.spawn.drain()

    def mails(self, to: str) -> list[str]:
        """Give the texts of all mails to an address, in the order in which they were seen."""
        texts = []
        self.seen += sorted(set((self.folder / "outbox").glob("*.eml")) - set(self.seen))
        for path in self.seen:
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = message.get_body(("plain",))
            if message["To"] == to and body is not None:
                texts.append(body.get_content())
        return texts

    async def pin(self, to: str) -> str:
        """Give the PIN that was sent to an address last."""
        await self.settle()
        found = search(r"^ +([0-9]{6})\s*$", self.mails(to)[-1], MULTILINE)
        assert found
        return found[1]

    def reload(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the configuration file and have it read again, as SIGHUP does."""
        configuration = json.loads(self.config_file.read_text())
        change(configuration)
        self.config_file.write_text(json.dumps(configuration))
        self.reload_file()

    def reload_file(self) -> None:
        """Have the configuration file read again."""
        Reload(self.current, (str(self.config_file), {}), self.settings).now()

    def rows(self, *, without: tuple[str, ...] = ()) -> dict[str, list[tuple[Any, ...]]]:
        """Give everything that is stored, by table."""
        path = self.folder / "data" / "secondgate.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
            return {
                name: sorted(connection.execute(f"select * from {name}").fetchall(), key=repr)  # noqa: S608 - its own
                for (name,) in names
                if name not in without
            }


@dataclass(frozen=True, slots=True)
class Question:
    """What a proxy sends to ask about a request: the request line, and the fields that say what the request is."""

    method: str
    target: str
    fields: list[tuple[str, str]]

    def sent_with(self, *more: tuple[str, str]) -> bytes:
        """Write it with further fields, and with a host where it names none itself."""
        host = [] if any(name == "Host" for name, _ in self.fields) else [("Host", "gate")]
        return request_bytes(self.method, self.target, [*host, *self.fields, *more])


def question(dialect: str, url: str, *, method: str = "GET", asked_with: str = "GET") -> Question:
    """Give the question about a request; `asked_with` is its own method, where that is not the request's."""
    scheme, _, rest = url.partition("://")
    host, slash, target = rest.partition("/")
    target = slash + target
    path = f"/verify/{dialect}"
    if dialect == EXT_AUTHZ:
        fields = [("Host", host), ("X-Forwarded-Proto", scheme)]
        return Question(asked_with if method == "GET" else method, path + target, fields)
    if dialect == AUTH_REQUEST:
        return Question(asked_with, path, [("X-Original-Method", method), ("X-Original-URL", url)])
    fields = [
        ("X-Forwarded-Method", method),
        ("X-Forwarded-Proto", scheme),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Uri", target),
    ]
    return Question(asked_with, path, fields)


@asynccontextmanager
async def open_site(
    folder: Path, change: Callable[[dict[str, Any]], None], *, models: Callable[[], Metadata] | None = None
) -> AsyncIterator[Site]:
    """Compose and start everything as the program does; `change` alters the configuration first.

    `models` gives the metadata of authenticators, instead of the edition that is installed.
    """
    configuration = document(folder)
    change(configuration)
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    path = folder / "secondgate.yaml"
    path.write_text(json.dumps(configuration))
    settings = load(str(path), {})
    current = ManagedAccess(account_id=settings.account_id)
    clock = Clock()
    async with open_services(settings, clock=clock, managed=current, file=str(path), models=models) as services:
        apps = _listeners(settings, services, current)
        runners = {name: new_runner(app) for name, app in apps.items()}
        try:
            for runner in runners.values():
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", 0).start()
            ports = {name: runner.addresses[0][1] for name, runner in runners.items()}
            yield Site(folder, settings, services, current, clock, apps, ports)
        finally:
            for runner in runners.values():
                await runner.cleanup()
