"""Service tokens through Cloudflare's official client, and what comes of it at the gate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import cloudflare
import pytest

from secondgate.flows.refresh import refresh
from tests.web import api
from tests.web.conftest import StartSite
from tests.web.site import FORWARD_AUTH, START, Site

Api = Any
HOOK = "https://hook.example.com/"
DAY_S = 86_400


@pytest.fixture
async def managed(start_site: StartSite) -> Site:
    return await start_site(api.managed_by_the_api)


@pytest.fixture
async def access(managed: Site) -> Api:
    return (await api.client(managed)).zero_trust.access


def machines(reference: str | None = None) -> dict[str, Any]:
    """Give a policy for one machine, or for all."""
    rule: dict[str, Any] = {"service_token": {"token_id": reference}} if reference else {"any_valid_service_token": {}}
    return {"name": "machines", "decision": "non_identity", "include": [rule]}


async def made(managed: Site, access: Api, **fields: object) -> Any:  # noqa: ANN401 - the client's models
    return await api.run(
        access.service_tokens.create, account_id=managed.settings.account_id, **{"name": "ci", **fields}
    )


async def protect(managed: Site, access: Api, *policies: dict[str, Any]) -> Any:  # noqa: ANN401 - the client's models
    return await api.run(
        access.applications.create,
        account_id=managed.settings.account_id,
        type="self_hosted",
        name="Hook",
        domain="hook.example.com",
        policies=list(policies or [machines()]),
    )


async def passes(managed: Site, client_id: str, secret: str) -> bool:
    fields = [("CF-Access-Client-Id", client_id), ("CF-Access-Client-Secret", secret)]
    return (await managed.check(FORWARD_AUTH, HOOK, fields=fields)).status == 200


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def test_a_token_lives_its_whole_life_through_the_official_client(managed: Site, access: Api) -> None:
    account, tokens = managed.settings.account_id, access.service_tokens
    await protect(managed, access)
    new = await made(managed, access)
    assert (new.name, new.duration, new.enabled) == ("ci", "8760h", True)
    assert await passes(managed, new.client_id, new.client_secret), "this process knows at once"
    read = await api.run(tokens.get, new.id, account_id=account)
    assert read.expires_at == at(START + 365 * DAY_S)
    assert "client_secret" not in read.to_dict()
    managed.clock.advance(DAY_S)
    renamed = await api.run(tokens.update, new.id, account_id=account, name="cd")
    assert (renamed.name, renamed.expires_at) == ("cd", read.expires_at), "what a PUT does not name is kept"
    refreshed = await api.run(tokens.refresh, new.id, account_id=account)
    assert refreshed.expires_at == at(START + 366 * DAY_S)
    rotated = await api.run(tokens.rotate, new.id, account_id=account)
    assert rotated.client_id == new.client_id
    assert not await passes(managed, new.client_id, new.client_secret)
    assert await passes(managed, new.client_id, rotated.client_secret)
    forever = await made(managed, access, name="old", duration="forever")
    assert "expires_at" not in forever.to_dict()
    for query, expected in (({"per_page": 1}, ["cd", "old"]), ({"name": "cd"}, ["cd"]), ({"search": "OL"}, ["old"])):
        listed = await api.listed(tokens.list, account_id=account, **query)
        assert [one.name for one in listed] == expected
    assert (await api.run(tokens.delete, new.id, account_id=account)).id == new.id
    assert not await passes(managed, new.client_id, rotated.client_secret)
    with pytest.raises(cloudflare.NotFoundError):
        await api.run(tokens.get, new.id, account_id=account)


async def test_another_duration_begins_now_and_a_disabled_token_opens_nothing_until_it_is_enabled(
    managed: Site, access: Api
) -> None:
    account, tokens = managed.settings.account_id, access.service_tokens
    await protect(managed, access)
    new = await made(managed, access)
    managed.clock.advance(DAY_S)
    shorter = await api.run(tokens.update, new.id, account_id=account, duration="24h")
    assert (shorter.duration, shorter.expires_at) == ("24h", at(START + 2 * DAY_S))
    for enabled in (False, True):
        changed = await api.run(tokens.update, new.id, account_id=account, enabled=enabled)
        assert changed.enabled is enabled
        assert await passes(managed, new.client_id, new.client_secret) is enabled
    managed.clock.advance(DAY_S)
    assert not await passes(managed, new.client_id, new.client_secret)
    with pytest.raises(cloudflare.ConflictError):
        await api.run(tokens.rotate, new.id, account_id=account)
    await api.run(tokens.refresh, new.id, account_id=account)
    assert await passes(managed, new.client_id, new.client_secret)


async def test_the_previous_secret_is_good_until_its_grace_is_over(managed: Site, access: Api) -> None:
    account, tokens = managed.settings.account_id, access.service_tokens
    await protect(managed, access)
    new = await made(managed, access)
    now = managed.clock.now
    rotated = await api.run(tokens.rotate, new.id, account_id=account, previous_client_secret_expires_at=at(now + 3600))
    both = (new.client_secret, rotated.client_secret)
    assert [await passes(managed, new.client_id, one) for one in both] == [True, True]
    managed.clock.advance(3600)
    assert [await passes(managed, new.client_id, one) for one in both] == [False, True]
    await api.run(
        tokens.update, new.id, account_id=account, previous_client_secret_expires_at=at(managed.clock.now + 60)
    )
    assert [await passes(managed, new.client_id, one) for one in both] == [True, True], "it can be lengthened"
    await api.run(tokens.update, new.id, account_id=account, previous_client_secret_expires_at=at(now))
    assert [await passes(managed, new.client_id, one) for one in both] == [False, True], "and ended"
    third = await api.run(tokens.rotate, new.id, account_id=account)
    with pytest.raises(cloudflare.BadRequestError):
        await api.run(
            tokens.update, new.id, account_id=account, previous_client_secret_expires_at=at(managed.clock.now + 60)
        )
    seen = [await passes(managed, new.client_id, one) for one in (*both, third.client_secret)]
    assert seen == [False, False, True]


async def test_when_a_token_was_seen_last_is_kept(managed: Site, access: Api) -> None:
    account = managed.settings.account_id
    await protect(managed, access)
    new = await made(managed, access)
    managed.clock.advance(100)
    for proved, expected in ((False, None), (True, "2027-01-15T08:01:40Z")):
        await passes(managed, new.client_id, new.client_secret if proved else "wrong")
        await refresh(managed.services)
        read = await api.run(access.service_tokens.get, new.id, account_id=account)
        assert read.to_dict().get("last_seen_at") == expected


async def test_a_token_that_a_rule_names_is_neither_deleted_nor_renamed(managed: Site, access: Api) -> None:
    account, tokens = managed.settings.account_id, access.service_tokens
    one, two, three = [await made(managed, access, name=name) for name in ("one", "two", "three")]
    await protect(managed, access, machines("one"))
    reusable = await api.run(access.policies.create, account_id=account, **machines(two.id))
    group = await api.run(
        access.groups.create, account_id=account, name="robots", include=[{"service_token": {"token_id": "three"}}]
    )
    for token, words in (
        (one, "the application 'Hook'"),
        (two, "the policy 'machines'"),
        (three, "the group 'robots'"),
    ):
        with pytest.raises(cloudflare.ConflictError) as refused:
            await api.run(tokens.delete, token.id, account_id=account)
        assert words in str(refused.value)
        assert refused.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(cloudflare.ConflictError):
        await api.run(tokens.update, one.id, account_id=account, name="uno")
    assert (await api.run(tokens.update, two.id, account_id=account, name="dos")).name == "dos", "named by its id"
    await api.run(tokens.update, one.id, account_id=account, enabled=False)
    assert not await passes(managed, one.client_id, one.client_secret)
    await api.run(access.policies.delete, reusable.id, account_id=account)
    await api.run(access.groups.delete, group.id, account_id=account)
    for token in (two, three):
        await api.run(tokens.delete, token.id, account_id=account)
    assert [token.name for token in await managed.services.durable.list_service_tokens()] == ["one"]


async def test_a_rule_names_only_tokens_that_are_there(managed: Site, access: Api) -> None:
    account = managed.settings.account_id
    rule, unknown = {"service_token": {"token_id": "ci"}}, {"service_token": {"token_id": "cd"}}
    app = await protect(managed, access)
    for call, fields, pointer in (
        (access.policies.create, machines("ci"), "/include/0/service_token/token_id"),
        (
            access.groups.create,
            {"name": "g", "include": [{"everyone": {}}], "exclude": [rule, unknown]},
            "/exclude/1/service_token/token_id",
        ),
        (
            access.applications.policies.create,
            {"app_id": app.id, **machines("ci"), "name": "own"},
            "/include/0/service_token/token_id",
        ),
    ):
        with pytest.raises(cloudflare.BadRequestError) as refused:
            await api.run(call, account_id=account, **fields)
        assert pointer in api.errors(refused.value)
        assert "there is no service token" in str(refused.value)
    with pytest.raises(cloudflare.BadRequestError) as refused:
        await protect(managed, access, machines(), {**machines("ci"), "name": "two"})
    assert "/policies/1/include/0/service_token/token_id" in api.errors(refused.value)
    await made(managed, access)
    policy = await api.run(access.policies.create, account_id=account, **machines("ci"))
    assert policy.name == "machines"


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": " ci"}, "/name"),
        ({"name": "01234567-89ab-cdef-0123-456789abcdef"}, "/name"),
        ({"duration": "1y"}, "/duration"),
        ({"duration": "-1h"}, "/duration"),
        ({"duration": 24}, "/duration"),
        ({"enabled": "yes"}, "/enabled"),
        ({"client_secret_version": 2}, "/client_secret_version"),
        ({"previous_client_secret_expires_at": "tomorrow"}, "/previous_client_secret_expires_at"),
        ({"secret": "x"}, "/secret"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_place_and_changes_nothing(
    managed: Site, fields: dict[str, Any], pointer: str
) -> None:
    root = await api.client(managed)
    new = await made(managed, root.zero_trust.access, name="new")
    before = await managed.services.durable.list_service_tokens()
    path = f"/accounts/{managed.settings.account_id}/access/service_tokens"
    for method, target in ((root.post, path), (root.put, f"{path}/{new.id}")):
        with pytest.raises(cloudflare.BadRequestError) as refused:
            await api.run(method, target, body={"name": "x", **fields}, cast_to=object)
        assert pointer in api.errors(refused.value)
    assert await managed.services.durable.list_service_tokens() == before


async def test_a_name_belongs_to_one_token_and_odd_ids_find_nothing(managed: Site, access: Api) -> None:
    account, tokens = managed.settings.account_id, access.service_tokens
    await made(managed, access)
    other = await made(managed, access, name="other")
    with pytest.raises(cloudflare.ConflictError):
        await made(managed, access)
    with pytest.raises(cloudflare.ConflictError):
        await api.run(tokens.update, other.id, account_id=account, name="ci")
    for odd in ("ci", "x" * 300, "01234567-89ab-cdef-0123-456789abcdef"):
        for call in (tokens.get, tokens.delete, tokens.refresh, tokens.rotate):
            with pytest.raises(cloudflare.NotFoundError):
                await api.run(call, odd, account_id=account)
    assert len(await managed.services.durable.list_service_tokens()) == 2


@pytest.mark.case(76)
async def test_every_change_is_audited_without_secrets(managed: Site, access: Api) -> None:
    account, tokens = managed.settings.account_id, access.service_tokens
    new = await made(managed, access)
    await api.run(tokens.update, new.id, account_id=account, enabled=False)
    managed.clock.advance(60)
    await api.run(tokens.refresh, new.id, account_id=account)
    rotated = await api.run(tokens.rotate, new.id, account_id=account)
    await api.run(tokens.delete, new.id, account_id=account)
    events = [event for event in await managed.events() if event.actor == "t0"]
    verbs = [event.action.removeprefix("service_token.") for event in events]
    assert verbs == ["created", "updated", "updated", "rotated", "revoked"]
    assert (events[1].detail["before.is_enabled"], events[1].detail["after.is_enabled"]) == ("True", "False")
    assert {event.address for event in events} == {"127.0.0.1"}
    for secret in (new.client_secret, rotated.client_secret):
        assert secret not in repr(events)
        assert secret not in repr(managed.rows())
