"""Changes told through the database: when it cannot be asked, and what a newer version writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secondgate.errors import Unavailable
from secondgate.store.embedded import EmbeddedLiveStore
from secondgate.store.embedded_changes import EmbeddedChanges
from secondgate.store.opening import Opened, open_durable
from secondgate.store.ports import Change, ChangeKind, Kind
from tests.fakes.changes import Heard
from tests.integration.conftest import NOW, Clock

MARK = Change(ChangeKind.ACCESS)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    opened = await open_durable(data_dir=tmp_path / "data", now=NOW)
    yield opened
    await opened.durable.close()


async def test_a_database_that_does_not_answer_is_noticed_until_it_does(
    opened: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = EmbeddedChanges(opened.database, clock=clock)
    other = EmbeddedChanges(opened.database, clock=clock)
    heard = Heard()

    async def no_answer() -> dict[str, bytes]:
        await asyncio.sleep(60)
        return {}

    async def refusal() -> dict[str, bytes]:
        raise Unavailable("the disk is gone")

    async with changes.listen(heard):
        for failing, within_s in ((refusal, 0.6), (no_answer, 1.6)):
            assert heard.is_connected
            with monkeypatch.context() as patch:
                patch.setattr(changes, "_rows", failing)
                await heard.until_disconnected(within_s=within_s)
            await heard.until_connected(within_s=1)
        await other.publish(MARK)
        await heard.until_heard(MARK)
    assert heard.all == ["connected", "disconnected"] * 2 + ["connected", MARK, "disconnected"]


async def test_in_this_process_a_change_is_heard_by_the_time_that_it_was_told(opened: Opened, clock: Clock) -> None:
    changes = EmbeddedChanges(opened.database, clock=clock)
    store = EmbeddedLiveStore(opened.database, clock=clock, changes=changes)
    heard = Heard()
    async with changes.listen(heard):
        await changes.publish(MARK)
        await store.save(Kind.APPLICATION_SESSION, "s", b"", ttl_s=60)
        await store.delete(Kind.APPLICATION_SESSION, "s")
        assert heard.changes == [MARK, Change(ChangeKind.SESSION_ENDED, "s")]


async def test_another_process_is_heard_whatever_its_clock_says(opened: Opened, clock: Clock) -> None:
    heard = Heard()
    async with EmbeddedChanges(opened.database, clock=clock).listen(heard):
        for hours in (-1, 1):
            change = Change(ChangeKind.PERSON, f"{hours} h")
            await EmbeddedChanges(opened.database, clock=Clock(NOW + hours * 3600)).publish(change)
            await heard.until_heard(change)


async def test_what_a_newer_version_tells_of_is_passed_over(opened: Opened, clock: Clock) -> None:
    heard = Heard()
    newer = EmbeddedLiveStore(opened.database, clock=clock)
    async with EmbeddedChanges(opened.database, clock=clock).listen(heard):
        await newer.save(Kind.CHANGE, "row", b"weather rain\0access \0\xff", ttl_s=15)
        await heard.until_heard(MARK)
        assert heard.changes == [MARK]


async def test_what_was_told_does_not_stay(opened: Opened, clock: Clock) -> None:
    changes = EmbeddedChanges(opened.database, clock=clock)
    store = EmbeddedLiveStore(opened.database, clock=clock)
    await changes.publish(MARK)
    clock.now += 100
    await store.save(Kind.LOGIN, "k", b"", ttl_s=60)
    assert await EmbeddedChanges(opened.database, clock=clock)._rows() == {}
