"""What the gate knows of machines: tokens as they were read last, and assertions that are signed seldom."""

from __future__ import annotations

import hmac
import os
from dataclasses import replace

import pytest

from secondgate.errors import Unavailable
from secondgate.flows import machines
from secondgate.flows.machines import ASSERTION_LIFE_S, MAX_AGE_S, MAX_ASSERTIONS, KnownServiceTokens, MachineAssertions
from secondgate.model.keys import SigningAlgorithm
from secondgate.model.secret import Secret
from secondgate.model.service_token import ServiceToken
from secondgate.protocol.jwt import KeyRing, TokenKind, new_signing_key
from secondgate.protocol.opaque_token import token_hash
from secondgate.protocol.service_token import PresentedServiceToken
from tests.unit.flows.world import PORTAL, START, World, application

TOKEN = ServiceToken("id", "ci", "0" * 32 + ".access", token_hash("right"), START, START + 3600)
WIKI = application()


class Monotonic:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def presented(client_id: str = TOKEN.client_id, secret: str = "right") -> PresentedServiceToken:  # noqa: S107 - made up
    return PresentedServiceToken(client_id, Secret(secret))


def test_the_right_secret_of_the_right_token_proves_it_until_it_expires() -> None:
    known = KnownServiceTokens([TOKEN])
    assert known.find(presented(), now=START + 3599) is TOKEN
    assert known.find(presented(), now=START + 3600) is None
    for wrong in (
        presented(secret="Right"),
        presented(secret=""),
        presented("unknown"),
        presented("", ""),
        presented("\ud800", "\udcff"),
    ):
        assert known.find(wrong, now=START) is None
    known.replace([replace(TOKEN, secret_hash="")])
    assert known.find(presented(secret=""), now=START) is None
    known.replace([])
    assert known.find(presented(), now=START) is None


def test_an_unknown_id_costs_the_comparison_of_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(machines, "hmac", type("Hmac", (), {"compare_digest": staticmethod(compare)}))
    known = KnownServiceTokens([TOKEN])
    for client_id in (TOKEN.client_id, "unknown", ""):
        known.find(presented(client_id, "wrong"), now=START)
    assert compared == [(64, 64)] * 3


@pytest.mark.case(85)
def test_nothing_is_known_before_the_first_reading_and_long_after_the_last() -> None:
    clock = Monotonic()
    known = KnownServiceTokens(monotonic=clock)
    with pytest.raises(Unavailable):
        known.find(presented(), now=START)
    known.replace([TOKEN])
    clock.now += MAX_AGE_S
    assert known.find(presented(), now=START) is TOKEN
    clock.now += 0.1
    for asked in (presented(), presented("unknown")):
        with pytest.raises(Unavailable):
            known.find(asked, now=START)
    known.replace([TOKEN])
    assert known.find(presented(), now=START) is TOKEN


def test_an_assertion_is_used_again_while_half_of_its_life_is_left(world: World) -> None:
    assertions = MachineAssertions()

    def sign(now: int, token: ServiceToken = TOKEN) -> str:
        return assertions.assertion(token, WIKI, keys=world.services.keys, issuer=PORTAL, now=now)

    def expiry(text: str, now: int) -> object:
        claims = world.services.keys.verify(TokenKind.ASSERTION, text, issuer=PORTAL, audience=WIKI.aud, now=now)
        return claims["exp"]

    first = sign(START)
    assert expiry(first, START) == START + ASSERTION_LIFE_S
    assert sign(START + ASSERTION_LIFE_S // 2) == first
    later = START + ASSERTION_LIFE_S // 2 + 1
    assert expiry(sign(later), later) == later + ASSERTION_LIFE_S
    assert sign(START) != first, "a clock that was set back finds no assertion of the future"
    assert expiry(sign(START + 3599), START + 3599) == START + 3600
    other = replace(TOKEN, id="other", expires_at=None)
    assert sign(START, other) != sign(START)


@pytest.mark.case(90)
def test_a_new_signing_key_signs_anew(world: World) -> None:
    assertions = MachineAssertions()
    old = world.services.keys
    made = new_signing_key(SigningAlgorithm.ES256, now=START + 1, name="new", random_bytes=os.urandom)
    first = assertions.assertion(TOKEN, WIKI, keys=old, issuer=PORTAL, now=START)
    second = assertions.assertion(TOKEN, WIKI, keys=KeyRing([made]), issuer=PORTAL, now=START)
    claims = KeyRing([made]).verify(TokenKind.ASSERTION, second, issuer=PORTAL, audience=WIKI.aud, now=START)
    assert (claims["common_name"], claims["sub"]) == (TOKEN.client_id, "")
    assert first != second


def test_only_so_many_assertions_are_kept_and_the_used_ones_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assertions = MachineAssertions()
    signed: list[object] = []

    def sign(_: TokenKind, claims: dict[str, object]) -> str:
        signed.append(claims["common_name"])
        return str(len(signed))

    monkeypatch.setattr(world.services.keys, "sign", sign)

    def ask(number: int) -> str:
        token = replace(TOKEN, id=str(number))
        return assertions.assertion(token, WIKI, keys=world.services.keys, issuer=PORTAL, now=START)

    for number in range(MAX_ASSERTIONS):
        ask(number)
    assert ask(0) == "1"
    ask(MAX_ASSERTIONS)
    assert ask(0) == "1"
    assert len(signed) == MAX_ASSERTIONS + 1
    assert ask(1) == str(MAX_ASSERTIONS + 2)
    assert len(assertions._signed) == MAX_ASSERTIONS
