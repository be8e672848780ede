"""What every durable store promises of service tokens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from secondgate.errors import Conflict, Malformed, Reason
from secondgate.model.service_token import ServiceToken
from secondgate.store.ports import DurableStore

NOW = 1_800_000_000
NEW: dict[str, Any] = {
    "id": "id-ci",
    "name": "renamed",
    "client_id": "client-ci",
    "secret_hash": "new",
    "previous_secret_hash": "hash-ci",
    "previous_expires_at": NOW + 60,
    "expires_at": NOW + 9,
    "duration_s": 9,
    "is_enabled": False,
    "updated_at": NOW + 1,
}


def token(name: str = "ci", **facts: Any) -> ServiceToken:  # noqa: ANN401 - any field
    made = ServiceToken(f"id-{name}", name, f"client-{name}", f"hash-{name}", NOW)
    return replace(made, **facts)


async def test_tokens_are_read_back_as_written_by_name(durable: DurableStore) -> None:
    assert await durable.list_service_tokens() == ()
    tokens = [token(name, expires_at=NOW + 5 if name == "b" else None) for name in ("b", "_", "a", "é", "B")]
    for one in tokens:
        await durable.add_service_token(one)
    assert await durable.list_service_tokens() == tuple(sorted(tokens, key=lambda one: one.name))


@pytest.mark.parametrize("taken", [{"name": "ci"}, {"client_id": "client-ci"}])
async def test_a_name_and_a_client_id_belong_to_one_token(
    durable: DurableStore,
    taken: Any,  # noqa: ANN401 - fields
) -> None:
    await durable.add_service_token(token())
    with pytest.raises(Conflict) as refused:
        await durable.add_service_token(replace(token("other"), **taken))
    assert refused.value.reason is Reason.NAME_TAKEN
    assert await durable.list_service_tokens() == (token(),)


async def test_a_token_is_replaced_by_whoever_knows_what_it_replaces(durable: DurableStore) -> None:
    await durable.add_service_token(token())
    await durable.add_service_token(token("other"))
    assert not await durable.replace_service_token(token("none"))
    assert not await durable.replace_service_token(token(secret_hash="early", revision=1))
    assert await durable.replace_service_token(token(**{**NEW, "client_id": "b", "created_at": 1, "last_seen_at": 1}))
    assert not await durable.replace_service_token(token(secret_hash="late"))
    assert await durable.list_service_tokens() == (token("other"), token(**NEW, revision=1))


async def test_a_token_is_not_renamed_to_another_ones_name(durable: DurableStore) -> None:
    await durable.add_service_token(token())
    await durable.add_service_token(token("other"))
    with pytest.raises(Conflict) as refused:
        await durable.replace_service_token(token("ci", id="id-other"))
    assert refused.value.reason is Reason.NAME_TAKEN
    assert await durable.list_service_tokens() == (token(), token("other"))


async def test_when_a_token_proved_a_machine_is_remembered(durable: DurableStore) -> None:
    await durable.add_service_token(token())
    await durable.add_service_token(token("other"))
    await durable.save_service_token_seen("id-ci", now=NOW + 7)
    await durable.save_service_token_seen("id-none", now=NOW + 8)
    assert await durable.list_service_tokens() == (token(last_seen_at=NOW + 7), token("other"))


async def test_a_deleted_token_is_gone_and_its_name_is_free(durable: DurableStore) -> None:
    await durable.add_service_token(token())
    assert await durable.delete_service_token("id-ci")
    assert not await durable.delete_service_token("id-ci")
    assert await durable.list_service_tokens() == ()
    await durable.add_service_token(token(id="id-2", client_id="client-2"))


@pytest.mark.case(21)
@pytest.mark.parametrize("text", ["a\0b", "lone \ud800"])
async def test_text_that_one_database_refuses_is_refused_by_all(durable: DurableStore, text: str) -> None:
    for refused in (
        durable.add_service_token(token(text)),
        durable.replace_service_token(token(text)),
        durable.save_service_token_seen(text, now=NOW),
        durable.delete_service_token(text),
    ):
        with pytest.raises(Malformed):
            await refused
    assert await durable.list_service_tokens() == ()


async def test_of_many_at_once_with_one_name_one_is_added(replicas: tuple[DurableStore, DurableStore]) -> None:
    results = await asyncio.gather(
        *(
            replicas[n % 2].add_service_token(token(id=f"id-{n}", client_id=f"client-{n}", secret_hash=str(n)))
            for n in range(10)
        ),
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 1
    assert all(result is None or isinstance(result, Conflict) for result in results)
    assert len(await replicas[0].list_service_tokens()) == 1


async def test_of_many_rotations_at_once_one_counts(replicas: tuple[DurableStore, DurableStore]) -> None:
    await replicas[0].add_service_token(token())
    results = await asyncio.gather(
        *(replicas[n % 2].replace_service_token(token(secret_hash=f"new-{n}")) for n in range(10))
    )
    (kept,) = await replicas[1].list_service_tokens()
    assert [f"new-{n}" for n, done in enumerate(results) if done] == [kept.secret_hash]
