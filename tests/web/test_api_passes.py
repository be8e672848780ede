"""Temporary passes by the API, as plain HTTP: told once, replaced, revoked, by whoever may."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from secondgate.flows.api_tokens import create_api_token
from secondgate.model.api_token import Permission
from tests.web.browser import Person
from tests.web.site import PORTAL, Site
from tests.web.wire import Answer

WIKI = "https://wiki.example.com/page"
START = "2027-01-15T08:00:00Z"


@dataclass
class Api:
    """Calls about one person, with one token."""

    site: Site
    person_id: str
    token: str

    async def call(self, method: str, pass_id: str = "", body: object = None, *, person_id: str = "") -> Answer:
        account = self.site.settings.account_id
        path = f"/client/v4/accounts/{account}/access/users/{person_id or self.person_id}/temporary_passes"
        fields = [("Authorization", f"Bearer {self.token}"), ("Content-Type", "application/json")]
        sent = b"" if body is None else json.dumps(body).encode()
        return await self.site.send("admin", method, path + (f"/{pass_id}" if pass_id else ""), fields, sent)

    async def created(self, **body: object) -> dict[str, Any]:
        answer = await self.call("POST", body=body)
        assert answer.status == 201, answer
        result: dict[str, Any] = answer.json["result"]
        return result


async def api(person: Person, permissions: Iterable[Permission] = (Permission.MFA_RESET,)) -> Api:
    """Give a token to a helpdesk that looks after somebody who logged in before."""
    services = person.site.services
    known = await services.durable.load_person_by_email(person.email)
    assert known
    name = f"t{len(await services.durable.list_api_tokens())}"
    _, secret = await create_api_token(services, name=name, permissions=permissions, actor="test")
    return Api(person.site, known.id, secret.reveal())


@pytest.fixture
async def lost(ann: Person) -> Person:
    """Ann, who enrolled an app, at another browser, logged in at the portal."""
    await ann.log_in_with_totp(WIKI)
    await ann.another_browser()
    await ann.log_in(PORTAL)
    return ann


async def test_a_helpdesk_issues_a_pass_that_opens_the_device_window(lost: Person) -> None:
    by = await api(lost)
    made = await by.created(ttl="30m")
    assert made["created_by"] == "t0"
    assert made["state"] == "valid"
    await lost.browser.open(f"{PORTAL}/pass")
    await lost.browser.submit(code=made["code"])
    assert lost.browser.url == f"{PORTAL}/AddMfaDevice"


async def test_a_pass_is_listed_without_its_code_and_says_what_became_of_it(lost: Person) -> None:
    by = await api(lost, (Permission.USERS_READ, Permission.USERS_WRITE))
    assert (await by.call("GET")).json["result"] == []
    made = await by.created()
    code = made.pop("code")
    listed = await by.call("GET")
    assert listed.json["result"] == [made]
    assert listed.json["result_info"]["total_count"] == 1
    await lost.browser.open(f"{PORTAL}/pass")
    await lost.browser.submit(code=code)
    (used,) = (await by.call("GET")).json["result"]
    assert used.pop("used_at")
    assert used == {**made, "state": "used"}
    lost.site.clock.advance(3600)
    again = await by.created(ttl="1m")
    lost.site.clock.advance(60)
    (expired,) = (await by.call("GET")).json["result"]
    assert (expired["id"], expired["state"]) == (again["id"], "expired")


async def test_a_pass_lasts_an_hour_unless_a_duration_is_sent(lost: Person) -> None:
    by = await api(lost)
    seconds = []
    for body in ({}, {"ttl": None}, {"ttl": "72h"}, {"ttl": "1m"}):
        made = await by.created(**body)
        stored = await lost.site.services.durable.load_pass(by.person_id)
        assert stored
        assert stored.id == made["id"]
        seconds.append(stored.expires_at - stored.created_at)
    assert seconds == [3600, 3600, 72 * 3600, 60]


@pytest.mark.case(74)
@pytest.mark.parametrize(
    "body", [{"ttl": "0m"}, {"ttl": "73h"}, {"ttl": "-1m"}, {"ttl": "1y"}, {"ttl": 60}, {"for": "1h"}]
)
async def test_other_durations_and_fields_are_refused_by_name(lost: Person, body: dict[str, object]) -> None:
    by = await api(lost)
    answer = await by.call("POST", body=body)
    assert answer.status == 400
    assert [one["source"]["pointer"] for one in answer.json["errors"]] == [f"/{next(iter(body))}"]
    assert lost.site.rows()["passes"] == []


async def test_a_new_pass_takes_the_place_of_the_old_one(lost: Person) -> None:
    by = await api(lost, (Permission.USERS_WRITE,))
    first, second = await by.created(), await by.created()
    assert [one["id"] for one in (await by.call("GET")).json["result"]] == [second["id"]]
    assert (await by.call("DELETE", first["id"])).status == 404
    await lost.browser.open(f"{PORTAL}/pass")
    await lost.browser.submit(code=first["code"])
    assert lost.page.status == 403


async def test_a_revoked_pass_opens_nothing(lost: Person) -> None:
    by = await api(lost)
    made = await by.created()
    revoked = await by.call("DELETE", made["id"])
    assert (revoked.status, revoked.json["result"]) == (200, {"id": made["id"]})
    assert (await by.call("DELETE", made["id"])).status == 404
    await lost.browser.open(f"{PORTAL}/pass")
    await lost.browser.submit(code=made["code"])
    assert lost.page.status == 403


@pytest.mark.case(73)
async def test_a_pass_of_another_person_is_not_revoked_by_ones_own_path(lost: Person, ben: Person) -> None:
    await ben.log_in(PORTAL)
    by, of_ben = await api(lost), await api(ben)
    made, theirs = await by.created(), await of_ben.created()
    assert (await by.call("DELETE", theirs["id"])).status == 404
    for odd in ("%00", "x" * 300, "..%2f..", "nobody"):
        assert (await by.call("DELETE", odd)).status == 404
        for method in ("GET", "POST"):
            assert (await by.call(method, body={}, person_id=odd)).status in {403, 404}
    assert {row[0] for row in lost.site.rows()["passes"]} == {made["id"], theirs["id"]}


@pytest.mark.case(72)
async def test_only_helpdesk_and_writers_of_users_issue_and_revoke(lost: Person) -> None:
    made = await (await api(lost)).created()
    enough = {Permission.USERS_WRITE, Permission.MFA_RESET}
    for permission in Permission:
        by = await api(lost, (permission,))
        answers = [(await by.call("POST", body={"ttl": "1y"})).status, (await by.call("DELETE", "none")).status]
        assert answers == ([400, 404] if permission in enough else [403, 403]), permission
        may_read = permission in {Permission.USERS_READ, Permission.USERS_WRITE}
        assert ((await by.call("GET")).status == 200) is may_read, permission
    assert [row[0] for row in lost.site.rows()["passes"]] == [made["id"]]


async def test_a_disabled_person_gets_none(lost: Person) -> None:
    by = await api(lost)
    durable = lost.site.services.durable
    known = await durable.load_person(by.person_id)
    assert known
    await durable.change_person(known.id, disabled=True, now=int(lost.site.clock()))
    answer = await by.call("POST", body={})
    assert answer.status == 409
    assert answer.one("x-should-retry") == "false"
    assert lost.site.rows()["passes"] == []


@pytest.mark.case(76)
async def test_it_is_audited_and_the_person_is_told_without_the_code(lost: Person) -> None:
    by = await api(lost)
    made = await by.created()
    await by.call("DELETE", made["id"])
    issued, revoked = await lost.site.events("pass.created", "pass.revoked")
    assert {issued.actor, revoked.actor} == {"t0"}
    assert {issued.person_id, revoked.person_id} == {by.person_id}
    await lost.site.settle()
    (told,) = [text for text in lost.site.mails(lost.email) if "temporary pass" in text]
    assert made["code"] not in told + repr(lost.site.rows())
