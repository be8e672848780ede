"""People through the API, driven by Cloudflare's official client: their life, their sessions, who may touch them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import cloudflare
import pytest

from secondgate.admin.resources import CALLS
from secondgate.model.api_token import Permission
from tests.web import api
from tests.web.browser import Browser, Person
from tests.web.site import FORWARD_AUTH, PORTAL, SCRIPT, START, Site
from tests.web.wire import Answer

Api = Any
WIKI, MENU = "https://wiki.example.com/page", "https://menu.example.com/"
ODD_IDS = ("..", "%2e%2e", "a%2fb", "%00", "%ff", "made-up", "x" * 10_000, "%C3%A9%F0%9F%94%91", "*", "'", "%20")
NOTHING = "no-such-user"


async def users_of(site: Site, *permissions: Permission) -> Api:
    return (await api.client(site, permissions or tuple(Permission))).zero_trust.access.users


async def user_of(site: Site, email: str) -> Any:  # noqa: ANN401 - the client's models
    users = await users_of(site, Permission.USERS_READ)
    [user] = await api.listed(users.list, account_id=site.settings.account_id, email=email)
    return user


async def call(site: Site, method: str, path: str, *permissions: Permission) -> Answer:
    client = await api.client(site, permissions or tuple(Permission))
    fields = [("Authorization", f"Bearer {client.api_token}")]
    return await site.send("admin", method, f"/client/v4/accounts/{site.settings.account_id}/access{path}", fields)


async def status(person: Person, url: str) -> int:
    """Ask the gate about a URL with the session that the person has at its host."""
    host = url.split("/")[2]
    answer = await person.site.check(FORWARD_AUTH, url, cookie=person.session(host), fields=SCRIPT)
    return answer.status


async def test_a_user_lives_a_whole_life_through_the_official_client(site: Site) -> None:
    users, account = await users_of(site), site.settings.account_id
    made = await api.run(users.create, account_id=account, email="Ada@Example.com", name="Ada")
    assert (made.email, made.name, made.uid) == ("ada@example.com", "Ada", made.id)
    assert (made.access_seat, made.gateway_seat, made.active_device_count) == (False, False, 0)
    assert made.last_successful_login is None
    assert made.created_at == made.updated_at == datetime.fromtimestamp(START, UTC)
    read = await api.run(users.get, made.id, account_id=account)
    assert read.to_dict() == made.to_dict()
    site.clock.advance(60)
    changed = await api.run(users.update, made.id, account_id=account, email="ada@example.com", name="Ada King")
    assert (changed.name, changed.created_at) == ("Ada King", made.created_at)
    assert changed.updated_at == datetime.fromtimestamp(START + 60, UTC)
    assert (await api.run(users.delete, made.id, account_id=account)) is not None
    for gone in (users.get, users.delete):
        with pytest.raises(cloudflare.NotFoundError):
            await api.run(gone, made.id, account_id=account)
    with pytest.raises(cloudflare.NotFoundError):
        await api.run(users.update, made.id, account_id=account, email="ada@example.com", name="x")
    events = await site.events("person.created", "person.renamed", "person.deleted")
    assert [(event.action, event.person_id) for event in events] == [
        ("person.created", made.id),
        ("person.renamed", made.id),
        ("person.deleted", made.id),
    ]
    assert (events[1].detail["before"], events[1].detail["after"]) == ("Ada", "Ada King")


async def test_who_was_made_is_whoever_logs_in_first_with_the_address(site: Site, ann: Person) -> None:
    users, account = await users_of(site), site.settings.account_id
    made = await api.run(users.create, account_id=account, email=ann.email)
    await ann.log_in_with_totp(WIKI)
    read = await api.run(users.get, made.id, account_id=account)
    assert (read.access_seat, read.active_device_count, read.name) == (True, 1, "")
    assert read.last_successful_login == datetime.fromtimestamp(START, UTC)


async def test_an_address_that_somebody_has_is_a_conflict_and_changes_nothing(site: Site) -> None:
    users, account = await users_of(site), site.settings.account_id
    made = await api.run(users.create, account_id=account, email="ada@example.com", name="Ada")
    with pytest.raises(cloudflare.ConflictError) as refused:
        await api.run(users.create, account_id=account, email="ADA@example.com", name="Eve")
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert (await api.run(users.get, made.id, account_id=account)).name == "Ada"


async def test_lists_are_filtered_in_the_database_and_paged_to_the_end(site: Site) -> None:
    users, account = await users_of(site), site.settings.account_id
    for number in range(60):
        await site.services.durable.find_or_create_person(
            new_id=f"id-{number:02}", email=f"p{number:02}@example.com", name=f"Person {number % 7}", now=START
        )
    emails = [f"p{number:02}@example.com" for number in range(60)]
    assert [one.email for one in await api.listed(users.list, account_id=account)] == emails
    assert [one.email for one in await api.listed(users.list, account_id=account, per_page=7)] == emails
    page = await api.run(users.list, account_id=account, page=3, per_page=25)
    assert [one.email for one in page.result] == emails[50:]
    answer = await call(site, "GET", "/users?page=2&per_page=50")
    expected = {"page": 2, "per_page": 50, "count": 10, "total_count": 60, "total_pages": 2}
    assert answer.json["result_info"] == expected
    past = await call(site, "GET", "/users?page=1000000&per_page=1000")
    assert (past.status, past.json["result"], past.json["result_info"]["total_count"]) == (200, [], 60)
    found = await api.listed(users.list, account_id=account, search="P0", per_page=3)
    assert [one.email for one in found] == emails[:10]
    found = await api.listed(users.list, account_id=account, name="person 6", search="3", per_page=2)
    assert [one.email for one in found] == [emails[13], emails[34]]
    assert [one.id for one in await api.listed(users.list, account_id=account, email="P07@EXAMPLE.com")] == ["id-07"]
    assert await api.listed(users.list, account_id=account, email="p0") == []
    for query in ("page=0", "per_page=1001", "per_page=x", "email=a&email=b", "search=%00"):
        assert (await call(site, "GET", f"/users?{query}")).status == 400


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"email": "ada@example.com", "name": 7}, "/name"),
        ({"email": "ada@example.com", "name": "a\nb"}, "/name"),
        ({"email": "not an address"}, "/email"),
        ({}, "/email"),
        ({"email": None}, "/email"),
        ({"email": ["ada@example.com"]}, "/email"),
        ({"email": "ada@example.com", "nmae": "Ada"}, "/nmae"),
        ({"email": "ada@example.com", "access_seat": True}, "/access_seat"),
        ({"email": "ada@example.com", "secondgate": {"disabled": True}}, "/secondgate"),
    ],
)
async def test_what_makes_no_user_is_refused_by_name(site: Site, fields: dict[str, Any], pointer: str) -> None:
    users, path = await users_of(site), f"/accounts/{site.settings.account_id}/access/users"
    with pytest.raises(cloudflare.BadRequestError) as refused:
        await api.run(users._client.post, path, cast_to=object, body=fields)
    assert pointer in api.errors(refused.value)
    assert await site.services.durable.list_people() == ()


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"email": "eve@example.com"}, "/email"),
        ({"email": None}, "/email"),
        ({"access_seat": True}, "/access_seat"),
        ({"gateway_seat": True}, "/gateway_seat"),
        ({"access_seat": None}, "/access_seat"),
        ({"name": {"first": "Ada"}}, "/name"),
        ({"secondgate": {}}, "/secondgate/disabled"),
        ({"secondgate": {"disabled": "yes"}}, "/secondgate/disabled"),
        ({"secondgate": {"disabled": False, "deleted": True}}, "/secondgate/deleted"),
        ({"disabled": True}, "/disabled"),
    ],
)
async def test_what_cannot_be_changed_is_refused_by_name_and_nothing_is_changed(
    site: Site, fields: dict[str, Any], pointer: str
) -> None:
    users, account = await users_of(site), site.settings.account_id
    made = await api.run(users.create, account_id=account, email="ada@example.com", name="Ada")
    body = {"name": "Eve", **fields}
    with pytest.raises(cloudflare.BadRequestError) as refused:
        await api.run(users.update, made.id, account_id=account, email=made.email, name="x", extra_body=body)
    assert pointer in api.errors(refused.value)
    assert (await api.run(users.get, made.id, account_id=account)).to_dict() == made.to_dict()


async def test_a_user_sent_back_as_read_stays_and_null_clears_the_name(site: Site, ann: Person) -> None:
    await ann.log_in(PORTAL)
    before = await user_of(site, ann.email)
    weird = "from a\nprovider"
    await site.services.durable.change_person(before.id, name=weird, now=START)
    users, account = await users_of(site), site.settings.account_id
    whole = (await api.run(users.get, before.id, account_id=account)).to_dict(mode="json")
    same = await api.run(users.update, before.id, account_id=account, email=ann.email, name=weird, extra_body=whole)
    assert same.to_dict(mode="json") == whole
    cleared = await api.run(
        users.update, before.id, account_id=account, email=ann.email, name="", extra_body={"name": None}
    )
    assert cleared.name == ""


@pytest.mark.case(28)
async def test_disabling_ends_everything_and_lasts_until_enabled(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    assert await status(ann, WIKI) == 200
    users, account = await users_of(site), site.settings.account_id
    user = await user_of(site, ann.email)

    async def set_disabled(value: object) -> Any:  # noqa: ANN401 - the client's models
        body = {"secondgate": value}
        return await api.run(users.update, user.id, account_id=account, email=ann.email, name="Ann", extra_body=body)

    disabled = await set_disabled({"disabled": True})
    assert disabled.to_dict()["secondgate"] == {"disabled": True}
    assert await status(ann, WIKI) == 401
    assert await api.listed(users.active_sessions.list, user.id, account_id=account) == []
    kept = await api.run(users.update, user.id, account_id=account, email=ann.email, name="Ann")
    assert kept.to_dict()["secondgate"] == {"disabled": True}, "what is absent stays"
    await ann.another_browser()
    assert (await ann.log_in(WIKI)).status == 403
    assert (await set_disabled({"disabled": False})).to_dict()["secondgate"] == {"disabled": False}
    await set_disabled({"disabled": True})
    assert (await set_disabled(None)).to_dict()["secondgate"] == {"disabled": False}
    actions = [event.action for event in await site.events("person.disabled", "person.enabled")]
    assert actions == ["person.disabled", "person.enabled"] * 2


@pytest.mark.case(100)
async def test_deleting_a_user_removes_authenticators_and_sessions(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    users, account = await users_of(site), site.settings.account_id
    user = await user_of(site, ann.email)
    await api.run(users.delete, user.id, account_id=account)
    assert await status(ann, WIKI) == 401
    rows = site.rows(without=("audit_events",))
    assert not [name for name, found in rows.items() if any(user.id in map(str, row) for row in found)]
    await ann.another_browser()
    await ann.log_in(WIKI)
    assert "/AddMfaDevice" in ann.browser.url, "they are somebody new"


async def test_active_sessions_say_where_and_until_when_and_one_is_ended_alone(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.browser.open(MENU)
    users, account = await users_of(site), site.settings.account_id
    user = await user_of(site, ann.email)
    found = await api.listed(users.active_sessions.list, user.id, account_id=account)
    by_host = {one.name: one for one in found}
    assert set(by_host) == {"mfa.example.com", "wiki.example.com", "menu.example.com"}
    portal, menu = by_host["mfa.example.com"], by_host["menu.example.com"]
    assert portal.metadata.apps == {}
    [application] = menu.metadata.apps.values()
    assert (application.name, application.hostname, application.type) == ("Menu", "menu.example.com", "self_hosted")
    for one in found:
        assert one.expiration == one.metadata.expires == one.metadata.iat + one.metadata.ttl
        assert one.metadata.iat <= site.clock.now < one.metadata.expires
    assert {one.to_dict()["secondgate"]["kind"] for one in found} == {"login", "application"}
    assert len({one.to_dict()["secondgate"]["device_id"] for one in found}) == 1
    identity = await api.run(users.active_sessions.get, menu.metadata.nonce, account_id=account, user_id=user.id)
    assert (identity.email, identity.user_uuid, identity.account_id) == (ann.email, user.id, account)
    assert (identity.is_active, identity.is_gateway, identity.is_warp) == (True, False, False)
    assert (identity.idp.type, identity.iat) == ("onetimepin", menu.metadata.iat)
    answer = await call(site, "DELETE", f"/users/{user.id}/active_sessions/{menu.metadata.nonce}")
    assert (answer.status, answer.json["result"]) == (200, {"nonce": menu.metadata.nonce})
    assert (await status(ann, MENU), await status(ann, WIKI)) == (401, 200)
    with pytest.raises(cloudflare.NotFoundError):
        await api.run(users.active_sessions.get, menu.metadata.nonce, account_id=account, user_id=user.id)
    again = await call(site, "DELETE", f"/users/{user.id}/active_sessions/{menu.metadata.nonce}")
    assert again.status == 404
    assert (await call(site, "DELETE", f"/users/{user.id}/active_sessions/{portal.metadata.nonce}")).status == 200
    await ann.browser.open(f"{PORTAL}/account/devices")
    assert ann.browser.url.startswith(f"{PORTAL}/login")
    events = await site.events("session.ended")
    assert [event.detail["host"] for event in events] == ["menu.example.com", ""]


@pytest.mark.case(73)
async def test_another_users_session_is_out_of_reach_through_ones_own_path(
    site: Site, ann: Person, ben: Person
) -> None:
    await ann.log_in_with_totp(WIKI)
    await ben.log_in_with_totp(WIKI)
    users, account = await users_of(site), site.settings.account_id
    anns, bens = await user_of(site, ann.email), await user_of(site, ben.email)
    for one in await api.listed(users.active_sessions.list, bens.id, account_id=account):
        for method in ("GET", "DELETE"):
            answer = await call(site, method, f"/users/{anns.id}/active_sessions/{one.metadata.nonce}")
            assert answer.status == 404
    for odd in ODD_IDS:
        assert (await call(site, "DELETE", f"/users/{bens.id}/active_sessions/{odd}")).status == 404
    assert await status(ben, WIKI) == 200


async def test_failed_logins_are_told_the_newest_first(site: Site, ann: Person, ben: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ben.log_in_with_totp(WIKI)
    site.clock.advance(5)
    await ann.browser.open(f"{PORTAL}/challenge?purpose=devices")
    await ann.browser.submit(code="000000")
    site.clock.advance(5)
    await ann.browser.open("https://root.example.com/")
    site.clock.advance(5)
    other = await ann.another_browser()
    await other.open(PORTAL)
    await other.submit(email=ann.email)
    await other.submit(pin="000000" if await site.pin(ann.email) != "000000" else "000001")
    users, account = await users_of(site), site.settings.account_id
    user = await user_of(site, ann.email)
    found = await api.listed(users.failed_logins.list, user.id, account_id=account)
    assert [one.metadata["action"] for one in found] == ["pin.rejected", "application.refused", "totp.rejected"]
    assert found[0].metadata["datetime"] == datetime.fromtimestamp(site.clock.now, UTC).isoformat().replace(
        "+00:00", "Z"
    )
    assert (found[0].metadata["ip_address"], found[1].metadata["app_name"]) == (other.address, "Root")
    assert {(one.metadata["user_email"], one.metadata["user_uuid"]) for one in found} == {(ann.email, user.id)}
    none = await api.listed(users.failed_logins.list, (await user_of(site, ben.email)).id, account_id=account)
    assert none == []


async def test_the_identity_seen_last_outlives_the_session(site: Site, ann: Person) -> None:
    users, account = await users_of(site), site.settings.account_id
    made = await api.run(users.create, account_id=account, email=ann.email, name="Ann")
    with pytest.raises(cloudflare.NotFoundError):
        await api.run(users.last_seen_identity.get, made.id, account_id=account)
    await ann.log_in(PORTAL)
    await api.run((await api.client(site)).zero_trust.organizations.revoke_users, account_id=account, email=ann.email)
    identity = await api.run(users.last_seen_identity.get, made.id, account_id=account)
    assert (identity.email, identity.user_uuid, identity.iat) == (ann.email, made.id, START)
    assert identity.ip == ann.browser.address
    assert (identity.idp.id, identity.idp.type) == (site.current().identity_providers[0].id, "onetimepin")


async def test_all_sessions_of_a_user_end_at_one_call_by_address_or_id(site: Site, ann: Person, ben: Person) -> None:
    account = site.settings.account_id
    organizations = (await api.client(site, [Permission.ORGANIZATIONS_REVOKE])).zero_trust.organizations
    await ben.log_in_with_totp(WIKI)
    await ann.log_in_with_totp(WIKI)
    result = await api.run(organizations.revoke_users, account_id=account, email="ANN@example.com")
    assert result is True
    assert (await status(ann, WIKI), await status(ben, WIKI)) == (401, 200)
    user = await user_of(site, ben.email)
    await api.run(organizations.revoke_users, account_id=account, email="", user_uid=user.id)
    assert await status(ben, WIKI) == 401
    users = await users_of(site, Permission.USERS_READ)
    assert await api.listed(users.active_sessions.list, user.id, account_id=account) == []
    for unknown in ({"email": "eve@example.com"}, {"email": "", "user_uid": NOTHING}):
        with pytest.raises(cloudflare.NotFoundError):
            await api.run(organizations.revoke_users, account_id=account, **unknown)
    for malformed in ({"email": ""}, {"email": "no address"}):
        with pytest.raises(cloudflare.BadRequestError):
            await api.run(organizations.revoke_users, account_id=account, **malformed)


@pytest.mark.case(73)
async def test_odd_ids_of_users_are_no_users(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    before = site.rows(without=("api_tokens", "audit_events", "sqlite_sequence"))
    for odd in ODD_IDS:
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/active_sessions"),
            ("GET", "/failed_logins"),
            ("GET", "/last_seen_identity"),
            ("GET", "/mfa_authenticators"),
            ("DELETE", "/mfa_authenticators/x"),
        ):
            answer = await call(site, method, f"/users/{odd}{path}")
            assert answer.status == 404, (method, odd[:20], path)
            assert answer.json["success"] is False
    assert site.rows(without=("api_tokens", "audit_events", "sqlite_sequence")) == before


@pytest.mark.case(72)
async def test_each_call_about_users_takes_its_own_permission_alone(site: Site) -> None:
    about_users = [one for one in CALLS if "/access/users" in one.path]
    assert about_users
    for one in about_users:
        wanted = Permission.USERS_READ if one.method == "GET" else Permission.USERS_WRITE
        assert one.permission is wanted
    others = [one for one in Permission if one not in {Permission.USERS_READ, Permission.USERS_WRITE}]
    assert (await call(site, "GET", "/users", *others)).status == 403
    assert (await call(site, "GET", "/users", Permission.USERS_READ)).status == 200
    assert (await call(site, "GET", "/users", Permission.USERS_WRITE)).status == 200
    assert (await call(site, "DELETE", f"/users/{NOTHING}", Permission.USERS_READ)).status == 403
    assert (await call(site, "DELETE", f"/users/{NOTHING}", Permission.USERS_WRITE)).status == 404


async def test_a_browser_shows_no_user_of_the_api(site: Site) -> None:
    for path in (f"/client/v4/accounts/{site.settings.account_id}/access/users",):
        assert (await Browser(site).open(f"{PORTAL}{path}")).status == 404
