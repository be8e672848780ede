"""Applications and their policies through the API, driven by Cloudflare's official client."""

from __future__ import annotations

from typing import Any

import pytest

from secondgate.access.compile import application_aud
from secondgate.model.api_token import Permission
from tests.web import api
from tests.web.conftest import StartSite
from tests.web.site import Site

Api = Any


@pytest.fixture
async def managed(start_site: StartSite) -> Site:
    return await start_site(api.managed_by_the_api)


@pytest.fixture
async def account(managed: Site) -> str:
    return managed.settings.account_id


async def access_of(managed: Site, *permissions: Permission) -> Api:
    client = await api.client(managed, permissions or tuple(Permission))
    account = managed.settings.account_id
    if not permissions:
        await api.run(client.zero_trust.organizations.update, account_id=account, **api.ORGANIZATION)
    return client.zero_trust.access


async def made(access: Api, account: str, **fields: object) -> Any:  # noqa: ANN401 - the client's models
    body = {"type": "self_hosted", "name": "Wiki", "domain": "wiki.example.com", **fields}
    return await api.run(access.applications.create, account_id=account, **body)


async def changed(access: Api, account: str, app_id: str, **fields: object) -> Any:  # noqa: ANN401 - the client's models
    body = {"type": "self_hosted", "domain": "wiki.example.com", **fields}
    return await api.run(access.applications.update, app_id, account_id=account, **body)


async def test_an_application_lives_its_whole_life_through_the_official_client(managed: Site, account: str) -> None:
    access = await access_of(managed)
    app = await made(access, account, session_duration="8h", policies=[api.EVERYONE])
    assert app.aud == application_aud(app.id)
    assert (app.type, app.domain, app.session_duration) == ("self_hosted", "wiki.example.com", "8h")
    assert [one.uri for one in app.destinations] == app.self_hosted_domains == ["wiki.example.com"]
    (policy,) = app.policies
    assert (policy.name, policy.precedence, policy.to_dict()["reusable"]) == ("all", 1, False)
    assert policy.id
    for name in (app.id, app.id.upper(), app.aud):
        read = await api.run(access.applications.get, name, account_id=account)
        assert read.to_dict() == app.to_dict()
    renamed = await changed(access, account, app.id, name="Notes")
    assert renamed.to_dict() == {**app.to_dict(), "name": "Notes"}
    listed = await api.listed(access.applications.list, account_id=account)
    assert [one.to_dict() for one in listed] == [renamed.to_dict()]
    assert (await api.run(access.applications.delete, app.aud, account_id=account)).id == app.id
    await api.refused(access.applications.get, app.id, account_id=account, with_status=404)
    actions = [event.action for event in await managed.events() if event.action.startswith("applications.")]
    assert actions == ["applications.created", "applications.updated", "applications.deleted"]


async def test_a_list_is_filtered_and_paged_to_its_end(managed: Site, account: str) -> None:
    access = await access_of(managed)
    apps = [await made(access, account, name=f"App {n}", domain=f"a{n}.example.com/x") for n in range(5)]
    cases: list[tuple[dict[str, object], list[int]]] = [
        ({"per_page": 2}, [0, 1, 2, 3, 4]),
        ({"name": "app"}, [0, 1, 2, 3, 4]),
        ({"name": "app", "exact": True}, []),
        ({"name": "App 3", "exact": True}, [3]),
        ({"domain": "a4.example"}, [4]),
        ({"domain": "a4.example.com/x", "exact": True}, [4]),
        ({"aud": apps[2].aud}, [2]),
        ({"search": "A1.EXAMPLE"}, [1]),
        ({"search": "no"}, []),
    ]
    for query, numbers in cases:
        found = await api.listed(access.applications.list, account_id=account, **query)
        assert [one.id for one in found] == [apps[number].id for number in numbers], query
    await api.refused(access.applications.list, account_id=account, extra_query={"exact": "maybe"})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"domain": "new.example.com"}, ["new.example.com", "b.example.com"]),
        ({"destinations": [{"type": "public", "uri": "new.example.com"}]}, ["new.example.com"]),
        ({"self_hosted_domains": ["new.example.com", "b.example.com"]}, ["new.example.com", "b.example.com"]),
        ({"destinations": None}, ["wiki.example.com"]),
        ({"name": "Notes"}, ["wiki.example.com", "b.example.com"]),
    ],
)
async def test_no_old_destination_stands_when_one_of_the_three_fields_changes(
    managed: Site, account: str, fields: dict[str, object], expected: list[str]
) -> None:
    access = await access_of(managed)
    both = [{"type": "public", "uri": "wiki.example.com"}, {"type": "public", "uri": "b.example.com"}]
    app = await made(access, account, destinations=both)
    whole = app.to_dict(mode="json")
    for body in [fields] if None in fields.values() else [fields, {**whole, **fields}]:
        after = await changed(access, account, app.id, extra_body=body)
        assert after.self_hosted_domains == [one.uri for one in after.destinations] == expected
        assert after.domain == expected[0]
        index = managed.services.access().index
        assert {host for host in ("wiki.example.com", "b.example.com", "new.example.com") if index.at_host(host)} == {
            *expected
        }
        await changed(access, account, app.id, domain="wiki.example.com", destinations=both)


async def test_documented_fields_are_taken_with_what_is_true_here_and_refused_by_name(
    managed: Site, account: str
) -> None:
    access = await access_of(managed)
    true_here = {
        "http_only_cookie_attribute": True,
        "same_site_cookie_attribute": "lax",
        "path_cookie_attribute": False,
        "enable_binding_cookie": False,
        "skip_interstitial": False,
        "options_preflight_bypass": True,
        "app_launcher_visible": False,
    }
    app = await made(access, account, **true_here)
    assert true_here.items() <= app.to_dict().items()
    found = await api.refused(
        access.applications.update,
        app.id,
        account_id=account,
        type="self_hosted",
        domain="wiki.example.com",
        same_site_cookie_attribute="none",
        skip_interstitial=True,
        cors_headers={"allow_all_origins": True},
    )
    assert set(found) == {"/same_site_cookie_attribute", "/skip_interstitial", "/cors_headers"}
    assert "must be lax: the cookie is SameSite=Lax, always" in found["/same_site_cookie_attribute"]
    assert "not supported by this version" in found["/cors_headers"]
    read = await api.run(access.applications.get, app.id, account_id=account)
    assert read.to_dict() == app.to_dict()


async def test_reusable_policies_are_answered_whole_and_sent_back_as_they_were_read(
    managed: Site, account: str
) -> None:
    access = await access_of(managed)
    shared = await api.run(access.policies.create, account_id=account, **{**api.EVERYONE, "name": "shared"})
    own = {**api.EVERYONE, "name": "own", "decision": "deny"}
    app = await made(access, account, policies=[own, {"id": shared.id, "precedence": 7}])
    first, second = (one.to_dict() for one in app.policies)
    assert (first["name"], first["reusable"], first["precedence"]) == ("own", False, 1)
    assert (second["id"], second["reusable"], second["precedence"]) == (shared.id, True, 7)
    assert (second["include"], second["decision"], second["app_count"]) == ([{"everyone": {}}], "allow", 1)
    again = await changed(access, account, app.id, policies=[first, second])
    assert [one.to_dict() for one in again.policies] == [first, second]
    by_id = await changed(access, account, app.id, policies=[shared.id, {"id": first["id"], "precedence": 9}])
    assert [(one.id, one.precedence) for one in by_id.policies] == [(shared.id, 1), (first["id"], 9)]
    found = await api.refused(
        access.applications.update,
        app.id,
        account_id=account,
        type="self_hosted",
        domain="wiki.example.com",
        policies=[{**second, "decision": "deny"}],
    )
    assert list(found) == ["/policies/0/decision"]
    assert f"/access/policies/{shared.id}" in found["/policies/0/decision"]
    await api.refused(access.policies.delete, shared.id, account_id=account, with_status=409)
    await api.run(access.applications.delete, app.id, account_id=account)
    assert (await api.run(access.policies.get, shared.id, account_id=account)).app_count == 0


async def test_an_applications_own_policies_live_their_whole_life(managed: Site, account: str) -> None:
    access = await access_of(managed)
    app = await made(access, account)
    policies = access.applications.policies

    async def create(**fields: object) -> Any:  # noqa: ANN401 - the client's models
        return await api.run(policies.create, app.id, account_id=account, extra_body=fields)

    first = await create(**api.EVERYONE)
    second = await create(**{**api.EVERYONE, "name": "second"}, approval_required=False)
    early = await create(**{**api.EVERYONE, "name": "early", "decision": "deny"}, precedence=0)
    assert [one.precedence for one in (first, second, early)] == [1, 2, 0]
    listed = await api.listed(policies.list, app.aud, account_id=account)
    assert [one.name for one in listed] == ["early", "all", "second"]
    managed.clock.advance(60)
    put = await api.run(
        policies.update, second.id, app_id=app.id, account_id=account, extra_body={"session_duration": "1h"}
    )
    assert (put.name, put.session_duration, put.created_at) == ("second", "1h", second.created_at)
    assert put.updated_at > second.updated_at
    assert (await api.run(policies.get, first.id, app_id=app.id, account_id=account)).to_dict() == first.to_dict()
    found = await api.refused(
        policies.update,
        second.id,
        app_id=app.id,
        account_id=account,
        extra_body={"include": [{"group": {"id": "none"}}], "purpose_justification_required": True},
    )
    assert list(found) == ["/purpose_justification_required"]
    found = await api.refused(
        policies.create,
        app.id,
        account_id=account,
        extra_body={**api.EVERYONE, "name": "x", "include": [{"group": {"id": "no"}}]},
    )
    assert list(found) == ["/include/0/group/id"]
    assert (await api.run(policies.delete, first.id, app_id=app.id, account_id=account)).id == first.id
    await api.refused(policies.get, first.id, app_id=app.id, account_id=account, with_status=404)
    await api.refused(policies.list, "00000000-0000-0000-0000-000000000000", account_id=account, with_status=404)


async def test_a_reusable_policy_is_read_and_never_changed_through_an_application(managed: Site, account: str) -> None:
    access = await access_of(managed)
    shared = await api.run(access.policies.create, account_id=account, **api.EVERYONE)
    app = await made(access, account, policies=[shared.id])
    policies = access.applications.policies
    assert (await api.run(policies.get, shared.id, app_id=app.id, account_id=account)).name == "all"
    found = await api.refused(policies.delete, shared.id, app_id=app.id, account_id=account)
    assert f"/access/policies/{shared.id}" in found["/policy_id"]
    body = {"name": "mine"}
    await api.refused(policies.update, shared.id, app_id=app.id, account_id=account, extra_body=body)


@pytest.mark.case(75)
async def test_mfa_is_not_turned_off_while_anything_overrides_it_and_each_of_them_is_named(
    managed: Site, account: str
) -> None:
    access = await access_of(managed)
    client = await api.client(managed)
    key_only = {"allowed_authenticators": ["security_key"]}
    shared = {**api.EVERYONE, "name": "shared", "mfa_config": {"session_duration": "1h"}}
    reusable = await api.run(access.policies.create, account_id=account, **shared)
    vault = await made(access, account, name="Vault", domain="vault.example.com", mfa_config=key_only)
    wiki = await made(access, account, policies=[{**api.EVERYONE, "mfa_config": {"mfa_disabled": True}}, reusable.id])
    await made(access, account, name="Plain", domain="plain.example.com", policies=[api.EVERYONE])
    organizations = client.zero_trust.organizations
    found = await api.refused(
        organizations.update,
        account_id=account,
        mfa_config={"allowed_authenticators": []},
        mfa_required_for_all_apps=False,
    )
    assert set(found) == {
        f"/access/policies/{reusable.id}/mfa_config",
        f"/access/apps/{vault.id}/mfa_config",
        f"/access/apps/{wiki.id}/policies/0/mfa_config",
    }
    for name in ("'shared'", "'Vault'", "the policy 'all' of the application 'Wiki'"):
        assert any(name in message for message in found.values()), name
    withdrawn = await api.refused(
        organizations.update, account_id=account, mfa_config={"allowed_authenticators": ["totp"]}
    )
    assert list(withdrawn) == [f"/access/apps/{vault.id}/mfa_config/allowed_authenticators/0"]
    read = await api.run(organizations.list, account_id=account)
    assert read.to_dict()["mfa_config"] == api.ORGANIZATION["mfa_config"]
    # once nothing overrides it any more, it goes
    await changed(access, account, vault.id, domain="vault.example.com", mfa_config=None)
    await changed(access, account, wiki.id, policies=[{**api.EVERYONE, "mfa_config": {}}])
    await api.run(access.policies.delete, reusable.id, account_id=account)
    off = {"mfa_config": {"allowed_authenticators": []}, "mfa_required_for_all_apps": False}
    await api.run(organizations.update, account_id=account, **off)
    assert not managed.services.access().rulebook.organization.mfa.allowed_authenticators


async def test_a_floor_lets_nothing_go_below_the_organization(managed: Site, account: str) -> None:
    access = await access_of(managed)
    client = await api.client(managed)
    app = await made(access, account, mfa_config={"mfa_disabled": True}, policies=[api.EVERYONE])
    floor = {"secondgate": {"mfa_floor": True}}
    update = client.zero_trust.organizations.update
    found = await api.refused(update, account_id=account, extra_body=floor)
    assert list(found) == [f"/access/apps/{app.id}/mfa_config/mfa_disabled"]
    await changed(access, account, app.id, mfa_config={"session_duration": "12h"})
    after = await api.run(update, account_id=account, extra_body=floor)
    assert after.to_dict()["secondgate"] == {"mfa_floor": True}
    for config, pointer in (
        ({"mfa_disabled": True}, "/mfa_config/mfa_disabled"),
        ({"session_duration": "13h"}, "/mfa_config/session_duration"),
    ):
        fields: dict[str, Any] = {"type": "self_hosted", "domain": "wiki.example.com", "mfa_config": config}
        found = await api.refused(access.applications.update, app.id, account_id=account, **fields)
        assert list(found) == [pointer]
    await changed(access, account, app.id, mfa_config={"session_duration": "0m"})


async def test_a_token_reads_changes_and_revokes_only_with_the_permission_for_it(managed: Site, account: str) -> None:
    app = await made(await access_of(managed), account)
    reading = await access_of(managed, Permission.APPS_READ)
    writing = await access_of(managed, Permission.APPS_WRITE)
    revoking = await access_of(managed, Permission.APPS_REVOKE)
    fields = {"type": "self_hosted", "domain": "x.example.com"}
    for access in (reading, revoking):
        await api.refused(access.applications.create, account_id=account, **fields, with_status=403)
    for access in (reading, writing):
        await api.refused(access.applications.revoke_tokens, app.id, account_id=account, with_status=403)
    await api.refused(revoking.applications.get, app.id, account_id=account, with_status=403)
    await api.run(revoking.applications.revoke_tokens, app.id, account_id=account)
    assert (await api.run(writing.applications.get, app.id, account_id=account)).id == app.id
