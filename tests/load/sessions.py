"""People who are logged in, made as a login makes them: signed by the program's own keys, written by its own store.

Nobody can log in a million people through pages in a quarter of an hour, so only the pages are left out. Each session
belongs to a person of its own and holds a token and an assertion with signatures of their own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from secondgate.app import open_services
from secondgate.config import Settings, load
from secondgate.flows.assertion import sign_assertion
from secondgate.flows.services import Services
from secondgate.model.application import Application
from secondgate.model.organization import Method
from secondgate.model.person import Identity
from secondgate.model.session import ApplicationSession, Grant, Login, MfaSession
from secondgate.protocol.jwt import TokenKind
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.store.redis import RedisLiveStore, connect_redis
from secondgate.store.sessions import Sessions
from tests.load.programs import APP, PIN

LIFE_S = 24 * 3600
BATCH = 500
VISITOR = ip_address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sessions that were made: one cookie value a line, of the persons from number `first` on."""

    cookies: Path
    first: int
    count: int

    def lines(self) -> list[str]:
        """Give all cookie values."""
        return self.cookies.read_text().split()

    def taken(self, name: str, numbers: Iterable[int]) -> Crowd:
        """Give some of them, by their place in the file, as a file of their own. `first` is then of no meaning."""
        found = lines_at(self.cookies, self.count, numbers)
        path = self.cookies.with_name(name)
        path.write_text("".join(f"{line}\n" for line in found))
        return Crowd(path, -1, len(found))


def person_id(number: int) -> str:
    """Give the id of the person with this number."""
    return f"00000000-0000-4000-8000-{number:012x}"


def email(number: int) -> str:
    """Give the person's address."""
    return f"person-{number:07}@people.test"


def lines_at(path: Path, count: int, numbers: Iterable[int]) -> list[str]:
    """Read single lines of a file whose lines are all equally long."""
    with path.open("rb") as file:
        width = len(file.readline())
        if path.stat().st_size != width * count:
            raise ValueError(f"the lines of {path} are not equally long")
        found = []
        for number in numbers:
            file.seek(number * width)
            found.append(file.read(width).decode().strip())
    return found


def make_crowd(config: Path, path: Path, *, first: int, count: int, cores: set[int]) -> Crowd:
    """Make sessions on all `cores` at once, and say how far it is; a million take some minutes."""
    share = -(-count // len(cores))
    parts = []
    for number in range(len(cores)):
        begin, end = min(count, number * share), min(count, (number + 1) * share)
        parts.append((path.with_suffix(f".{number}"), range(first + begin, first + end)))
    spawn = multiprocessing.get_context("spawn")
    began = time.monotonic()
    workers = [
        spawn.Process(target=_make, args=(config, part, numbers, core))
        for (part, numbers), core in zip(parts, sorted(cores), strict=True)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        while worker.is_alive():
            worker.join(10)
            _say_how_far([part for part, _ in parts], count)
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("the sessions could not be made")
    with path.open("wb") as whole:
        for part, _ in parts:
            whole.write(part.read_bytes())
            part.unlink()
    sys.stderr.write(f"  {count} sessions made in {time.monotonic() - began:.0f} s\n")
    return Crowd(path, first, count)


def _say_how_far(parts: list[Path], count: int) -> None:
    if count >= 100_000:
        size = sum(part.stat().st_size for part in parts if part.exists())
        width = next((len(part.open("rb").readline()) for part in parts if part.exists()), 0) or 1
        sys.stderr.write(f"  {size // width} of {count} sessions\n")


def _make(config: Path, path: Path, numbers: range, core: int) -> None:
    os.sched_setaffinity(0, {core})
    asyncio.run(_make_all(load(str(config), {}), path, numbers))


async def _make_all(settings: Settings, path: Path, numbers: range) -> None:
    client = connect_redis(settings.storage.redis.reveal(), timeout_s=30)
    async with open_services(settings) as services:
        application = services.access().index.find(APP, "/")
        if application is None:
            raise RuntimeError(f"there is no application at {APP}")
        with path.open("w") as file:
            for begin in range(numbers.start, numbers.stop, BATCH):
                pipeline = client.pipeline(transaction=False)
                sessions = Sessions(RedisLiveStore(pipeline))  # a pipeline is a client that sends when it is told to
                for number in range(begin, min(begin + BATCH, numbers.stop)):
                    session, token = make_session(services, application, number)
                    await sessions.save_application_session(session, now=services.now())
                    file.write(f"{token}\n")
                await pipeline.execute()
    await client.aclose()


def make_session(
    services: Services, application: Application, number: int, *, authenticator_id: str = ""
) -> tuple[ApplicationSession, str]:
    """Make what `complete_hand_over` makes after a login with TOTP: the live session and the cookie's token."""
    now, person, device = services.now(), person_id(number), services.new_id()
    expires_at = now + LIFE_S
    identity = Identity(email(number), f"Person {number:07}", ("staff",), identity_provider_id=provider_id(services))
    login = Login(token_hash(new_token(services.random_bytes)), person, device, identity, now, expires_at)
    mfa = (MfaSession(person, device, Method.TOTP, authenticator_id or services.new_id(), now),)
    assertion = sign_assertion(services, login, application, mfa=mfa, expires_at=expires_at)
    grant = Grant(application.id, now, expires_at, mfa, assertion, revocation=application.revocation)
    identifier = new_token(services.random_bytes)
    session = ApplicationSession(
        id=token_hash(identifier),
        host=APP,
        person_id=person,
        device_id=device,
        identity=identity,
        created_at=now,
        expires_at=expires_at,
        grants=(grant,),
    )
    claims = {
        "iss": services.portal_origin,
        "aud": services.origin_of(APP),
        "sub": person,
        "sid": identifier,
        "iat": now,
        "exp": expires_at,
    }
    return session, services.keys.sign(TokenKind.SESSION, claims)


def provider_id(services: Services) -> str:
    """Give the id of the one identity provider."""
    return next(one.id for one in services.access().identity_providers if one.name == PIN)
