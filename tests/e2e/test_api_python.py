"""Cloudflare's official client for Python, with only its address and its token changed, against the real program.

It runs the whole life of every resource, reads every list to its end, and raises its own exceptions for every error.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import cloudflare
import httpx
import pytest

from tests.e2e.api_site import ACCOUNT_ID, ApiSite
from tests.e2e.visitor import Visitor

Client = Any
"""The client's models are untyped here: what it sends and reads is tested."""
Fields = dict[str, Any]
IN = {"account_id": ACCOUNT_ID}
PEOPLE = [{"email_domain": {"domain": "people.test"}}]
ALLOW = {"name": "people", "decision": "allow", "include": PEOPLE}
OIDC = {"issuer_url": "https://login.example.com", "client_id": "us", "client_secret": "between us"}
KEY = "cb69481e-8ff7-4039-93ec-0a2729a154a8"
READ_USERS: Fields = {
    "effect": "allow",
    "permission_groups": [{"id": "d4b7a6406e4d495e9cb2212bb93f62a0"}],
    "resources": {f"com.cloudflare.api.account.{ACCOUNT_ID}": "*"},
}
_numbers = itertools.count()


def told(model: Any) -> Fields:  # noqa: ANN401 - the client's model
    """Give what an answer held. The client's own unions of models would warn of one another."""
    fields: Fields = model.to_dict(mode="json", warnings=False)
    return fields


@pytest.fixture(scope="module")
def client(api_site: ApiSite) -> Iterator[Client]:
    with api_site.client() as client:
        organizations = client.zero_trust.organizations
        config = {"allowed_authenticators": ["totp", "security_key"], "session_duration": "12h"}
        organizations.update(**IN, name="Example", mfa_config=config, mfa_required_for_all_apps=True)
        yield client


@pytest.fixture(scope="module")
def wiki(client: Client, api_site: ApiSite) -> Any:  # noqa: ANN401 - the client's model
    """Make an application that people log in to."""
    pin = client.zero_trust.identity_providers.create(**IN, name="PIN", type="onetimepin", config={})
    return client.zero_trust.access.applications.create(
        **IN,
        type="self_hosted",
        name="Wiki",
        domain=api_site.site.host("wiki"),
        allowed_idps=[pin.id],
        policies=[ALLOW],
    )


def test_the_account_and_the_token_are_told(client: Client) -> None:
    assert [account.id for account in client.accounts.list()] == [ACCOUNT_ID]
    assert client.accounts.get(**IN).name == "Example"
    assert client.user.tokens.verify().status == "active"
    assert client.accounts.tokens.verify(**IN).status == "active"


def test_the_organization_is_read_changed_in_part_and_cleared(client: Client) -> None:
    organizations = client.zero_trust.organizations
    before = told(organizations.list(**IN))
    organizations.update(**IN, session_duration="24h")
    after = told(organizations.list(**IN))
    assert (after["session_duration"], after["mfa_config"]) == ("24h", before["mfa_config"])
    cleared = told(organizations.update(**IN, extra_body={"session_duration": None}))
    assert {**cleared, "updated_at": ""} == {**before, "updated_at": ""}


LIVES: dict[str, tuple[Callable[[Client], Any], Callable[[str], Fields], Fields]] = {
    "identity providers": (
        lambda client: client.zero_trust.identity_providers,
        lambda name: {"name": name, "type": "oidc", "config": OIDC},
        {"name": "changed", "type": "oidc", "config": {**OIDC, "claims": ["groups"]}},
    ),
    "groups": (
        lambda client: client.zero_trust.access.groups,
        lambda name: {"name": name, "include": PEOPLE},
        {"name": "changed", "include": [{"everyone": {}}]},
    ),
    "policies": (
        lambda client: client.zero_trust.access.policies,
        lambda name: {**ALLOW, "name": name, "mfa_config": {"mfa_disabled": True}},
        {**ALLOW, "name": "changed"},
    ),
    "tags": (lambda client: client.zero_trust.access.tags, lambda name: {"name": name}, {"name": "changed"}),
    "service tokens": (
        lambda client: client.zero_trust.access.service_tokens,
        lambda name: {"name": name, "duration": "24h"},
        {"name": "changed", "duration": "forever"},
    ),
    "users": (
        lambda client: client.zero_trust.access.users,
        lambda name: {"email": f"{name}@people.test", "name": name},
        {"name": "changed"},
    ),
    "applications": (
        lambda client: client.zero_trust.access.applications,
        lambda name: {"type": "self_hosted", "name": name, "domain": f"{name}.example.com", "policies": [ALLOW]},
        {"type": "self_hosted", "name": "changed", "domain": "changed.example.com/path"},
    ),
    "lists of AAGUIDs": (
        lambda client: client.zero_trust.gateway.lists,
        lambda name: {"name": name, "type": "AAGUID", "items": [{"value": KEY.upper()}]},
        {"name": "changed", "items": [{"value": KEY}]},
    ),
    "lists of addresses": (
        lambda client: client.zero_trust.gateway.lists,
        lambda name: {"name": name, "type": "EMAIL", "items": [{"value": "eve@partner.example"}]},
        {"name": "changed", "description": "contractors"},
    ),
    "tokens": (
        lambda client: client.accounts.tokens,
        lambda name: {"name": name, "policies": [READ_USERS]},
        {"name": "changed", "policies": [READ_USERS], "status": "disabled"},
    ),
}
"""Of each resource: where it stands, what makes one, and how it is changed."""


@pytest.mark.parametrize("kind", LIVES)
def test_a_resource_lives_its_whole_life_and_its_list_is_read_to_its_end(client: Client, kind: str) -> None:
    place, fields_of, changes = LIVES[kind]
    resource = place(client)
    key = "name" if kind == "tags" else "id"
    made = [resource.create(**IN, **fields_of(f"made{next(_numbers)}")) for _ in range(5)]
    keys = [getattr(one, key) for one in made]
    listed = resource.list(**IN) if "lists" in kind else resource.list(**IN, per_page=2)
    found = [getattr(one, key) for one in listed]
    assert len(found) == len(set(found))
    assert set(keys) <= set(found)

    read = told(resource.get(keys[0], **IN))
    assert read == {name: value for name, value in told(made[0]).items() if name in read}
    if kind == "users":
        changes = {**changes, "email": made[0].email}
    changed = told(resource.update(keys[0], **IN, **changes))
    sent = {name: value for name, value in changes.items() if name not in {"config", "policies", "items", "include"}}
    assert {**changed, **sent} == changed
    keys[0] = changed[key]
    assert told(resource.get(keys[0], **IN)).items() >= changed.items()

    for one in keys:
        resource.delete(one, **IN)
    for one in keys:
        with pytest.raises(cloudflare.NotFoundError):
            resource.get(one, **IN)
    assert not {getattr(one, key) for one in resource.list(**IN)} & set(keys)


def test_a_provider_keeps_its_secret_to_itself(client: Client) -> None:
    providers = client.zero_trust.identity_providers
    made = providers.create(**IN, name="Corporate", type="oidc", config=OIDC)
    assert made.config.client_id == "us"
    assert "between us" not in str([told(made), *(told(one) for one in providers.list(**IN))])
    providers.delete(made.id, **IN)


def test_a_lists_items_are_appended_removed_and_read_to_their_end(client: Client) -> None:
    lists = client.zero_trust.gateway.lists
    made = lists.create(**IN, name="offices", type="IP", items=[{"value": "192.0.2.0/24"}])
    added = [{"value": f"198.51.100.{n}", "description": f"number {n}"} for n in range(60)]
    assert lists.edit(made.id, **IN, append=added, remove=["192.0.2.0/24"]).count == 60
    assert [item.value for item in lists.items.list(made.id, **IN)] == [one["value"] for one in added]
    lists.delete(made.id, **IN)


def test_a_service_token_is_refreshed_rotated_and_opens_what_it_is_for(client: Client) -> None:
    tokens = client.zero_trust.access.service_tokens
    made = tokens.create(**IN, name="deploy", duration="24h")
    assert told(tokens.refresh(made.id, **IN))["expires_at"] >= told(made)["expires_at"]
    rotated = tokens.rotate(made.id, **IN)
    assert (rotated.client_id, rotated.client_secret != made.client_secret) == (made.client_id, True)
    assert "client_secret" not in told(tokens.get(made.id, **IN))
    tokens.delete(made.id, **IN)


def test_an_applications_policies_live_and_are_tried_out(client: Client, wiki: Any) -> None:  # noqa: ANN401 - the client's model
    access = client.zero_trust.access
    policies = access.applications.policies
    for name in ("first", "second"):
        made = policies.create(wiki.id, **IN, extra_body={**ALLOW, "name": name})
        assert told(policies.get(made.id, app_id=wiki.id, **IN)) == told(made)
        config = {"allowed_authenticators": ["security_key"]}
        changed = policies.update(made.id, app_id=wiki.id, **IN, mfa_config=config)
        assert changed.mfa_config.allowed_authenticators == ["security_key"]
        assert len(list(policies.list(wiki.id, **IN, per_page=1))) == 2
        policies.delete(made.id, app_id=wiki.id, **IN)
        with pytest.raises(cloudflare.NotFoundError):
            policies.get(made.id, app_id=wiki.id, **IN)
    checked = access.applications.user_policy_checks.list(wiki.id, **IN, extra_query={"email": "ben@people.test"})
    assert told(checked.app_state)["status"] == "mfa_required"
    begun = access.applications.policy_tests.create(**IN, policies=[{**ALLOW, "include": [{"everyone": {}}]}])
    deadline = time.monotonic() + 10
    while (done := access.applications.policy_tests.get(begun.id, **IN)).status != "complete":
        assert time.monotonic() < deadline, done
        time.sleep(0.05)
    people = list(access.applications.policy_tests.users.list(begun.id, **IN, per_page=1))
    assert len(people) == done.total_users
    access.applications.revoke_tokens(wiki.id, **IN)


@pytest.fixture
def ann(client: Client, api_site: ApiSite, wiki: Any) -> Iterator[Any]:  # noqa: ANN401 - the client's model
    """Somebody who has set up an authenticator app and is at the application."""
    assert wiki.id
    address = f"ann{next(_numbers)}@people.test"
    visitor = Visitor(api_site.site)
    visitor.enrol_totp(address, "wiki", "/page")
    assert visitor.page.status == 200
    [user] = client.zero_trust.access.users.list(**IN, email=address)
    yield user
    client.zero_trust.access.users.delete(user.id, **IN)


def test_a_persons_sessions_and_authenticators_are_seen_and_ended(
    client: Client,
    api_site: ApiSite,
    ann: Any,  # noqa: ANN401 - the client's model
) -> None:
    users = client.zero_trust.access.users
    assert (ann.active_device_count, ann.access_seat) == (1, True)
    sessions = list(users.active_sessions.list(ann.id, **IN))
    portal, application = client.zero_trust.organizations.list(**IN).auth_domain, api_site.site.host("wiki")
    assert {session.name for session in sessions} == {portal, application}
    for session in sessions:
        assert users.active_sessions.get(session.metadata.nonce, user_id=ann.id, **IN).email == ann.email
    assert users.last_seen_identity.get(ann.id, **IN).email == ann.email
    assert list(users.failed_logins.list(ann.id, **IN)) == []
    path = f"/accounts/{ACCOUNT_ID}/access/users/{ann.id}/mfa_authenticators"
    [device] = client.get(path, cast_to=object)["result"]
    assert device["type"] == "totp"
    assert client.delete(f"{path}/{device['id']}", cast_to=object)["result"] == {"id": device["id"]}
    assert [one.name for one in users.active_sessions.list(ann.id, **IN)] == [portal]
    assert client.zero_trust.organizations.revoke_users(**IN, email=ann.email) is True
    assert list(users.active_sessions.list(ann.id, **IN)) == []


def test_signing_keys_are_rotated(client: Client) -> None:
    keys = client.zero_trust.access.keys
    assert keys.update(**IN, key_rotation_interval_days=30).key_rotation_interval_days == 30
    before = keys.get(**IN).last_key_rotation_at
    assert keys.rotate(**IN).last_key_rotation_at >= before


def test_both_logs_are_read_to_their_ends(client: Client, ann: Any) -> None:  # noqa: ANN401 - the client's model
    now = datetime.now(UTC)
    between = {"since": now - timedelta(days=1), "before": now + timedelta(days=1)}
    events = list(client.accounts.logs.audit.list(**IN, **between, limit=7))
    assert len(events) > 7
    assert len({event.id for event in events}) == len(events)
    assert {"api_token.created", "authenticator.added"} <= {event.action.description for event in events}
    logins = client.zero_trust.access.logs.access_requests.list(**IN, email=ann.email, email_exact=True)
    assert [(login.allowed, login.user_email) for login in logins] == [(True, ann.email)]


def test_a_token_that_was_made_does_what_it_may_and_ends(client: Client, api_site: ApiSite) -> None:
    tokens = client.accounts.tokens
    names = {group.id for group in tokens.permission_groups.list(**IN)}
    assert READ_USERS["permission_groups"][0]["id"] in names
    made = tokens.create(**IN, name="reader", policies=[READ_USERS])
    value = tokens.value.update(made.id, **IN)
    with api_site.client(value) as reader:
        assert list(reader.zero_trust.access.users.list(**IN)) is not None
        with pytest.raises(cloudflare.PermissionDeniedError):
            reader.zero_trust.access.groups.list(**IN)
        tokens.delete(made.id, **IN)
        with pytest.raises(cloudflare.PermissionDeniedError):
            reader.user.tokens.verify()


def test_every_error_is_an_exception_of_the_clients_own(client: Client, api_site: ApiSite) -> None:
    access, lists = client.zero_trust.access, client.zero_trust.gateway.lists
    with pytest.raises(cloudflare.BadRequestError) as bad:
        access.groups.create(**IN, name="geo", include=[{"geo": {"country_code": "DE"}}])
    assert (bad.value.errors[0].code, "geo" in str(bad.value.errors[0].message)) == (12130, True)
    with pytest.raises(cloudflare.NotFoundError):
        access.groups.get("00000000-0000-0000-0000-000000000000", **IN)
    with pytest.raises(cloudflare.PermissionDeniedError):
        access.groups.list(account_id="f" * 32)
    made = lists.create(**IN, name="partners", type="EMAIL", items=[])
    group = access.groups.create(**IN, name="partners", include=[{"email_list": {"id": made.id}}])
    with pytest.raises(cloudflare.ConflictError) as used:
        lists.delete(made.id, **IN)
    assert "partners" in str(used.value.errors[0].message)
    access.groups.delete(group.id, **IN)
    lists.delete(made.id, **IN)
    with api_site.client("no-token") as nobody, pytest.raises(cloudflare.PermissionDeniedError):
        nobody.user.tokens.verify()
    with api_site.client() as elsewhere, pytest.raises(cloudflare.NotFoundError):
        elsewhere.zero_trust.access.groups.list(zone_id="0" * 32)


def test_an_outage_is_the_clients_connection_error(client: Client, api_site: ApiSite) -> None:
    api_site.site.secondgate.stop()
    with pytest.raises(cloudflare.APIConnectionError):
        client.with_options(max_retries=0, timeout=httpx.Timeout(5)).accounts.get(**IN)
