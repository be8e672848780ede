"""Nobody without a token that may do it gets anything from any call of the API, and nothing is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

import pytest

from secondgate.admin.calls import Call
from secondgate.admin.resources import CALLS
from secondgate.admin.server import BASE
from secondgate.flows.api_tokens import create_api_token
from secondgate.model.api_token import Permission
from secondgate.model.policy import Network
from tests.web import api
from tests.web.conftest import StartSite
from tests.web.site import PROXY, START, STRANGER, Site
from tests.web.wire import Answer, Fields

NOT_COMPARED = ("audit_events", "sqlite_sequence", "live", "api_tokens")


@pytest.fixture
async def managed(start_site: StartSite) -> Site:
    return await start_site(api.managed_by_the_api)


def path_of(call: Call, account: str) -> str:
    """Give the path of a call, in the account, of objects that might be there."""
    path = call.path.replace("{account_id}", account)
    return BASE + re.sub(r"\{\w+\}", "01234567-89ab-cdef-0123-456789abcdef", path)


async def ask(
    site: Site, call: Call, fields: Fields, *, account: str = "", query: str = "", source: str = PROXY
) -> Answer:
    target = path_of(call, account or site.settings.account_id) + query
    body = json.dumps({"name": "x"}).encode() if call.body is not None else b""
    return await site.send("admin", call.method, target, fields, body, source=source)


async def bearer(
    site: Site,
    name: str,
    permissions: Iterable[Permission] = tuple(Permission),
    *,
    networks: tuple[Network, ...] = (),
    expires_at: int | None = None,
) -> Fields:
    """Make a token; gives the field that presents it."""
    _, secret = await create_api_token(
        site.services, name=name, permissions=permissions, networks=networks, expires_at=expires_at, actor="test"
    )
    return [("Authorization", f"Bearer {secret.reveal()}")]


def verify_refusal(answer: Answer, call: Call, *, code: int, status: int = 403) -> dict[str, Any]:
    """Prove that an answer is a refusal in the envelope; gives its error."""
    place = f"{call.method} {call.path}"
    assert answer.status == status, place
    assert answer.one("Content-Type").startswith("application/json"), place
    assert answer.json["success"] is False, place
    assert answer.json["result"] is None, place
    (error,) = answer.json["errors"]
    assert error["code"] == code, place
    return dict(error)


@pytest.mark.case(72)
async def test_without_a_token_that_is_taken_every_call_is_refused_and_nothing_changes(managed: Site) -> None:
    right = await bearer(managed, "right")
    value = right[0][1].removeprefix("Bearer ")
    expired = await bearer(managed, "expired", expires_at=START)
    revoked = await bearer(managed, "revoked")
    await managed.services.durable.delete_api_token(
        next(one.id for one in await managed.services.durable.list_api_tokens() if one.name == "revoked")
    )
    before = managed.rows(without=NOT_COMPARED)
    for call in CALLS:
        for fields in (
            [],
            [("Authorization", f"Bearer {value[:-1]}")],
            [("Authorization", f"Bearer {value}x")],
            [("Authorization", f"Bearer {value.upper()}")],
            expired,
            revoked,
            [("Cookie", f"Authorization=Bearer {value}; token={value}")],
            [("X-Auth-Key", value), ("X-Auth-Email", "root@example.com")],
        ):
            verify_refusal(await ask(managed, call, fields), call, code=10000)
        for name in ("token", "access_token", "Authorization", "api_token"):
            verify_refusal(await ask(managed, call, [], query=f"?{name}={value}"), call, code=10000)
        for odd in (
            [("Authorization", value)],
            [("Authorization", f"Basic {value}")],
            [("Authorization", "Bearer ")],
            [*right, *right],
        ):
            verify_refusal(await ask(managed, call, odd), call, code=6003, status=400)
    assert managed.rows(without=NOT_COMPARED) == before
    stored = {one.name: one for one in await managed.services.durable.list_api_tokens()}
    assert (stored["right"].last_used_at, stored["expired"].last_used_at) == (None, None)


@pytest.mark.case(72)
async def test_a_token_that_may_all_but_what_a_call_needs_is_refused_and_nothing_changes(managed: Site) -> None:
    lacking: dict[tuple[Permission, ...], Fields] = {}
    before = managed.rows(without=NOT_COMPARED)
    for call in (one for one in CALLS if one.permissions):
        if call.permissions not in lacking:
            covering = {one for one in Permission for needed in call.permissions if needed in {one, one.reading}}
            lacking[call.permissions] = await bearer(managed, str(len(lacking)), set(Permission) - covering)
        error = verify_refusal(await ask(managed, call, lacking[call.permissions]), call, code=10000)
        assert all(needed.value in error["message"] for needed in call.permissions)
    assert managed.rows(without=NOT_COMPARED) == before


@pytest.mark.case(72)
async def test_a_token_that_only_reads_changes_nothing(managed: Site) -> None:
    reader = await bearer(managed, "reader", [one for one in Permission if one.value.endswith(" Read")])
    before = managed.rows(without=NOT_COMPARED)
    for call in CALLS:
        answer = await ask(managed, call, reader)
        if call.method == "GET":
            assert answer.status in {200, 400, 404}, call.path
        elif call.path.endswith("/policy-tests"):  # which changes nothing
            assert answer.status in {400, 403}
        else:
            verify_refusal(answer, call, code=10000)
    assert managed.rows(without=NOT_COMPARED) == before


@pytest.mark.case(72)
async def test_a_token_that_is_bound_to_addresses_is_refused_from_others(managed: Site) -> None:
    bound = await bearer(managed, "bound", networks=(ip_network(STRANGER),))
    for call in CALLS:
        forwarded = [*bound, ("X-Forwarded-For", STRANGER), ("CF-Connecting-IP", STRANGER)]
        verify_refusal(await ask(managed, call, forwarded), call, code=10000)
    reading = next(call for call in CALLS if call.path == "/user/tokens/verify")
    assert (await ask(managed, reading, bound, source=STRANGER)).status == 200


@pytest.mark.case(72)
async def test_of_another_account_nothing_is_told_whatever_the_token_may(managed: Site) -> None:
    right = await bearer(managed, "right")
    before = managed.rows(without=NOT_COMPARED)
    for call in (one for one in CALLS if "{account_id}" in one.path):
        for other in ("0" * 32, managed.settings.account_id.upper(), "x"):
            verify_refusal(await ask(managed, call, right, account=other), call, code=9109)
    zone = await managed.send("admin", "GET", f"{BASE}/zones/{'0' * 32}/access/apps", right)
    assert (zone.status, zone.json["errors"][0]["code"]) == (404, 7003)
    assert managed.rows(without=NOT_COMPARED) == before


@pytest.mark.case(76)
async def test_each_refused_token_is_audited_once_a_minute_without_what_was_presented(managed: Site) -> None:
    reader = await bearer(managed, "reader", [Permission.ORGANIZATIONS_READ])
    expired = await bearer(managed, "expired", expires_at=START)
    deleting = next(call for call in CALLS if call.method == "DELETE" and call.path.endswith("/groups/{group_id}"))
    for _ in range(3):
        await ask(managed, deleting, reader)
        await ask(managed, deleting, expired)
        await ask(managed, deleting, [("Authorization", "Bearer sg_guess")], source=STRANGER)
    refused = await managed.events("api.refused")
    assert [(event.actor, event.address) for event in refused] == [("reader", PROXY), ("", PROXY), ("", STRANGER)]
    assert refused[0].detail["permission"] == Permission.ORGANIZATIONS_WRITE
    assert [event.detail["detail"] for event in refused[1:]] == ["the token has expired", "the token is not known"]
    managed.clock.advance(61)
    await ask(managed, deleting, expired)
    assert len(await managed.events("api.refused")) == 4
    written = repr(await managed.events())
    for secret in ("sg_guess", *(fields[0][1].removeprefix("Bearer ") for fields in (reader, expired))):
        assert secret not in written
