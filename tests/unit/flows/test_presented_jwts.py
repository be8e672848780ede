"""Tokens of other login systems: keys kept for requests that must not wait, and what is remembered of a token."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from secondgate.errors import Unavailable
from secondgate.flows.key_set import MAX_WAIT_S
from secondgate.flows.presented_jwts import PresentedJwts, ProvenJwt
from secondgate.model.presented_jwt import JwtSource
from secondgate.protocol.presented_jwt import PresentedJwt
from secondgate.store.ports import OutgoingAnswer
from tests.fakes.jwt_issuer import AUDIENCE, ISSUER, JwtIssuer
from tests.fakes.outgoing import MemoryOutgoing
from tests.unit.flows.world import ANN, World

URL = "https://login.example.com/jwks"
SOURCE = JwtSource(ISSUER, (AUDIENCE,), header="Authorization", jwks_url=URL)


class SlowOutgoing(MemoryOutgoing):
    """Answers only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def get(self, url: str, **about: Any) -> OutgoingAnswer:  # noqa: ANN401 - passes on
        await self.go.wait()
        return await super().get(url, **about)


class Site:
    """One issuer, and what asks for its keys."""

    def __init__(self, world: World, outgoing: MemoryOutgoing, source: JwtSource = SOURCE) -> None:
        self.world, self.outgoing, self.source = world, outgoing, source
        self.issuer = JwtIssuer(world.clock)
        self.jwts = PresentedJwts([source], outgoing, clock=world.clock)
        self.publish()

    def publish(self) -> None:
        self.outgoing.answers[URL] = OutgoingAnswer(200, self.issuer.jwks())

    async def prove(self, token: str = "") -> ProvenJwt | None:
        return await self.jwts.prove([PresentedJwt(self.source, token or self.issuer.token())])


@pytest.fixture
def site(world: World) -> Site:
    return Site(world, MemoryOutgoing())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_token_gives_an_identity_of_its_issuer(site: Site) -> None:
    proven = await site.prove()
    assert proven
    identity = proven.identity
    assert (identity.email, identity.namespace, identity.known_as, identity.source) == (ANN, ISSUER, "s-1", "jwt")
    assert (proven.issued_at, proven.expires_at) == (site.world.now, site.world.now + 300)


async def test_it_is_remembered_for_five_seconds_but_never_beyond_its_end(site: Site) -> None:
    token = site.issuer.token(exp=int(site.world.now) + 3)
    first = await site.prove(token)
    assert await site.prove(token) is first
    site.world.now += 3
    assert await site.prove(token) is None
    lasting = site.issuer.token()
    second = await site.prove(lasting)
    site.world.now += 5
    again = await site.prove(lasting)
    assert again == second
    assert again is not second


async def test_the_first_token_that_proves_something_counts(site: Site) -> None:
    other = replace(SOURCE, header="X-Jwt", jwks_url="https://down.example/jwks")
    jwts = PresentedJwts([SOURCE, other], site.outgoing, clock=site.world.clock)
    good, down = PresentedJwt(SOURCE, site.issuer.token()), PresentedJwt(other, site.issuer.token())
    assert await jwts.prove([PresentedJwt(SOURCE, "x"), down, good])
    assert await jwts.prove([]) is None
    with pytest.raises(Unavailable):
        await jwts.prove([PresentedJwt(SOURCE, "x"), down])


@pytest.mark.case(71)
async def test_a_thousand_unknown_kids_cost_one_fetch_a_minute(site: Site) -> None:
    for minute in range(3):
        tokens = [site.issuer.token(header={"kid": f"{minute}-{n}"}) for n in range(334)]
        assert set(await asyncio.gather(*map(site.prove, tokens))) == {None}
        assert len(site.outgoing.asked) == minute + 1
        site.world.now += 60


@pytest.mark.case(71)
async def test_a_new_key_is_fetched_once_when_it_is_first_seen(site: Site) -> None:
    assert await site.prove()
    site.world.now += 60
    site.issuer.rotate("k2")
    site.publish()
    assert all(await asyncio.gather(*(site.prove(site.issuer.token(n=n)) for n in range(20))))
    assert len(site.outgoing.asked) == 2


async def test_a_key_that_may_be_new_while_keys_cannot_be_had_is_an_outage(site: Site) -> None:
    assert await site.prove()
    site.world.now += 60
    del site.outgoing.answers[URL]
    with pytest.raises(Unavailable):
        await site.prove(site.issuer.token(header={"kid": "k2"}))
    assert await site.prove(), "the keys that are known still count"


async def test_old_keys_are_renewed_beside_the_requests_and_kept_for_a_day(site: Site) -> None:
    assert await site.prove()
    del site.outgoing.answers[URL]
    site.world.now += 3600
    assert await site.prove()
    await settle()
    assert len(site.outgoing.asked) == 2
    site.world.now += 22 * 3600
    assert await site.prove()
    await settle()
    site.world.now += 3600
    with pytest.raises(Unavailable):
        await site.prove()
    site.publish()
    with pytest.raises(Unavailable):
        await site.prove()
    site.world.now += 5
    assert await site.prove()


@pytest.mark.parametrize("answer", [OutgoingAnswer(500, b""), OutgoingAnswer(200, b"<html>"), OutgoingAnswer(302, b"")])
async def test_answers_that_are_no_keys_are_an_outage(site: Site, answer: OutgoingAnswer) -> None:
    site.outgoing.answers[URL] = answer
    with pytest.raises(Unavailable):
        await site.prove()
    with pytest.raises(Unavailable):
        await site.prove()
    assert len(site.outgoing.asked) == 1, "and are not asked for again at once"


async def test_a_slow_fetch_is_waited_for_a_second_once_and_goes_on(world: World) -> None:
    outgoing = SlowOutgoing()
    site = Site(world, outgoing)
    loop = asyncio.get_running_loop()
    began = loop.time()
    results = await asyncio.gather(*(site.prove() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    assert MAX_WAIT_S * 0.9 < loop.time() - began < MAX_WAIT_S * 2
    began = loop.time()
    with pytest.raises(Unavailable):
        await site.prove()
    assert await site.prove(site.issuer.token(iss="https://evil.example")) is None
    assert loop.time() - began < MAX_WAIT_S / 2
    outgoing.go.set()
    await settle()
    assert await site.prove()
    assert len(outgoing.asked) == 1


async def test_closing_ends_a_fetch(world: World) -> None:
    site = Site(world, SlowOutgoing())
    site.jwts.renew_keys()
    await site.jwts.close()
    await site.jwts.close()


def file_site(world: World, path: Path) -> Site:
    return Site(world, MemoryOutgoing(), JwtSource(ISSUER, (AUDIENCE,), cookie="id", jwks_file=path))


async def test_a_changed_file_is_read_within_a_minute(world: World, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    site = file_site(world, path)
    path.write_bytes(site.issuer.jwks())
    assert await site.prove()
    site.issuer.rotate("k2")
    path.write_bytes(site.issuer.jwks())
    assert await site.prove() is None
    world.now += 60
    assert await site.prove(site.issuer.token(n=1))
    site.issuer.rotate("k3")
    path.write_bytes(site.issuer.jwks())
    site.jwts.renew_keys()
    assert await site.prove(site.issuer.token(n=2)), "at once where the configuration is read again"


async def test_a_file_that_went_bad_leaves_the_keys_as_they_were(world: World, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    site = file_site(world, path)
    with pytest.raises(Unavailable, match="No such file"):
        await site.prove()
    world.now += 5
    path.write_bytes(site.issuer.jwks())
    assert await site.prove()
    path.write_text("{")
    world.now += 60
    assert await site.prove()
    await asyncio.sleep(0.05)
    world.now += 60
    assert await site.prove(site.issuer.token(n=1))


async def test_a_url_needs_somebody_who_asks(world: World) -> None:
    with pytest.raises(ValueError, match="need a way"):
        PresentedJwts([SOURCE], clock=world.clock)


async def test_refusals_are_logged_once_in_ten_seconds_for_each_reason(site: Site) -> None:
    with structlog.testing.capture_logs() as lines:
        for number in range(100):
            await site.prove(site.issuer.token(aud=f"other-{number}"))
            await site.prove(site.issuer.token(iss=f"https://{number}.example"))
        assert [line["detail"] for line in lines] == ["aud is not one of ours", "iss is another issuer"]
        site.world.now += 10
        await site.prove(site.issuer.token(aud="x"))
        assert len(lines) == 3
    assert json.dumps(lines).count(ISSUER) == 3
