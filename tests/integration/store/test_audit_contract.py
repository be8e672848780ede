"""What every durable store promises of the audit log: it is only added to, read in order, and shortened by age."""

from __future__ import annotations

import asyncio
import inspect
import json
from itertools import product
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from secondgate.errors import Malformed
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.audit import (
    ActorKind,
    AuditEvent,
    EventField,
    EventFilter,
    EventPlace,
    Factor,
    place_of,
)
from secondgate.store.ports import Audit, DurableStore
from secondgate.store.sql.audit import SqlAudit
from secondgate.store.sql.database import Database, create_sqlite_file, sqlite_url
from secondgate.store.sql.migrate import migrate
from secondgate.store.sql.migrations.versions import r0001_first

NOW = 1_800_000_000
WHOLE = AuditEvent(
    at=NOW,
    action="authenticator.removed",
    actor="ada@example.com",
    person_id="ada",
    address="2001:db8::1",
    detail={"id": "k1", "name": 'a "key"\0 \ud800'},
    id="e-1",
    actor_kind=ActorKind.PERSON,
    actor_id="ada",
    factor=Factor("security_key", "k2"),
)


def event(number: int, at: int = NOW, action: str = "login.succeeded", actor: str = "ada@example.com") -> AuditEvent:
    return AuditEvent(at, action, actor, "ada" if number % 2 else "bob", "192.0.2.1", {}, f"e{number}")


async def filled(durable: DurableStore, *events: AuditEvent) -> tuple[AuditEvent, ...]:
    for one in events:
        await durable.append_event(one)
    return events


def pruned(count: int) -> AuditEvent:
    return AuditEvent(NOW, "audit.pruned", "", detail={"count": str(count)}, id="pruned", actor_kind=ActorKind.SYSTEM)


async def test_an_event_comes_back_as_it_was_written_with_its_place(durable: DurableStore) -> None:
    await durable.append_event(WHOLE)
    (found,) = await durable.list_events()
    assert found == WHOLE
    assert found.sequence > 0


async def test_events_come_back_the_newest_first_or_the_oldest_first(durable: DurableStore) -> None:
    events = await filled(durable, *(event(number, NOW + at) for number, at in enumerate((0, 1, 3, 2, 2))))
    in_order = (events[0], events[1], events[3], events[4], events[2])
    assert await durable.list_events(oldest_first=True) == in_order
    assert await durable.list_events() == tuple(reversed(in_order))
    assert await durable.list_events(limit=2) == (events[2], events[4])
    assert await durable.list_events(limit=1, oldest_first=True) == (events[0],)


@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pages_show_each_event_once_whatever_is_added_meanwhile(
    durable: DurableStore, *, oldest_first: bool
) -> None:
    events = await filled(durable, *(event(number, NOW + number // 4) for number in range(10)))
    window = EventFilter(since=NOW, before=NOW + 100)
    seen: list[AuditEvent] = []
    after: EventPlace | None = None
    while page := await durable.list_events(window, limit=3, after=after, oldest_first=oldest_first):
        seen += page
        after = place_of(page[-1])
        await durable.append_event(event(100 + len(seen), NOW + 100))
    assert tuple(seen) == (events if oldest_first else tuple(reversed(events)))


async def test_every_filter_selects_what_it_says(durable: DurableStore) -> None:
    kinds = (ActorKind.PERSON, ActorKind.TOKEN)
    actions = ("login.failed", "lists.updated", "login.succeeded", "x_login.failed", "loginxfailed")
    events = await filled(
        durable,
        *(
            AuditEvent(NOW + n, action, actor, person, address, {}, f"e{n}", kind, f"id-{actor}")
            for n, (action, (actor, person, address), kind) in enumerate(
                product(actions, (("Ada_@example.com", "ada", "192.0.2.1"), ("b%b", "bob", "::1")), kinds)
            )
        ),
    )
    filters = [
        EventFilter(),
        EventFilter(since=NOW + 3),
        EventFilter(before=NOW + 3),
        EventFilter(since=NOW + 3, before=NOW + 4),
        EventFilter(actor_part="a_@"),
        EventFilter(actor_part="a%"),
        EventFilter(actor_part="%"),
        EventFilter(not_actor_part="@example.com"),
        EventFilter(wanted={EventField.VERB: frozenset()}),
        EventFilter(unwanted={EventField.VERB: frozenset()}),
    ]
    values = {
        EventField.ID: {"e1", "e2"},
        EventField.ACTION: {"login.failed"},
        EventField.VERB: {"failed", "updated"},
        EventField.ACTOR: {"b%b"},
        EventField.ACTOR_KIND: {"api_token"},
        EventField.ACTOR_ID: {"id-b%b"},
        EventField.PERSON_ID: {"ada", "nobody"},
        EventField.ADDRESS: {"::1"},
    }
    assert values.keys() == set(EventField)
    for name, some in values.items():
        filters += [EventFilter(wanted={name: frozenset(some)}), EventFilter(unwanted={name: frozenset(some)})]
    for one in filters:
        expected = tuple(event for event in events if one.selects(event))
        assert await durable.list_events(one, oldest_first=True) == expected, one


async def test_pruning_deletes_the_oldest_of_before_a_time_and_tells_of_it_in_one_step(durable: DurableStore) -> None:
    events = await filled(durable, *(event(number, NOW + number) for number in range(6)))
    assert await durable.prune_events(before=NOW + 4, limit=3, event=pruned) == 3
    assert await durable.list_events(oldest_first=True) == (pruned(3), *events[3:])
    assert await durable.prune_events(before=NOW, limit=3, event=pruned) == 0
    assert len(await durable.list_events()) == 4


async def test_of_several_that_prune_at_once_each_event_is_counted_once(durable: DurableStore) -> None:
    await filled(durable, *(event(number, NOW - 10) for number in range(20)))
    counts = await asyncio.gather(
        *(durable.prune_events(before=NOW, limit=7, event=pruned) for _ in range(5)), return_exceptions=False
    )
    told = [int(one.detail["count"]) for one in await durable.list_events() if one.action == "audit.pruned"]
    assert sum(counts) <= 20
    assert sorted(told) == sorted(filter(None, counts))
    left = [one for one in await durable.list_events() if one.action != "audit.pruned"]
    assert len(left) == 20 - sum(counts)


async def test_a_change_and_its_event_are_written_together_or_not_at_all(durable: DurableStore) -> None:
    one = AccessObject(ObjectKind.TAG, "t", {"name": "t"}, NOW, NOW)
    told = event(1, action="tags.created")
    assert not await durable.replace_access_objects(expected_version=7, saved=[one], event=told)
    assert await durable.list_events() == ()
    assert await durable.replace_access_objects(expected_version=0, saved=[one], event=told)
    assert await durable.list_events() == (told,)


async def test_a_change_whose_event_cannot_be_written_is_not_made(durable: DurableStore) -> None:
    one = AccessObject(ObjectKind.TAG, "t", {"name": "t"}, NOW, NOW)
    with pytest.raises(Malformed):
        await durable.replace_access_objects(expected_version=0, saved=[one], event=event(1, actor="a\0"))
    assert (await durable.load_access_objects()).objects == ()
    assert await durable.load_access_version() == 0


def test_nothing_can_change_an_event_or_delete_one_by_itself() -> None:
    offered = {
        name
        for port in (Audit, SqlAudit)
        for name, _ in inspect.getmembers(port, inspect.isfunction)
        if not name.startswith("_")
    }
    assert offered == {"append_event", "list_events", "prune_events"}
    assert set(inspect.signature(Audit.prune_events).parameters) == {"self", "before", "limit", "event"}
    about_events = {name for name in dir(DurableStore) if "event" in name or "audit" in name}
    assert about_events == offered


async def test_events_of_before_keep_what_they_said(database_url: str, tmp_path: Path) -> None:
    url = database_url
    if not url:
        create_sqlite_file(tmp_path / "x.sqlite3")
        url = sqlite_url(tmp_path / "x.sqlite3")
    database = Database(url)
    async with database.writing() as connection:
        await connection.run_sync(_make_first_shape)
    await migrate(url)
    audit = SqlAudit()
    audit._database = database  # the log alone, without a sealing key
    events = await audit.list_events(oldest_first=True)
    await database.close()
    assert [(one.id, one.actor, one.actor_kind, one.factor) for one in events] == [
        ("event-1", "", ActorKind.UNKNOWN, Factor()),
        ("event-2", "command-line", ActorKind.COMMAND_LINE, Factor()),
        ("event-3", "ada@example.com", ActorKind.PERSON, Factor()),
    ]
    assert [dict(one.detail) for one in events] == [{"n": "1"}] * 3


def _make_first_shape(connection: Connection) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        r0001_first.upgrade()
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
    for actor in ("", "command-line", "ada@example.com"):
        connection.execute(
            text(
                "INSERT INTO audit_events (at, action, actor, person_id, address, detail) "
                "VALUES (6, 'login.succeeded', :actor, '', '', :detail)"
            ),
            {"actor": actor, "detail": json.dumps({"n": "1"})},
        )
