"""What every durable store promises of tokens of the API."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from secondgate.errors import Conflict, Malformed, Reason
from secondgate.model.api_token import ApiToken, Permission
from secondgate.store.ports import DurableStore

NOW = 1_800_000_000


def token(name: str = "ci", **facts: Any) -> ApiToken:  # noqa: ANN401 - any field
    permissions = frozenset((Permission.APPS_READ, Permission.ZERO_TRUST_WRITE))
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    made = ApiToken(f"id-{name}", name, f"hash-{name}", permissions, networks, NOW, NOW + 60)
    return replace(made, **facts)


async def test_tokens_are_read_back_as_written_by_name_and_by_hash(durable: DurableStore) -> None:
    assert await durable.list_api_tokens() == ()
    every = frozenset(Permission)
    tokens = [
        token(name, expires_at=None if name == "b" else NOW, networks=(), permissions=every)
        for name in ("b", "_", "a", "é", "B")
    ]
    for one in tokens:
        assert await durable.add_api_token(one)
    assert await durable.list_api_tokens() == tuple(sorted(tokens, key=lambda one: one.name))
    assert await durable.load_api_token("hash-é") == tokens[3]
    for unknown in ("", "hash", "HASH-b", "id-b", "b"):
        assert await durable.load_api_token(unknown) is None


@pytest.mark.parametrize("taken", [{"name": "ci"}, {"id": "id-ci"}, {"token_hash": "hash-ci"}])
async def test_a_name_an_id_and_a_hash_belong_to_one_token(
    durable: DurableStore,
    taken: Any,  # noqa: ANN401 - fields
) -> None:
    assert await durable.add_api_token(token())
    assert not await durable.add_api_token(replace(token("other"), **taken))
    assert await durable.list_api_tokens() == (token(),)


async def test_everything_of_a_token_is_replaced_but_when_it_was_made_and_used(durable: DurableStore) -> None:
    await durable.add_api_token(token(last_used_at=NOW + 5))
    new = token(
        "new",
        id="id-ci",
        permissions=frozenset(),
        networks=(),
        expires_at=None,
        last_used_at=NOW + 5,
        excluded_networks=(ip_network("192.0.2.7"),),
        not_before=NOW + 1,
        is_enabled=False,
        updated_at=NOW + 2,
    )
    assert await durable.replace_api_token(replace(new, created_at=NOW + 9, last_used_at=NOW + 9))
    assert await durable.list_api_tokens() == (replace(new, revision=1),)
    assert not await durable.replace_api_token(token("none"))


async def test_a_token_is_replaced_by_whoever_knows_what_it_replaces(durable: DurableStore) -> None:
    await durable.add_api_token(token())
    assert await durable.replace_api_token(token(token_hash="new"))
    assert not await durable.replace_api_token(token(token_hash="late"))
    assert not await durable.replace_api_token(token(token_hash="early", revision=2))
    assert await durable.list_api_tokens() == (token(token_hash="new", revision=1),)


async def test_permissions_come_back_in_the_order_and_the_policies_in_which_they_were_given(
    durable: DurableStore,
) -> None:
    grants = ((Permission.ZERO_TRUST_WRITE,), (Permission.APPS_READ, Permission.ZERO_TRUST_WRITE))
    await durable.add_api_token(token(grants=grants))
    assert await durable.list_api_tokens() == (token(grants=grants),)


async def test_a_token_is_not_renamed_to_another_ones_name(durable: DurableStore) -> None:
    await durable.add_api_token(token())
    await durable.add_api_token(token("other"))
    with pytest.raises(Conflict) as refused:
        await durable.replace_api_token(token("ci", id="id-other"))
    assert refused.value.reason is Reason.NAME_TAKEN
    assert await durable.list_api_tokens() == (token(), token("other"))


async def test_when_a_token_was_used_is_remembered(durable: DurableStore) -> None:
    await durable.add_api_token(token())
    await durable.add_api_token(token("other"))
    await durable.save_api_token_used("id-ci", now=NOW + 7)
    await durable.save_api_token_used("id-none", now=NOW + 8)
    assert await durable.list_api_tokens() == (token(last_used_at=NOW + 7), token("other"))


async def test_a_deleted_token_is_gone_and_its_name_is_free(durable: DurableStore) -> None:
    await durable.add_api_token(token())
    assert await durable.delete_api_token("id-ci")
    assert not await durable.delete_api_token("id-ci")
    assert await durable.load_api_token("hash-ci") is None
    assert await durable.add_api_token(token(id="id-2", token_hash="hash-2"))


@pytest.mark.case(21)
@pytest.mark.parametrize("text", ["a\0b", "lone \ud800"])
async def test_text_that_one_database_refuses_is_refused_by_all(durable: DurableStore, text: str) -> None:
    for refused in (
        durable.add_api_token(token(text)),
        durable.load_api_token(text),
        durable.replace_api_token(token(text)),
        durable.save_api_token_used(text, now=NOW),
        durable.delete_api_token(text),
    ):
        with pytest.raises(Malformed):
            await refused
    assert await durable.list_api_tokens() == ()


async def test_of_many_at_once_with_one_name_one_is_added(replicas: tuple[DurableStore, DurableStore]) -> None:
    added = await asyncio.gather(
        *(replicas[n % 2].add_api_token(token(id=f"id-{n}", token_hash=f"hash-{n}")) for n in range(50))
    )
    (winner,) = [number for number, is_added in enumerate(added) if is_added]
    assert await replicas[0].list_api_tokens() == (token(id=f"id-{winner}", token_hash=f"hash-{winner}"),)
