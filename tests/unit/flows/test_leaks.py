"""What reaches logs, the audit log, errors and the stores of everything that people do: no secret."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Iterator

import pytest
import structlog
from structlog.typing import EventDict

from secondgate.errors import Rejected
from secondgate.flows.challenge import begin_assertion
from secondgate.flows.proof import Purpose
from secondgate.flows.sessions import delete_authenticators, end_sessions, log_out
from secondgate.model.organization import Method
from secondgate.protocol.opaque_token import new_token
from tests.fakes.authenticator import Lies
from tests.unit.flows.world import Person, World, hidden_in

SHORT_IDS_BYTES = 16


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    """Everything that is logged at any level, with nothing taken out."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def is_number_in(text: str, digits: str) -> bool:
    return re.search(rf"(?<![0-9a-f-]){digits}(?![0-9a-f-])", text) is not None


class Day:
    """One day of Ann's, in which she does everything once, right and wrong."""

    def __init__(self, world: World, ann: Person) -> None:
        self.world = world
        self.ann = ann
        self.tokens = [ann.state_token]
        self.codes: list[str] = []
        self.errors: list[Rejected] = []

    async def spend(self) -> None:
        await self.log_in()
        await self.prove_codes()
        await self.prove_keys()
        await self.use_an_application()
        assert len(self.errors) == 10
        logging.getLogger("errors").debug("%r", [(error, str(error), vars(error)) for error in self.errors])

    async def tries(self, attempt: Awaitable[object]) -> None:
        try:
            await attempt
        except Rejected as error:
            self.errors.append(error)
        ann = self.ann
        self.tokens += [token for token in (ann.login_token, ann.device_token, *ann.cookies.values()) if token]

    async def log_in(self) -> None:
        await self.ann.ask_for_pin()
        await self.world.after_answers()
        pin = self.world.mailer.sent[0].pin
        for typed in (f"{(int(pin) + 1) % 1_000_000:06d}", pin, "12345x"):
            self.codes.append(typed)
            await self.tries(self.ann.enter_pin(typed))
        await self.tries(self.ann.sign_in())

    async def prove_codes(self) -> None:
        await self.ann.set_up_app()
        for code in (self.ann.wrong_code(), self.ann.code()):
            self.codes.append(code)
            await self.tries(self.ann.confirm_app(code))
        self.world.now += 30
        for code in (self.ann.wrong_code(), self.ann.code(), self.ann.code(), "12345x"):
            self.codes.append(code)
            await self.tries(self.ann.prove_code(code, Purpose.DEVICES))

    async def prove_keys(self) -> None:
        for method in (Method.SECURITY_KEY, Method.BIOMETRICS):
            await self.tries(self.ann.enrol(method))
            await self.tries(self.ann.prove(method))
        for lies in (Lies(signature=b"x"), Lies(challenge=b"y" * 32), Lies(user_handle=b"z")):
            options, ceremony = await begin_assertion(
                self.world.services, await self.ann.login(), method=Method.SECURITY_KEY, purpose=Purpose.APPLICATION
            )
            self.tokens.append(ceremony)
            await self.tries(self.ann.answer(ceremony, self.ann.key.authenticate(options, lies)))

    async def use_an_application(self) -> None:
        nonce = new_token(self.world.random_bytes)
        request = self.ann.ask(self.world.applications[0], nonce)
        code = await self.ann.hand_over(request)
        self.tokens += [nonce, code, request.token]
        await self.tries(self.ann.redeem(code, "wiki.example.com", "wrong"))
        await self.tries(self.ann.enter())
        login = await self.ann.login()
        await delete_authenticators(self.world.services, login.person_id, actor="root")
        await log_out(self.world.services, login, everywhere=True, forget_device=True, address="192.0.2.7")
        await end_sessions(self.world.services, login.person_id, actor="root")


@pytest.mark.case(97)
async def test_nothing_secret_is_logged_audited_or_said_in_errors(
    world: World, ann: Person, lines: list[EventDict], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    day = Day(world, ann)
    await day.spend()
    assert ann.app is not None
    said = repr(lines) + repr(world.durable.events) + caplog.text
    for expected in ("totp.rejected", "webauthn.rejected", "pin.rejected", "mfa.succeeded", "authenticator.added"):
        assert expected in repr(lines)
        assert expected in repr(world.durable.events)
    for token in day.tokens:
        assert token not in said
    for code in day.codes:
        assert not is_number_in(said, code)
    secrets = [value for value in world.random if len(value) > SHORT_IDS_BYTES]
    assert ann.app.byte_secret() in secrets
    for secret in (*secrets, world.services.mac_key):
        assert not hidden_in(said, secret)


@pytest.mark.case(97)
async def test_the_live_store_and_the_services_show_no_token_and_no_seed(world: World, ann: Person) -> None:
    seen = ""

    def clock() -> float:
        nonlocal seen
        seen += repr(world.live.records)
        return world.now

    object.__setattr__(world.services, "clock", clock)
    day = Day(world, ann)
    await day.spend()
    assert ann.app is not None
    for token in day.tokens:
        assert token not in seen
    assert not hidden_in(seen, ann.app.byte_secret())
    assert not hidden_in(repr(world.services), world.services.mac_key)
