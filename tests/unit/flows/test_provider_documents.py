"""What identity providers publish is fetched seldom, once for all, and outlives an outage of the provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from secondgate.errors import TokenRejected, Unavailable
from secondgate.flows.provider_documents import ProviderDocuments
from secondgate.model.openid import OpenIdSettings
from secondgate.protocol.oidc import ProviderMetadata
from secondgate.store.ports import OutgoingAnswer
from tests.fakes.openid_provider import public_jwk
from tests.fakes.outgoing import MemoryOutgoing

START = 1_800_000_000
ISSUER = "https://idp.example"
DISCOVERY, JWKS = f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/jwks"
SETTINGS = OpenIdSettings(issuer_url=ISSUER, client_id="portal")
KEY = generate_private_key(65537, 2048)


class Provider(MemoryOutgoing):
    """Other servers that answer after their turn, or when `gate` opens; the clock goes on by `takes_s` meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.now = float(START)
        self.takes_s = 0.0
        self.gate = asyncio.Event()
        self.gate.set()

    def clock(self) -> float:
        return self.now

    async def get(
        self, url: str, *, configured_urls: tuple[str, ...], headers: Mapping[str, str] | None = None
    ) -> OutgoingAnswer:
        assert configured_urls == SETTINGS.urls
        await asyncio.sleep(0)
        await self.gate.wait()
        self.now += self.takes_s
        return await super().get(url, configured_urls=configured_urls, headers=headers)


@dataclass
class World:
    provider: Provider = field(default_factory=Provider)

    def __post_init__(self) -> None:
        self.documents = ProviderDocuments(self.provider, clock=self.provider.clock)
        self.publish()
        self.publish_keys("k1")

    def publish(self, **more: object) -> None:
        document = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": JWKS,
            **more,
        }
        self.provider.answers[DISCOVERY] = OutgoingAnswer(200, json.dumps(document).encode())

    def publish_keys(self, *kids: str) -> None:
        body = json.dumps({"keys": [public_jwk(KEY, kid) for kid in kids]}).encode()
        self.provider.answers[JWKS] = OutgoingAnswer(200, body)

    async def metadata(self) -> ProviderMetadata:
        return await self.documents.load_metadata(SETTINGS)

    async def kids(self, kid: str) -> list[str]:
        metadata = ProviderMetadata(ISSUER, "", "", JWKS)
        token = jwt.encode({}, KEY, algorithm="RS256", headers={"kid": kid})
        return [key.kid for key in await self.documents.load_keys(SETTINGS, metadata, token=token)]

    def asked(self, url: str) -> int:
        return self.provider.asked.count(url)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_document_is_fetched_once_an_hour(world: World) -> None:
    for later, fetches in ((0, 1), (3599, 1), (1, 2)):
        world.provider.now += later
        assert (await world.metadata()).jwks_uri == JWKS
        assert world.asked(DISCOVERY) == fetches


async def test_what_is_configured_by_hand_is_not_fetched(world: World) -> None:
    by_hand = OpenIdSettings(
        issuer_url=ISSUER, client_id="portal", auth_url="a", token_url="t", certs_url="c", userinfo_url="u"
    )
    expected = ProviderMetadata(ISSUER, "a", "t", "c", userinfo_endpoint="u")
    assert await world.documents.load_metadata(by_hand) == expected
    assert not world.provider.asked


async def test_however_many_log_in_one_fetch_is_under_way(world: World) -> None:
    world.provider.gate.clear()
    waiting = [asyncio.ensure_future(world.metadata()) for _ in range(50)]
    waiting_for_keys = [asyncio.ensure_future(world.kids("k1")) for _ in range(50)]
    await asyncio.sleep(0.01)
    world.provider.gate.set()
    assert len({(await one).issuer for one in waiting}) == 1
    assert [await one for one in waiting_for_keys] == [["k1"]] * 50
    assert (world.asked(DISCOVERY), world.asked(JWKS)) == (1, 1)


async def test_whoever_goes_away_while_fetching_leaves_the_fetch_to_the_next_one(world: World) -> None:
    world.provider.gate.clear()
    first = asyncio.ensure_future(world.metadata())
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait({first})
    world.provider.gate.set()
    world.provider.now += 5
    assert (await world.metadata()).issuer == ISSUER


@pytest.mark.case(71)
async def test_a_key_that_was_rotated_in_costs_one_fetch(world: World) -> None:
    assert await world.kids("k1") == ["k1"]
    world.publish_keys("k2", "k1")
    world.provider.now += 60
    assert await world.kids("k2") == ["k2", "k1"]
    assert await world.kids("k1") == ["k2", "k1"]
    assert world.asked(JWKS) == 2


@pytest.mark.case(71)
async def test_a_thousand_unknown_keys_cost_one_fetch_an_interval(world: World) -> None:
    await world.kids("k1")
    for interval in range(3):
        world.provider.now += 60
        await asyncio.gather(*(world.kids(f"made up {number}") for number in range(1000 if interval == 0 else 10)))
        assert world.asked(JWKS) == 2 + interval


@pytest.mark.case(71)
async def test_a_key_that_is_withdrawn_is_forgotten_within_the_hour(world: World) -> None:
    await world.kids("k1")
    world.publish_keys("k2")
    world.provider.now += 3600
    assert await world.kids("k1") == ["k2"]


@pytest.mark.case(66)
async def test_what_is_kept_is_used_for_a_day_while_the_provider_is_down(world: World) -> None:
    await world.metadata()
    await world.kids("k1")
    world.provider.answers.clear()
    world.provider.now += 86_399
    assert (await world.metadata()).issuer == ISSUER
    assert await world.kids("k1") == ["k1"]
    asked = len(world.provider.asked)
    for _ in range(10):
        assert await world.kids("k1") == ["k1"]
    assert len(world.provider.asked) == asked
    world.provider.now += 60
    with pytest.raises(Unavailable, match="gave no answer"):
        await world.metadata()
    with pytest.raises(Unavailable, match="gave no answer"):
        await world.kids("k1")


@pytest.mark.case(66)
async def test_a_new_key_that_cannot_be_fetched_is_an_outage_and_no_forgery(world: World) -> None:
    await world.kids("k1")
    world.provider.answers.clear()
    world.provider.now += 60
    with pytest.raises(Unavailable, match="gave no answer"):
        await world.kids("k2")
    assert await world.kids("k1") == ["k1"]


@pytest.mark.case(66)
async def test_a_fetch_that_failed_is_not_tried_again_at_once(world: World) -> None:
    world.provider.answers.clear()
    for _ in range(10):
        with pytest.raises(Unavailable, match="gave no answer"):
            await world.metadata()
    assert world.asked(DISCOVERY) == 1
    world.publish()
    world.provider.now += 5
    assert (await world.metadata()).issuer == ISSUER


@pytest.mark.case(66)
async def test_those_who_wait_for_a_slow_provider_do_not_ask_it_one_after_the_other(world: World) -> None:
    world.provider.answers.clear()
    world.provider.takes_s = 10
    results = await asyncio.gather(*(world.metadata() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    assert world.asked(DISCOVERY) == 1


async def test_a_clock_that_went_back_keeps_nothing_longer_and_nobody_waiting(world: World) -> None:
    await world.metadata()
    world.provider.now -= 86_400
    await world.metadata()
    assert world.asked(DISCOVERY) == 2
    world.provider.answers.clear()
    with pytest.raises(Unavailable):
        await world.kids("k1")
    world.publish_keys("k1")
    world.provider.now -= 86_400
    assert await world.kids("k1") == ["k1"]


@pytest.mark.case(63, 66)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OutgoingAnswer(500, b"{}"), "answered 500"),
        (OutgoingAnswer(302, b""), "answered 302"),
        (OutgoingAnswer(200, b"<html>"), "cannot be used: discovery: must be a JSON object"),
        (OutgoingAnswer(200, b'{"issuer": "https://evil.example"}'), "another issuer than https://idp.example"),
        (OutgoingAnswer(200, b"[" * 100_000), "must be a JSON object"),
    ],
)
async def test_a_document_that_cannot_be_used_says_why(world: World, answer: OutgoingAnswer, words: str) -> None:
    world.provider.answers[DISCOVERY] = answer
    with pytest.raises(Unavailable, match=words) as unavailable:
        await world.metadata()
    assert "evil" not in str(unavailable.value)


@pytest.mark.case(63)
@pytest.mark.parametrize("body", [b"{}", b'{"keys": {}}', b"[]", b"\xff"])
async def test_keys_that_cannot_be_read_are_an_outage(world: World, body: bytes) -> None:
    world.provider.answers[JWKS] = OutgoingAnswer(200, body)
    with pytest.raises(Unavailable, match="cannot be used"):
        await world.kids("k1")


@pytest.mark.case(68)
@pytest.mark.parametrize("token", ["", "a.b", "x" * 20_000, None])
async def test_what_is_no_token_asks_nobody(world: World, token: Any) -> None:  # noqa: ANN401 - as it comes
    with pytest.raises(TokenRejected):
        await world.documents.load_keys(SETTINGS, ProviderMetadata(ISSUER, "", "", JWKS), token=token)
    assert not world.provider.asked
