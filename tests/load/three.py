"""Three replicas of one installation: processes of their own, on one PostgreSQL and one Redis, managed by the API.

The second and the third got a copy of `sealing.key`, as the README says. The third one's way to Redis goes over a relay
that can cut its subscription.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from secondgate.cli.opened import ACTOR
from secondgate.config import load
from secondgate.flows.api_tokens import create_api_token
from secondgate.flows.services import Services
from secondgate.model.api_token import Permission
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from tests.e2e.processes import free_port, start
from tests.load import programs
from tests.load.browser import Link
from tests.load.lab import Lab
from tests.load.postgres import database_url, start_postgres, stop_postgres
from tests.load.programs import APP, PIN, Program, Secondgate
from tests.load.requests import Check
from tests.load.sessions import email, make_session, person_id

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
AT_ONCE = 16
PEOPLE = {"name": "people", "decision": "allow", "include": [{"email_domain": {"domain": "people.test"}}]}
MFA = {"allowed_authenticators": ["totp", "security_key"], "session_duration": "720h"}
ORGANIZATION = {"name": "Load", "mfa_config": MFA, "mfa_required_for_all_apps": True, "session_duration": "24h"}
FOUND_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Three:
    """The replicas, their Redis, and the relay before it that the last one uses."""

    replicas: tuple[Secondgate, ...]
    store: Program
    relay: Program

    def cut(self) -> None:
        """Let the last replica hear nothing any more; its other questions to Redis are answered."""
        os.kill(self.relay.pid, signal.SIGUSR1)

    def mend(self) -> None:
        """Let it hear again."""
        os.kill(self.relay.pid, signal.SIGUSR2)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a live session. `authenticator_id` is of the authenticator that the session was proved with."""

    number: int
    token: str
    authenticator_id: str

    @property
    def email(self) -> str:
        """Their address."""
        return email(self.number)

    @property
    def person_id(self) -> str:
        """Their id."""
        return person_id(self.number)


def start_three(lab: Lab) -> Three:
    """Start everything; it is stopped when the run ends."""
    postgres = start_postgres(lab.folder, lab.load_core)
    lab.stack.callback(stop_postgres, postgres)
    store = programs.start_redis(lab.folder, lab.load_core, name="redis-three")
    lab.own(store.running)
    port = free_port()
    command = programs.pinned(lab.load_core, [sys.executable, "-m", "tests.load.relay", port, store.port])
    environment = {"PYTHONPATH": programs.python_path()}
    relay = Program(start("relay", command, folder=lab.folder, ports=[port], env=environment), port)
    lab.own(relay.running)
    replicas: list[Secondgate] = []
    for name in ("one", "two", "three"):
        config = programs.write_config(lab.folder, f"replica-{name}", store.port if name != "three" else relay.port)
        document = json.loads(config.read_text())
        del document["access"]  # then the API manages it
        document["account_id"] = ACCOUNT_ID
        document["storage"]["database"] = database_url(postgres)
        config.write_text(json.dumps(document, indent=2))
        if replicas:
            folder = lab.folder / f"replica-{name}-data"
            folder.mkdir(mode=0o700)
            shutil.copy(lab.folder / "replica-one-data" / "sealing.key", folder)
        replicas.append(programs.start_secondgate(config, lab.server_core))
        lab.own(replicas[-1].running)
    return Three(tuple(replicas), store, relay)


class Api:
    """One administrator at the API of the first replica: one call at a time."""

    def __init__(self, secondgate: Secondgate, token: str) -> None:
        self.token = token
        self._link = Link(secondgate.admin)

    @classmethod
    async def opened(cls, secondgate: Secondgate, services: Services) -> Api:
        """Make a token as the command line does."""
        _, secret = await create_api_token(services, name="load", permissions=tuple(Permission), actor=ACTOR)
        return cls(secondgate, secret.reveal())

    async def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - as the API answers
        """Call a path under the account, and give the result. Raises RuntimeError with what was answered else."""
        sent = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} /client/v4/accounts/{ACCOUNT_ID}/access/{path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {self.token}",
            *(["Content-Type: application/json", f"Content-Length: {len(sent)}"] if sent else []),
        ]
        reply = await self._link.ask(("\r\n".join(lines) + "\r\n\r\n").encode() + sent)
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {reply.body.decode(errors='replace')[:500]}")
        return json.loads(reply.body)["result"]

    def close(self) -> None:
        """Close the connection."""
        self._link.close()


@dataclass(frozen=True, slots=True)
class Managed:
    """What was made by the API: the paths of the application's policy."""

    policy: str


async def set_up(api: Api, three: Three) -> Managed:
    """Make the organization, the way in and the application, and wait until every replica has it."""
    await api.call("PUT", "organizations", ORGANIZATION)
    await api.call("POST", "identity_providers", {"name": PIN, "type": "onetimepin"})
    application = await api.call(
        "POST", "apps", {"name": "App", "domain": APP, "policies": [PEOPLE], "session_duration": "24h"}
    )
    for replica in three.replicas:
        await _until_known(replica)
    return Managed(f"apps/{application['id']}/policies/{application['policies'][0]['id']}")


async def _until_known(replica: Secondgate) -> None:
    """Wait until a replica tells strangers of the application to log in."""
    link = Link(replica.gate)
    until = time.monotonic() + FOUND_WITHIN_S
    request = Check(is_navigation=True).encode()
    while (await link.ask(request)).status != 401:
        if time.monotonic() > until:
            raise RuntimeError(f"a replica does not know {APP}")
        await asyncio.sleep(0.05)
    link.close()


async def make_visitors(services: Services, numbers: range, *, enrolled: bool) -> list[Visitor]:
    """Let people have live sessions, as a login makes them; those `enrolled` are stored with two authenticators."""
    application = services.access().index.find(APP, "/")
    if application is None:
        raise RuntimeError(f"there is no application at {APP}")

    async def make(number: int) -> Visitor:
        authenticator_id = services.new_id()
        if enrolled:
            await _enrol(services, number, authenticator_id)
        session, token = make_session(services, application, number, authenticator_id=authenticator_id)
        await services.sessions.save_application_session(session, now=services.now())
        return Visitor(number, token, authenticator_id)

    made: list[Visitor] = []
    for begin in range(numbers.start, numbers.stop, AT_ONCE):
        some = range(begin, min(begin + AT_ONCE, numbers.stop))
        made += await asyncio.gather(*(make(number) for number in some))
    return made


async def _enrol(services: Services, number: int, authenticator_id: str) -> None:
    now, person = services.now(), person_id(number)
    await services.durable.find_or_create_person(
        new_id=person, email=email(number), name=f"Person {number:07}", now=now
    )
    for one, method in ((authenticator_id, Method.SECURITY_KEY), (services.new_id(), Method.SECURITY_KEY)):
        key = Authenticator(
            id=one,
            person_id=person,
            method=method,
            name="Key",
            created_at=now,
            credential_id=os.urandom(32),
            public_key=os.urandom(77),
        )
        await services.durable.add_authenticator(key, only_as_first=False)


def settings_of(replica: Secondgate) -> Any:  # noqa: ANN401 - what open_services takes
    """Give a replica's settings."""
    return load(str(replica.config), {})
