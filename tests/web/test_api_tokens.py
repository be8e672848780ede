"""Tokens of the API through Cloudflare's official client: made, bounded, changed, rolled, ended."""

from __future__ import annotations

import asyncio
from typing import Any

import cloudflare
import pytest

from secondgate.admin.permission_groups import GROUP_IDS
from secondgate.flows.api_tokens import create_api_token
from secondgate.model.api_token import Permission
from tests.web import api
from tests.web.conftest import StartSite
from tests.web.site import START, Site

Api = Any
GIVING = (Permission.API_TOKENS_WRITE, Permission.APPS_WRITE)


@pytest.fixture
async def managed(start_site: StartSite) -> Site:
    return await start_site(api.managed_by_the_api)


def policy(site: Site, *permissions: Permission) -> dict[str, Any]:
    return {
        "effect": "allow",
        "permission_groups": [{"id": GROUP_IDS[one]} for one in permissions],
        "resources": {f"com.cloudflare.api.account.{site.settings.account_id}": "*"},
    }


def bearing(site: Site, value: str) -> Api:
    url = f"http://127.0.0.1:{site.ports['admin']}/client/v4"
    headers = {"Connection": "close"}
    return cloudflare.Cloudflare(base_url=url, api_token=value, max_retries=0, default_headers=headers)


async def made(site: Site, by: Api, *permissions: Permission, name: str = "ci", **fields: object) -> Any:  # noqa: ANN401 - the client's models
    return await api.run(
        by.accounts.tokens.create,
        account_id=site.settings.account_id,
        name=name,
        policies=[policy(site, *permissions)],
        **fields,
    )


async def is_taken(site: Site, value: str) -> bool:
    try:
        return bool((await api.run(bearing(site, value).user.tokens.verify)).status == "active")
    except cloudflare.PermissionDeniedError:
        return False


async def test_a_token_lives_its_whole_life_through_the_official_client(managed: Site) -> None:
    root, account = await api.client(managed), managed.settings.account_id
    tokens = root.accounts.tokens
    new = await made(managed, root, Permission.APPS_WRITE, Permission.USERS_READ, expires_on="2030-01-31T00:00:00Z")
    (given,) = new.policies
    assert [group.name for group in given.permission_groups] == [Permission.APPS_WRITE, Permission.USERS_READ]
    assert (new.status, new.issued_on.timestamp(), new.last_used_on) == ("active", START, None)
    assert await is_taken(managed, new.value)
    read = (await api.run(tokens.get, new.id, account_id=account)).to_dict()
    assert "value" not in read
    assert read.pop("last_used_on").timestamp() == START
    assert read == {name: value for name, value in new.to_dict().items() if name != "value"}
    whole = {
        "name": "cd",
        "policies": [policy(managed, Permission.USERS_READ), policy(managed, Permission.APPS_READ)],
        "condition": {"request_ip": {"in": ["127.0.0.0/8"], "not_in": ["127.0.0.9/32"]}},
        "status": "disabled",
    }
    changed = await api.run(tokens.update, new.id, account_id=account, **whole)
    assert changed.expires_on == new.expires_on, "what a PUT does not name is kept"
    assert (changed.name, changed.status, len(changed.policies)) == ("cd", "disabled", 2)
    assert changed.condition.to_dict() == whole["condition"]
    assert not await is_taken(managed, new.value)
    listed = await api.listed(tokens.list, account_id=account, per_page=1)
    names = [one.name for one in listed]
    assert sorted(names) == ["cd", "t0"], "both were made in one second"
    assert [one.name for one in await api.listed(tokens.list, account_id=account, direction="desc")] == names[::-1]
    assert (await api.run(tokens.delete, new.id, account_id=account)).id == new.id
    with pytest.raises(cloudflare.NotFoundError):
        await api.run(tokens.get, new.id, account_id=account)


async def test_a_value_is_rolled_and_the_old_one_opens_nothing(managed: Site) -> None:
    root, account = await api.client(managed), managed.settings.account_id
    new = await made(managed, root, Permission.APPS_READ)
    rolled = await api.run(root.accounts.tokens.value.update, new.id, account_id=account)
    assert rolled != new.value
    assert [await is_taken(managed, value) for value in (new.value, rolled)] == [False, True]


async def test_a_token_is_taken_in_its_time_and_from_its_addresses_alone(managed: Site) -> None:
    root, account = await api.client(managed), managed.settings.account_id
    new = await made(
        managed, root, Permission.APPS_READ, not_before="2027-01-15T08:00:10Z", expires_on="2027-01-15T09:00:20+01:00"
    )
    seen = []
    for at in (9, 10, 19, 20):
        managed.clock.now = START + at
        seen.append(await is_taken(managed, new.value))
    assert seen == [False, True, True, False]
    assert (await api.run(root.accounts.tokens.get, new.id, account_id=account)).status == "expired"
    left = await api.listed(root.accounts.tokens.list, account_id=account, include_expired=False)
    assert [one.name for one in left] == ["t0"]
    for condition, expected in (
        ({"in": ["192.0.2.0/24"]}, False),
        ({"in": ["192.0.2.0/24", "127.0.0.1"]}, True),
        ({"not_in": ["127.0.0.0/8"]}, False),
        ({"in": ["127.0.0.0/8"], "not_in": ["127.0.0.9"]}, True),
    ):
        bound = await made(
            managed, root, Permission.APPS_READ, name=str(condition), condition={"request_ip": condition}
        )
        assert await is_taken(managed, bound.value) is expected


@pytest.mark.case(72)
async def test_a_token_never_gives_more_than_it_has(managed: Site) -> None:
    account, now = managed.settings.account_id, int(managed.clock.now)
    giver = await api.client(managed, GIVING)
    for given in (Permission.APPS_READ, Permission.APPS_WRITE, Permission.API_TOKENS_READ):
        await made(managed, giver, given, name=given.value)
    for more in set(Permission) - {*GIVING, Permission.APPS_READ, Permission.API_TOKENS_READ}:
        with pytest.raises(cloudflare.PermissionDeniedError) as refused:
            await made(managed, giver, Permission.APPS_READ, more)
        assert more.value in str(refused.value)
    strong, secret = await create_api_token(managed.services, name="root", permissions=Permission, actor="test")
    tokens = giver.accounts.tokens
    for attempt in (
        lambda: tokens.value.update(strong.id, account_id=account),
        lambda: tokens.update(strong.id, account_id=account, name="mine", policies=[policy(managed, *GIVING)]),
        lambda: tokens.update(
            strong.id, account_id=account, name="root", policies=[policy(managed, *Permission)], status="disabled"
        ),
    ):
        with pytest.raises(cloudflare.PermissionDeniedError):
            await api.run(attempt)
    own = await api.run(giver.user.tokens.verify)
    with pytest.raises(cloudflare.PermissionDeniedError):
        await api.run(tokens.update, own.id, account_id=account, name="t0", policies=[policy(managed, *Permission)])
    assert await is_taken(managed, secret.reveal())
    refusals = await managed.events("api.refused")
    assert {event.actor for event in refusals} == {"t0"}
    assert {event.detail["reason"] for event in refusals} == {"permission"}
    stored = await managed.services.durable.list_api_tokens()
    assert sorted(one.name for one in stored) == sorted(
        [Permission.APPS_READ, Permission.APPS_WRITE, Permission.API_TOKENS_READ, "root", "t0"]
    )
    assert next(one for one in stored if one.id == own.id).permissions == frozenset(GIVING)
    assert int(managed.clock.now) == now


@pytest.mark.case(72)
async def test_a_bounded_token_gives_none_that_lives_longer_or_comes_from_elsewhere(managed: Site) -> None:
    root = await api.client(managed)
    bounds = {
        "expires_on": "2027-02-01T00:00:00Z",
        "condition": {"request_ip": {"in": ["127.0.0.0/8"], "not_in": ["127.0.0.64/26"]}},
    }
    giver = bearing(managed, (await made(managed, root, *GIVING, name="giver", **bounds)).value)
    inner = {"request_ip": {"in": ["127.0.0.0/26"]}}
    for name, fields in (
        ("no expiry", {"condition": inner}),
        ("later", {"condition": inner, "expires_on": "2027-02-01T00:00:01Z"}),
        ("anywhere", {**bounds, "condition": {"request_ip": {"not_in": ["127.0.0.64/26"]}}}),
        ("wider", {**bounds, "condition": {"request_ip": {"in": ["127.0.0.0/8", "10.0.0.0/8"]}}}),
        ("other version", {**bounds, "condition": {"request_ip": {"in": ["::/0"]}}}),
        ("without exclusion", {**bounds, "condition": {"request_ip": {"in": ["127.0.0.0/8"]}}}),
        (
            "less excluded",
            {**bounds, "condition": {"request_ip": {"in": ["127.0.0.0/8"], "not_in": ["127.0.0.64/27"]}}},
        ),
    ):
        with pytest.raises(cloudflare.PermissionDeniedError):
            await made(managed, giver, Permission.APPS_READ, name=name, **fields)
    for name, fields in (("the same", bounds), ("less", {**bounds, "condition": inner})):
        await made(managed, giver, Permission.APPS_READ, name=name, **fields)
    names = [one.name for one in await managed.services.durable.list_api_tokens()]
    assert names == ["giver", "less", "t0", "the same"]


async def test_permission_groups_have_stable_ids_and_say_what_a_token_could_give(managed: Site) -> None:
    giver, account = await api.client(managed, GIVING), managed.settings.account_id
    groups = await api.listed(giver.accounts.tokens.permission_groups.list, account_id=account)
    assert {group.id: group.name for group in groups} == {id_: one.value for one, id_ in GROUP_IDS.items()}
    assert set(GROUP_IDS) == set(Permission)
    assert len(set(GROUP_IDS.values())) == len(Permission)
    selectable = {group.name for group in groups if group.is_selectable}
    assert selectable == {*GIVING, Permission.APPS_READ, Permission.API_TOKENS_READ}
    one = await api.listed(
        giver.accounts.tokens.permission_groups.list, account_id=account, name=Permission.MFA_RESET.value
    )
    assert [group.name for group in one] == [Permission.MFA_RESET]


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "01234567-89ab-cdef-0123-456789abcdef"}, "/name"),
        ({"policies": []}, "/policies"),
        ({"policies": [{"effect": "deny"}]}, "/policies/0/effect"),
        ({"policies": {}}, "/policies"),
        ({"expires_on": "2027-01-15T08:00:00Z"}, "/expires_on"),
        ({"expires_on": "2030-01-31"}, "/expires_on"),
        ({"expires_on": "2030-01-31T00:00:00"}, "/expires_on"),
        ({"expires_on": "0001-01-01T00:00:00+14:00"}, "/expires_on"),
        ({"not_before": "2031-01-31T00:00:00Z", "expires_on": "2030-01-31T00:00:00Z"}, "/not_before"),
        ({"status": "expired"}, "/status"),
        ({"status": "on"}, "/status"),
        ({"condition": {"request_ip": {"in": ["10.0.0.1/8"]}}}, "/condition/request_ip/in/0"),
        ({"condition": {"request_ip": {"within": []}}}, "/condition/request_ip/within"),
        ({"permissions": ["all"]}, "/permissions"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_place_and_changes_nothing(
    managed: Site, fields: dict[str, Any], pointer: str
) -> None:
    root, account = await api.client(managed), managed.settings.account_id
    new = await made(managed, root, Permission.APPS_READ)
    before = await managed.services.durable.list_api_tokens()
    whole = {"name": "other", "policies": [policy(managed, Permission.APPS_READ)], **fields}
    path = f"/accounts/{account}/tokens"
    for method, target in ((root.post, path), (root.put, f"{path}/{new.id}")):
        with pytest.raises(cloudflare.BadRequestError) as refused:
            await api.run(method, target, body=whole, cast_to=object)
        assert pointer in api.errors(refused.value)
    after = await managed.services.durable.list_api_tokens()
    assert [one.revision for one in after] == [one.revision for one in before]


async def test_resources_are_the_account_and_groups_those_that_there_are(managed: Site) -> None:
    root, account = await api.client(managed), managed.settings.account_id
    right = policy(managed, Permission.APPS_READ)
    for wrong, pointer in (
        ({"resources": {"com.cloudflare.api.account.*": "*"}}, "/policies/0/resources"),
        ({"resources": {}}, "/policies/0/resources"),
        ({"permission_groups": [{"id": "nope"}]}, "/policies/0/permission_groups/0/id"),
        ({"permission_groups": []}, "/policies"),
    ):
        with pytest.raises(cloudflare.BadRequestError) as refused:
            await api.run(root.accounts.tokens.create, account_id=account, name="x", policies=[{**right, **wrong}])
        assert pointer in api.errors(refused.value)


async def test_a_name_belongs_to_one_token_and_odd_ids_find_nothing(managed: Site) -> None:
    root, account = await api.client(managed), managed.settings.account_id
    await made(managed, root, Permission.APPS_READ)
    with pytest.raises(cloudflare.ConflictError):
        await made(managed, root, Permission.APPS_READ)
    for odd in ("ci", "x" * 300, "01234567-89ab-cdef-0123-456789abcdef", "a b"):
        for call in (root.accounts.tokens.get, root.accounts.tokens.delete, root.accounts.tokens.value.update):
            with pytest.raises(cloudflare.NotFoundError):
                await api.run(call, odd, account_id=account)
    assert len(await managed.services.durable.list_api_tokens()) == 2


async def test_of_two_changes_at_once_none_is_lost(managed: Site) -> None:
    root, account = await api.client(managed), managed.settings.account_id
    new = await made(managed, root, Permission.APPS_READ)
    path = f"/accounts/{account}/tokens/{new.id}"
    bodies = ({"name": "renamed"}, {"expires_on": "2030-01-31T00:00:00Z"}, {"status": "disabled"})
    await asyncio.gather(*(api.run(root.put, path, body=body, cast_to=object) for body in bodies))
    (token,) = [one for one in await managed.services.durable.list_api_tokens() if one.id == new.id]
    assert (token.name, token.expires_at, token.is_enabled, token.revision) == ("renamed", 1_896_048_000, False, 3)
    cleared = await api.run(root.put, path, body={"expires_on": None, "status": "active"}, cast_to=object)
    assert "expires_on" not in cleared["result"]


@pytest.mark.case(76)
async def test_every_change_of_a_token_is_audited_without_what_opens_it(managed: Site) -> None:
    root, account = await api.client(managed), managed.settings.account_id
    new = await made(managed, root, Permission.APPS_READ)
    await api.run(root.put, f"/accounts/{account}/tokens/{new.id}", body={"name": "cd"}, cast_to=object)
    rolled = await api.run(root.accounts.tokens.value.update, new.id, account_id=account)
    await api.run(root.accounts.tokens.delete, new.id, account_id=account)
    events = [event for event in await managed.events() if event.actor == "t0"]
    assert [event.action.removeprefix("api_token.") for event in events] == ["created", "updated", "rotated", "revoked"]
    assert {event.address for event in events} == {"127.0.0.1"}
    assert (events[1].detail["before.name"], events[1].detail["after.name"]) == ("ci", "cd")
    for secret in (new.value, rolled):
        assert secret not in repr(events)
        assert secret not in repr(managed.rows())


async def test_there_is_one_account(managed: Site) -> None:
    nobody, account = await api.client(managed, ()), managed.settings.account_id
    (one,) = await api.listed(nobody.accounts.list)
    assert (one.id, one.name, one.type, one.created_on.timestamp()) == (account, "Secondgate", "standard", START)
    assert await api.run(nobody.accounts.get, account_id=account) == one
    assert await api.listed(nobody.accounts.list, name="other") == []
    with pytest.raises(cloudflare.PermissionDeniedError):
        await api.run(nobody.accounts.get, account_id="0" * 32)
    for verify in (nobody.user.tokens.verify, lambda: nobody.accounts.tokens.verify(account_id=account)):
        assert (await api.run(verify)).status == "active"
