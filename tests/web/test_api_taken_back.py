"""What was read is sent back and nothing changes; what is taken back is gone; no call passes over what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cloudflare
import pytest

from secondgate.flows.api_tokens import create_api_token
from secondgate.model.api_token import Permission
from tests.web import api
from tests.web.site import Site, open_site

SHORT, ON, LONG = "amr_matching_session_duration", "amr_matching_enabled", "amr_session_duration"
MFA = {"allowed_authenticators": ["totp", "security_key"], "session_duration": "12h"}
DASHED, PLAIN = "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA", "a" * 32
ORGANIZATION = "/access/organizations"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site that the API manages, with MFA on."""
    async with open_site(tmp_path, api.managed_by_the_api) as started:
        await send(started, "put", ORGANIZATION, {"mfa_config": MFA})
        yield started


async def send(site: Site, method: str, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Send a body as it stands; gives the result."""
    client = await api.client(site)
    route = f"/accounts/{site.settings.account_id}{path}"
    return (await api.run(getattr(client, method), route, cast_to=object, body=body))["result"]


EVERYONE: list[dict[str, Any]] = [{"everyone": {}}]
SENT: dict[str, dict[str, Any]] = {
    "/access/apps": {"name": "a", "domain": "a.example.com", "policies": [api.EVERYONE], "mfa_config": {}},
    "/access/groups": {"name": "a", "include": EVERYONE, "exclude": [{"email": {"email": "Ann@example.com"}}]},
    "/access/identity_providers": {"name": "a", "type": "onetimepin"},
    "/access/policies": {"name": "a", "decision": "allow", "include": EVERYONE, "session_duration": "90m"},
    "/access/service_tokens": {"name": "a", "duration": "8760h"},
    "/access/users": {"email": "ann@example.com", "name": "Ann"},
    "/gateway/lists": {"name": "a", "type": "AAGUID", "items": [{"value": DASHED, "description": "blue"}]},
}


@pytest.mark.parametrize("path", SENT)
async def test_what_was_read_is_sent_back_as_it_stands_and_nothing_changes(site: Site, path: str) -> None:
    made = await send(site, "post", path, SENT[path])
    client = await api.client(site)
    one = f"{path}/{made['id']}"
    route = f"/accounts/{site.settings.account_id}{one}"
    before = (await api.run(client.get, route, cast_to=object))["result"]
    await send(site, "put", one, before)
    assert (await api.run(client.get, route, cast_to=object))["result"] == before


def amr_s(site: Site) -> int | None:
    return site.current().rulebook.organization.mfa.amr_matching_session_duration_s


@pytest.mark.parametrize(
    ("set_by", "taken_back_by"),
    [
        ({ON: True, LONG: "5h"}, {SHORT: None}),
        ({ON: True}, {SHORT: None}),
        ({SHORT: "5h"}, {ON: False, LONG: None}),
        ({SHORT: "5h"}, {ON: None, LONG: None}),
    ],
)
async def test_amr_matching_is_turned_off_in_either_spelling(
    site: Site, set_by: dict[str, Any], taken_back_by: dict[str, Any]
) -> None:
    shown = await send(site, "patch", ORGANIZATION, {"mfa_config": set_by})
    await send(site, "put", ORGANIZATION, shown)  # as clients send it back, in both
    assert amr_s(site) is not None
    shown = await send(site, "patch", ORGANIZATION, {"mfa_config": taken_back_by})
    assert amr_s(site) is None
    assert SHORT not in shown["mfa_config"]
    assert not shown["mfa_config"].get(ON)


@pytest.mark.parametrize("change", [{SHORT: "3h"}, {LONG: "3h"}, {ON: True, LONG: "3h"}])
async def test_the_duration_of_amr_matching_is_changed_in_either_spelling(site: Site, change: dict[str, Any]) -> None:
    shown = await send(site, "patch", ORGANIZATION, {"mfa_config": {SHORT: "5h"}})
    await send(site, "put", ORGANIZATION, shown)
    shown = await send(site, "patch", ORGANIZATION, {"mfa_config": change})
    assert amr_s(site) == 3 * 3600
    assert shown["mfa_config"] == {**MFA, ON: True, LONG: "3h", SHORT: "3h"}


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ('{"mfa_config": null, "mfa_config": {"allowed_authenticators": ["totp"]}}', "/mfa_config"),
        ('{"mfa_config": {"session_duration": "1h", "session_duration": "2h"}}', "/session_duration"),
        ('{"session_duration": NaN}', "/body"),
        ('{"session_duration": -Infinity}', "/body"),
    ],
)
async def test_json_that_others_might_read_otherwise_is_refused(site: Site, text: str, pointer: str) -> None:
    _, secret = await create_api_token(site.services, name="raw", permissions=tuple(Permission), actor="test")
    before = site.current()
    target = f"/client/v4/accounts/{site.settings.account_id}{ORGANIZATION}"
    fields = [("Authorization", f"Bearer {secret.reveal()}"), ("Content-Type", "application/json")]
    answer = await site.send("admin", "PUT", target, fields, text.encode())
    assert (answer.status, answer.json["errors"][0]["source"]["pointer"]) == (400, pointer)
    assert site.current() is before


@pytest.mark.parametrize(
    ("type_", "item", "spelled"),
    [
        ("AAGUID", DASHED, PLAIN),
        ("EMAIL", "Ann@Example.com", "ann@example.com"),
        ("IP", "2001:DB8::/32", "2001:db8::/32"),
    ],
)
async def test_an_item_is_removed_from_a_list_however_it_is_spelled(
    site: Site, type_: str, item: str, spelled: str
) -> None:
    items = [{"value": item}]
    made = await send(site, "post", "/gateway/lists", {"name": "some", "type": type_, "items": items})
    left = await send(site, "patch", f"/gateway/lists/{made['id']}", {"remove": [spelled]})
    assert left["items"] == []


@pytest.mark.case(74)
async def test_a_key_that_nothing_honours_is_refused_where_no_object_is_sent(site: Site) -> None:
    made = await send(site, "post", "/gateway/lists", {"name": "some", "type": "IP"})
    for method, path, body in (
        ("patch", f"/gateway/lists/{made['id']}", {"items": []}),
        ("patch", f"/gateway/lists/{made['id']}", {"remove": [5]}),
        ("post", "/access/organizations/revoke_user", {"email": "ann@example.com", "device": "a"}),
        ("post", "/access/policy-tests", {"policies": [api.EVERYONE], "users": []}),
    ):
        with pytest.raises(cloudflare.BadRequestError) as caught:
            await send(site, method, path, body)
        assert list(api.errors(caught.value)) == ["/" + list(body)[-1]]
