"""What a configuration file manages: the API reads it, with the ids that it is judged by, and changes nothing of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from secondgate.admin.calls import Call
from secondgate.admin.envelope import PATHS
from secondgate.admin.resources import CALLS
from secondgate.flows.api_tokens import create_api_token
from secondgate.model.access_object import ObjectKind
from secondgate.model.api_token import Permission
from tests.web.conftest import StartSite
from tests.web.site import FORWARD_AUTH, Site, application
from tests.web.wire import Answer

STAFF_ID = "0b0e5d0e-6d9c-4d8e-8f43-0a3f2a1c9d11"
NO_SETTING = ("/revoke_user", "/revoke_tokens", "/policy-tests", "/user_policy_checks")
"""Calls that change no managed object, whoever manages them."""


def everything(configuration: dict[str, Any]) -> None:
    """Put one object of each kind into the file."""
    access = configuration["access"]
    access["identity_providers"].append(
        {
            "name": "Corporate",
            "type": "oidc",
            "config": {
                "issuer_url": "https://login.example.com",
                "client_id": "secondgate",
                "client_secret": "not to be seen",
            },
        }
    )
    access["lists"] = [{"name": "Guests", "type": "EMAIL", "items": [{"value": "Guest@Example.com"}]}]
    access["groups"] = [{"id": STAFF_ID, "name": "Staff", "include": [{"email_list": {"id": "Guests"}}]}]
    access["policies"] = [{"name": "Guests too", "decision": "allow", "include": [{"group": {"id": "Staff"}}]}]
    access["tags"] = [{"name": "internal"}]
    shared = application("Shared", "shared.example.com", tags=["internal"])
    access["applications"].append({**shared, "policies": ["Guests too"]})


@dataclass(frozen=True)
class Api:
    """The API of a site, called with a token that may do everything."""

    site: Site
    token: str

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Call with what stands under an account."""
        fields = [("Authorization", f"Bearer {self.token}"), ("Content-Type", "application/json")]
        target = f"/client/v4/accounts/{self.site.settings.account_id}{path}"
        data = b"" if body is None else json.dumps(body).encode()
        return await self.site.send("admin", method, target, fields, data)

    async def result(self, path: str) -> Any:  # noqa: ANN401 - JSON is of any shape
        """Read."""
        answer = await self.call("GET", path)
        assert (answer.status, answer.json["success"]) == (200, True), answer.text
        return answer.json["result"]


async def open_api(site: Site) -> Api:
    _, secret = await create_api_token(site.services, name="root", permissions=Permission, actor="test")
    return Api(site, secret.reveal())


@pytest.fixture
async def api(start_site: StartSite) -> Api:
    return await open_api(await start_site(everything))


def changing_calls() -> Sequence[Call]:
    """Give all calls that change a managed object."""
    places = tuple(f"/accounts/{{account_id}}{path}" for path in PATHS.values())
    return [
        call
        for call in CALLS
        if call.method != "GET" and call.path.startswith(places) and not call.path.endswith(NO_SETTING)
    ]


async def some_id(api: Api, path: str) -> str:
    """Give the id (or, of a tag, the name) of the last object in a list."""
    result = await api.result(path)
    last = result[-1]
    return str(last.get("id", last["name"]))


async def filled(api: Api, path: str) -> str:
    """Fill a path's parameters with what is there."""
    parts = path.removeprefix("/accounts/{account_id}").split("/")
    for number, part in enumerate(parts):
        if part.startswith("{"):
            parts[number] = await some_id(api, "/".join(parts[:number]))
    return "/".join(parts)


async def test_the_api_reads_what_the_file_says_with_the_ids_that_it_is_judged_by(api: Api) -> None:
    access = api.site.current()
    providers = await api.result("/access/identity_providers")
    assert [(one["id"], one["name"]) for one in providers] == [(one.id, one.name) for one in access.identity_providers]
    assert "not to be seen" not in json.dumps(providers)
    assert [one["id"] for one in await api.result("/access/groups")] == [STAFF_ID] == list(access.rulebook.groups)
    (shared,) = [one for one in access.applications if one.name == "Shared"]
    (policy,) = await api.result("/access/policies")
    assert (policy["id"], policy["app_count"]) == (shared.policies[0].id, 1)
    (list_,) = await api.result("/gateway/lists")
    assert await api.result(f"/gateway/lists/{list_['id']}/items") == [
        {"value": "Guest@Example.com", "created_at": list_["created_at"]}
    ]
    organization = await api.result("/access/organizations")
    assert organization["name"] == "Example"
    assert organization["mfa_config"] == {
        "allowed_authenticators": ["totp", "security_key", "biometrics"],
        "session_duration": "30m",
    }


async def test_each_object_is_found_by_the_id_that_its_list_gives(api: Api) -> None:
    collections = [call.path for call in CALLS if call.method == "GET" and call.is_list and call.path.count("{") == 1]
    managed = [path for path in collections if path.removeprefix("/accounts/{account_id}") in PATHS.values()]
    assert managed
    for path in managed:
        place = path.removeprefix("/accounts/{account_id}")
        for one in await api.result(place):
            found = await api.result(f"{place}/{one.get('id', one['name'])}")
            assert one.items() <= found.items()


def test_the_calls_that_change_something_are_known() -> None:
    named = {(call.method, call.path.removeprefix("/accounts/{account_id}")) for call in changing_calls()}
    for kind, path in PATHS.items():
        if any(call.path == f"/accounts/{{account_id}}{path}" for call in CALLS):
            assert ("POST", path) in named, kind


@pytest.mark.parametrize("call", changing_calls(), ids=lambda call: f"{call.method} {call.path}")
@pytest.mark.parametrize("is_sent_well", [True, False])
async def test_each_call_that_would_change_it_is_refused_naming_the_file(
    api: Api, call: Call, *, is_sent_well: bool
) -> None:
    path = await filled(api, call.path)
    body: Any = {}
    if is_sent_well:
        body = await api.result(path) if call.method in {"PUT", "PATCH"} else {"name": "new"}
        body = body if isinstance(body, dict) else {}
    before, rows = api.site.current(), api.site.rows(without=("live", "api_tokens"))
    answer = await api.call(call.method, path, None if call.method == "DELETE" else body)
    assert answer.status == 409, answer.text
    assert answer.one("x-should-retry") == "false"
    assert answer.json["success"] is False
    (error,) = answer.json["errors"]
    assert error["code"] == 12132
    assert str(api.site.config_file) in error["message"]
    assert api.site.current() is before
    assert api.site.rows(without=("live", "api_tokens")) == rows


async def test_what_the_file_says_next_is_read_next_under_the_same_ids(api: Api) -> None:
    before = {one["name"]: one for one in await api.result("/access/groups")}
    api.site.clock.advance(60)
    api.site.reload(
        lambda configuration: configuration["access"]["groups"].append({"name": "More", "include": [{"everyone": {}}]})
    )
    after = {one["name"]: one for one in await api.result("/access/groups")}
    assert after["Staff"] == before["Staff"]
    assert after.keys() == {"Staff", "More"}
    assert (await api.result(f"/access/groups/{after['More']['id']}"))["name"] == "More"


@pytest.mark.case(92)
async def test_a_bad_file_changes_nothing_of_what_the_api_reads(api: Api) -> None:
    before = await api.result("/access/groups")
    api.site.reload(lambda configuration: configuration["access"].update(groups=[{"name": "Staff", "include": "all"}]))
    assert await api.result("/access/groups") == before


async def test_what_the_file_manages_is_not_kept_in_the_database(api: Api) -> None:
    stored = await api.site.services.durable.load_access_objects()
    assert stored.objects == ()
    assert api.site.current.documents.find(ObjectKind.GROUP, STAFF_ID) is not None


async def test_the_way_to_what_the_file_manages_is_judged_by_it(api: Api) -> None:
    assert (await api.site.check(FORWARD_AUTH, "https://open.example.com/")).status == 200
    assert (await api.site.check(FORWARD_AUTH, "https://shared.example.com/")).status == 302
