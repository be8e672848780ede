"""Whatever happened, no answer is given out of memory that would not be decided now.

Histories are made up: people log in, prove and log out, administrators change and end things, time passes and goes
back, changes are not heard for a while. After each step every cookie that anybody ever held asks about every page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.web.history import BYPASS, OFFICE, PAGES, PEOPLE, History, open_history
from tests.web.site import KEY_ONLY, NO_MFA, ROOT, STAFF

EXAMPLES, MIN_STEPS, MAX_STEPS = 12, 6, 24
names = st.sampled_from(PEOPLE)
Step = Callable[[History], Awaitable[None]]


@dataclass(frozen=True)
class Told:
    """A step with its name, so that a failing history can be read."""

    text: str
    do: Step

    def __repr__(self) -> str:
        return self.text


def told(text: str, do: Step) -> Told:
    return Told(text, do)


comings = st.builds(
    lambda name, browser, page: told(f"{name} opens {page} at {browser}", lambda h: h.come(name, browser, page)),
    names,
    st.integers(0, 1),
    st.sampled_from(PAGES),
)
leavings = st.builds(
    lambda name, everywhere: told(
        f"{name} logs out{' everywhere' * everywhere}", lambda h: h.leave(name, everywhere=everywhere)
    ),
    names,
    st.booleans(),
)
administration = st.one_of(
    st.builds(lambda name: told(f"all sessions of {name} end", lambda h: h.end_all(name)), names),
    st.builds(lambda name: told(f"a session of {name} ends", lambda h: h.end_one(name)), names),
    st.builds(lambda name: told(f"{name} has no devices", lambda h: h.delete_devices(name)), names),
    st.builds(
        lambda name, off: told(f"{name} disabled: {off}", lambda h: h.disable(name, disabled=off)),
        names,
        st.booleans(),
    ),
    st.builds(
        lambda name: told(f"{name} is revoked", lambda h: h.revoke(name)), st.sampled_from(["Wiki", "Office", "Any"])
    ),
)
SETTINGS: tuple[tuple[str, dict[str, object]], ...] = (
    ("Wiki", {"mfa_config": KEY_ONLY}),
    ("Wiki", {"mfa_config": NO_MFA}),
    ("Wiki", {"policies": ROOT}),
    ("Menu", {"policies": ROOT}),
    ("Menu", {"policies": BYPASS}),
    ("Menu", {"policies": STAFF, "mfa_config": {"session_duration": "5m"}}),
    ("News", {"session_duration": "1m"}),
    ("News", {"domain": "elsewhere.example.com"}),
    ("Fresh", {"mfa_config": {"session_duration": "1m"}}),
    ("Fresh", {"secondgate": {"mfa_check": "login"}}),
    ("Office", {"policies": STAFF}),
    ("Office", {"policies": OFFICE}),
    ("Any", {"domain": "two.apps.example.com"}),
)
changes_of_settings = st.one_of(
    st.builds(
        lambda one: told(f"{one[0]} becomes {one[1]}", lambda h: h.set_up(one[0], **one[1])), st.sampled_from(SETTINGS)
    ),
    st.builds(
        lambda methods: told(f"{methods} allowed", lambda h: h.organize(allowed_authenticators=methods)),
        st.sampled_from([["totp"], ["security_key"], ["totp", "security_key", "biometrics"]]),
    ),
    st.builds(
        lambda age: told(f"MFA lives {age}", lambda h: h.organize(session_duration=age)),
        st.sampled_from(["1m", "30m", "24h"]),
    ),
    st.just(told("keys are rotated", lambda h: h.rotate())),
    st.just(told("old keys are gone", lambda h: h.lose_old_keys())),
)
times = st.builds(
    lambda seconds: told(f"{seconds} s pass", lambda h: h.wait(seconds)),
    st.sampled_from([0.5, 1.5, 3.6, 4.9, 5, 30, 59, 61, 1740, 1800, 3600, 86_400 * 3, -0.5, -3, -31, -3600]),
)
hearing = st.one_of(
    st.builds(
        lambda noticed: told(f"changes are missed, noticed: {noticed}", lambda h: h.stop_hearing(is_noticed=noticed)),
        st.booleans(),
    ),
    st.just(told("changes are heard", lambda h: h.hear_again())),
)
histories = st.lists(
    st.one_of(comings, comings, leavings, administration, changes_of_settings, times, times, hearing),
    min_size=MIN_STEPS,
    max_size=MAX_STEPS,
)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def history(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    opened = open_history(tmp_path_factory.mktemp("history"))
    yield runner.run(opened.__aenter__())
    runner.run(opened.__aexit__(None, None, None))


async def happen(history: History, steps: list[Told]) -> None:
    """Let a history happen, and hold after each step that memory and decision say the same."""
    await history.begin()
    await history.hold()
    for step in steps:
        await step.do(history)
        await history.hold()


def test_whatever_happens_no_answer_is_given_that_would_not_be_decided_now(
    runner: asyncio.Runner, history: History
) -> None:
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories)
    def hold(steps: list[Told]) -> None:
        runner.run(happen(history, steps))

    hold()
    assert history.let_through > 2000, "little was answered out of memory"


WIKI, MENU, SIX, TWO = PAGES[0], PAGES[2], "https://six.apps.example.com/", "https://two.apps.example.com/"


def test_a_session_of_one_host_never_opens_another_host_of_the_same_application(
    runner: asyncio.Runner, history: History
) -> None:
    async def tell() -> None:
        await history.begin()
        await history.come("ann", 0, TWO)
        cookie = history.cookies[-1][1]
        for _ in range(3):
            assert (await history.status(TWO, cookie), await history.status(SIX, cookie)) == (200, 401)

    runner.run(tell())


def test_what_a_signing_key_proved_ends_with_the_key(runner: asyncio.Runner, history: History) -> None:
    async def tell() -> None:
        await history.begin()
        (host, cookie) = history.cookies[0]
        await history.rotate()
        assert (host, [await history.status(WIKI, cookie) for _ in range(3)]) == ("wiki.example.com", [200] * 3)
        await history.lose_old_keys()
        assert await history.status(WIKI, cookie) == 401

    runner.run(tell())


def test_an_application_keeps_its_answers_while_it_stays_as_it_is_and_gets_none_back(
    runner: asyncio.Runner, history: History
) -> None:
    async def from_memory(cookie: str) -> bool:
        before = history.let_through
        assert await history.status(WIKI, cookie) == 200
        return history.let_through > before

    async def tell() -> None:
        await history.begin()
        cookie = history.cookies[0][1]
        await from_memory(cookie)
        assert await from_memory(cookie)
        await history.set_up("News", session_duration="1m")
        assert await from_memory(cookie)
        for message in ("Ask Ben.", None):
            await history.set_up("Wiki", custom_deny_message=message)
            assert not await from_memory(cookie)
            assert await from_memory(cookie)
        await history.organize(session_duration="29m")
        assert not await from_memory(cookie)

    runner.run(tell())


def test_while_nobody_noticed_that_changes_are_not_heard_an_answer_lives_for_less_than_five_seconds(
    runner: asyncio.Runner, history: History
) -> None:
    async def tell() -> None:
        await history.begin()
        cookie = history.cookies[0][1]
        assert [await history.status(WIKI, cookie) for _ in range(2)] == [200] * 2
        await history.stop_hearing(is_noticed=False)
        await history.end_all("ann")
        await history.wait(3.4)
        assert await history.status(WIKI, cookie) == 200
        await history.wait(1.6)
        assert await history.status(WIKI, cookie) == 401

    runner.run(tell())


@pytest.mark.parametrize("is_found_first", [True, False])
def test_a_session_that_ended_while_changes_were_not_heard_stays_ended(
    runner: asyncio.Runner,
    history: History,
    is_found_first: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def tell() -> None:
        await history.begin()
        cookie = history.cookies[0][1]
        assert [await history.status(WIKI, cookie) for _ in range(2)] == [200] * 2
        await history.stop_hearing(is_noticed=not is_found_first)
        await history.end_all("ann")
        if is_found_first:
            await history.hear_again()
        assert await history.status(WIKI, cookie) == 401
        await history.hear_again()
        assert await history.status(WIKI, cookie) == 401

    runner.run(tell())


def test_an_answer_about_a_session_that_ended_does_not_come_back_with_the_time_at_which_it_was_given(
    runner: asyncio.Runner, history: History
) -> None:
    async def tell() -> None:
        await history.begin()
        await history.come("ann", 0, MENU)
        await history.come("ben", 0, MENU)
        cookie = history.cookies[0][1]
        assert [await history.status(WIKI, cookie) for _ in range(2)] == [200] * 2
        await history.end_all("ann")
        for seconds in (60, 60):
            await history.wait(seconds)
            await history.end_one("ben")
        await history.wait(-119)
        assert await history.status(WIKI, cookie) == 401

    runner.run(tell())
