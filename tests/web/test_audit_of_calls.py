"""Every call that changes something leaves an event that names the token and the call, and holds no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from secondgate.admin.permission_groups import ACCOUNT_SCOPE, GROUP_IDS
from secondgate.admin.resources import CALLS
from secondgate.model.api_token import Permission
from secondgate.model.audit import ActorKind
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator, Identity
from secondgate.model.session import Login
from tests.web import api
from tests.web.conftest import StartSite
from tests.web.site import START, Site

SECRET_FIELDS = ("client_secret", "code")
ORGANIZATION = {"name": "Example", "mfa_config": {"allowed_authenticators": ["totp"], "session_duration": "1h"}}
PROVIDER = {
    "name": "Corp",
    "type": "oidc",
    "config": {"issuer_url": "https://idp.example.com", "client_id": "me", "client_secret": "hunter2-hunter2"},
}
RULE: dict[str, Any] = {"include": [{"everyone": {}}]}
POLICY = {"name": "all", "decision": "allow", **RULE}
APPLICATION = {"type": "self_hosted", "name": "Wiki", "domain": "wiki.example.com"}
WRITES_NOTHING_THAT_IS_KEPT = {"POST /access/policy-tests"}


@dataclass(frozen=True)
class Step:
    """A call in the table's spelling, its body, the action that it leaves, and what its result's id is called."""

    call: str
    action: str
    body: Mapping[str, Any] = field(default_factory=dict)
    keeps: str = ""


def token_body(account: str, name: str) -> dict[str, Any]:
    group = {"id": GROUP_IDS[Permission.USERS_READ]}
    resources = {f"{ACCOUNT_SCOPE}.{account}": "*"}
    return {"name": name, "policies": [{"effect": "allow", "permission_groups": [group], "resources": resources}]}


def steps(account: str) -> list[Step]:
    policy, app = "/access/policies", "/access/apps"
    return [
        Step("POST /access/organizations", "organization.created", ORGANIZATION),
        Step("PUT /access/organizations", "organization.updated", {"name": "Better"}),
        Step("PATCH /access/organizations", "organization.updated", {"name": "Best"}),
        Step("POST /access/identity_providers", "identity_providers.created", PROVIDER, "identity_provider_id"),
        Step(
            "PUT /access/identity_providers/{identity_provider_id}",
            "identity_providers.updated",
            {**PROVIDER, "config": {**PROVIDER["config"], "client_secret": "hunter2-rotated"}},  # type: ignore[dict-item]
        ),
        Step("DELETE /access/identity_providers/{identity_provider_id}", "identity_providers.deleted"),
        Step("POST /access/groups", "groups.created", {"name": "G", **RULE}, "group_id"),
        Step("PUT /access/groups/{group_id}", "groups.updated", {"name": "H"}),
        Step("DELETE /access/groups/{group_id}", "groups.deleted"),
        Step(f"POST {policy}", "policies.created", POLICY, "policy_id"),
        Step(f"PUT {policy}/{{policy_id}}", "policies.updated", {**POLICY, "name": "some"}),
        Step(f"DELETE {policy}/{{policy_id}}", "policies.deleted"),
        Step("POST /access/tags", "tags.created", {"name": "old"}, "tag_id"),
        Step("PUT /access/tags/{tag_id}", "tags.updated", {"name": "new"}, "tag_id"),
        Step("DELETE /access/tags/{tag_id}", "tags.deleted"),
        Step(f"POST {app}", "applications.created", APPLICATION, "application_id"),
        Step(f"PUT {app}/{{application_id}}", "applications.updated", {**APPLICATION, "session_duration": "1h"}),
        Step(f"POST {app}/{{application_id}}/policies", "applications.updated", POLICY, "policy_id"),
        Step(f"PUT {app}/{{application_id}}/policies/{{policy_id}}", "applications.updated", {**POLICY, "name": "b"}),
        Step(f"DELETE {app}/{{application_id}}/policies/{{policy_id}}", "applications.updated"),
        Step(f"POST {app}/{{application_id}}/revoke_tokens", "application.tokens_revoked"),
        Step(f"DELETE {app}/{{application_id}}", "applications.deleted"),
        Step("POST /gateway/lists", "lists.created", {"name": "L", "type": "EMAIL", "items": []}, "list_id"),
        Step("PUT /gateway/lists/{list_id}", "lists.updated", {"name": "M", "items": [{"value": "a@x.org"}]}),
        Step("PATCH /gateway/lists/{list_id}", "lists.updated", {"append": [{"value": "b@x.org"}], "remove": []}),
        Step("DELETE /gateway/lists/{list_id}", "lists.deleted"),
        Step("POST /access/service_tokens", "service_token.created", {"name": "ci"}, "service_token_id"),
        Step("PUT /access/service_tokens/{service_token_id}", "service_token.updated", {"name": "cd"}),
        Step("POST /access/service_tokens/{service_token_id}/refresh", "service_token.updated"),
        Step("POST /access/service_tokens/{service_token_id}/rotate", "service_token.rotated"),
        Step("DELETE /access/service_tokens/{service_token_id}", "service_token.revoked"),
        Step("POST /tokens", "api_token.created", token_body(account, "other"), "token_id"),
        Step("PUT /tokens/{token_id}", "api_token.updated", token_body(account, "another")),
        Step("PUT /tokens/{token_id}/value", "api_token.rotated"),
        Step("DELETE /tokens/{token_id}", "api_token.revoked"),
        Step("PUT /access/keys", "signing_keys.updated", {"key_rotation_interval_days": 60}),
        Step("POST /access/keys/rotate", "signing_keys.rotated"),
        Step("POST /access/users", "person.created", {"email": "ada@example.com", "name": "Ada"}),
        Step("PUT /access/users/{user_id}", "person.renamed", {"email": "ann@example.com", "name": "Ann"}),
        Step("POST /access/users/{user_id}/temporary_passes", "pass.created", {"ttl": "1h"}, "pass_id"),
        Step("DELETE /access/users/{user_id}/temporary_passes/{pass_id}", "pass.revoked"),
        Step("DELETE /access/users/{user_id}/active_sessions/{nonce}", "session.ended"),
        Step(
            "DELETE /access/users/{user_id}/mfa_authenticators/{authenticator_id}",
            "authenticator.deleted",
        ),
        Step("POST /access/organizations/revoke_user", "sessions.ended", {"email": "ann@example.com"}),
        Step("DELETE /access/users/{user_id}", "person.deleted"),
    ]


async def somebody(site: Site) -> dict[str, str]:
    """Make a person with an authenticator and a login; give the path's parameters that name them."""
    durable, now = site.services.durable, int(site.clock())
    person = await durable.find_or_create_person(new_id="p-1", email="ann@example.com", name="", now=now)
    await durable.add_authenticator(
        Authenticator("a-1", person.id, Method.BIOMETRICS, "laptop", now, credential_id=b"id", public_key=b"key"),
        only_as_first=True,
    )
    login = Login("l-1", person.id, "device", Identity("ann@example.com"), now, now + 3600)
    await site.services.sessions.save_login(login, now=now)
    return {"user_id": person.id, "authenticator_id": "a-1", "nonce": "l-1"}


def secrets_in(value: object) -> list[str]:
    """Give every secret that an answer shows, at any depth."""
    if isinstance(value, dict):
        found = [inner for name, inner in value.items() if name in SECRET_FIELDS and isinstance(inner, str)]
        return [*found, *(secret for inner in value.values() for secret in secrets_in(inner))]
    return [secret for inner in value for secret in secrets_in(inner)] if isinstance(value, list) else []


def test_the_table_has_every_call_that_writes() -> None:
    writing = {
        f"{call.method} {call.path.removeprefix('/accounts/{account_id}')}" for call in CALLS if call.method != "GET"
    }
    assert {step.call for step in steps("")} == writing - WRITES_NOTHING_THAT_IS_KEPT


@pytest.mark.case(76)
async def test_each_leaves_an_event_with_token_call_and_address_and_without_secrets(start_site: StartSite) -> None:
    site = await start_site(api.managed_by_the_api)
    client, account = await api.client(site), site.settings.account_id
    [token] = await site.services.durable.list_api_tokens()
    parameters, secrets = await somebody(site), ["hunter2", client.api_token]
    for step in steps(account):
        method, _, path = step.call.partition(" ")
        target = f"/client/v4/accounts/{account}{path.format(**parameters)}"
        site.clock.advance(60)
        before = len(await site.events())
        fields = [("Authorization", f"Bearer {client.api_token}"), ("Content-Type", "application/json")]
        answer = await site.send("admin", method, target, fields, json.dumps(step.body).encode())
        assert answer.status in {200, 201, 202}, (step.call, answer.text)
        result = answer.json["result"]
        told = result if isinstance(result, str) else result.get("value") if isinstance(result, dict) else None
        secrets += [*secrets_in(result), *([told] if told else [])]
        if step.keeps:
            parameters[step.keeps] = result["id"]
        written = (await site.events())[before:]
        own = [event for event in written if event.action == step.action]
        assert len(own) == 1, (step.call, [event.action for event in written])
        for event in written:
            assert (event.actor_kind, event.actor, event.actor_id) == (ActorKind.TOKEN, token.name, token.id), step
            assert event.address == "127.0.0.1", step
            assert event.detail["call"] == f"{method} {target}", step
            assert event.at > START
            assert event.id
    kept = json.dumps([list(map(str, row)) for row in site.rows()["audit_events"]])
    assert len(secrets) > 5
    assert [secret for secret in secrets if secret in kept] == []
