"""The audit log and the log of logins through the API, driven by Cloudflare's official client."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import cloudflare
import pytest

from secondgate.model.api_token import Permission
from secondgate.model.audit import AuditEvent
from tests.web import api
from tests.web.browser import Person
from tests.web.conftest import StartSite
from tests.web.site import START, Site

READER = Permission.AUDIT_LOGS_READ
SINCE, BEFORE = date(2027, 1, 1), date(2027, 2, 1)
WIKI, ROOT, MENU = "https://wiki.example.com/page", "https://root.example.com/", "https://menu.example.com/"


async def logged(site: Site, **asked: object) -> list[Any]:
    """Read the audit log to its end, the oldest first."""
    logs = (await api.client(site, [READER])).accounts.logs
    wanted = {"since": SINCE, "before": BEFORE, "direction": "asc", **asked}
    return await api.listed(logs.audit.list, account_id=site.settings.account_id, **wanted)


async def logins(site: Site, **asked: object) -> list[Any]:
    access = (await api.client(site, [READER])).zero_trust.access
    return list(await api.run(access.logs.access_requests.list, account_id=site.settings.account_id, **asked))


async def refusal(site: Site, query: str, log: str = "logs/audit") -> dict[str, str]:
    """Give what is wrong with a query, by its pointer; the answer must be 400."""
    client = await api.client(site, [READER])
    with pytest.raises(cloudflare.BadRequestError) as caught:
        await api.run(client.get, f"/accounts/{site.settings.account_id}/{log}?{query}", cast_to=object)
    return api.errors(caught.value)


async def fill(site: Site, count: int) -> None:
    """Write events, three in each second."""
    for number in range(count):
        event = AuditEvent(START + number // 3, "login.succeeded", f"p{number}@example.com", id=f"e{number}")
        await site.services.durable.append_event(event)


@pytest.fixture
async def managed(start_site: StartSite) -> Site:
    return await start_site(api.managed_by_the_api)


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_the_client_reads_to_the_end_and_meets_each_event_once(site: Site, direction: str) -> None:
    await fill(site, 25)
    site.clock.advance(3600)
    read = await logged(site, limit=4, direction=direction, before="2027-01-15T09:00:00Z")
    ids = [one.id for one in read if one.id.startswith("e")]
    expected = [f"e{number}" for number in range(25)]
    assert ids == (expected if direction == "asc" else expected[::-1])


async def test_times_are_taken_as_dates_and_as_moments_and_the_end_is_not_included(site: Site) -> None:
    await fill(site, 9)
    site.clock.advance(86400)

    async def ids(since: object, before: object) -> list[str]:
        return [one.id for one in await logged(site, since=since, before=before)]

    at = datetime.fromtimestamp(START + 1, UTC)
    assert await ids(date(2027, 1, 15), at) == ["e0", "e1", "e2"]
    assert await ids(at, "2027-01-15T08:00:02Z") == ["e3", "e4", "e5"]
    assert await ids("2027-01-15T09:00:00.5+01:00", "2027-01-15T08:00:02") == ["e3", "e4", "e5"]
    assert await ids(at, at) == []
    assert await ids("2026-01-01", "2027-01-15") == []


@pytest.mark.case(76)
async def test_a_change_says_who_what_from_where_and_what_it_was_before(managed: Site) -> None:
    client, account = await api.client(managed), managed.settings.account_id
    lists = client.zero_trust.gateway.lists
    made = await api.run(lists.create, account_id=account, name="Keys", type="EMAIL", items=[{"value": "a@x.org"}])
    await api.run(lists.update, made.id, account_id=account, name="Better", items=[{"value": "b@x.org"}])
    created, updated = await logged(managed, extra_query={"actor_token_name": "t0"})
    assert (created.action.type, created.action.result, created.action.description) == (
        "create",
        "success",
        "lists.created",
    )
    assert created.action.time == datetime.fromtimestamp(START, UTC)
    assert (created.account.id, created.account.name) == (account, managed.current().rulebook.organization.name)
    actor = created.actor
    assert (actor.type, actor.context, actor.token_name, actor.ip_address) == (
        "account",
        "api_token",
        "t0",
        "127.0.0.1",
    )
    [token] = [one for one in await managed.services.durable.list_api_tokens() if one.name == "t0"]
    assert actor.token_id == actor.id == token.id
    assert (created.resource.id, created.resource.type) == (made.id, "lists")
    assert (created.raw.method, created.raw.uri) == ("POST", f"/client/v4/accounts/{account}/gateway/lists")
    detail = updated.to_dict()["secondgate"]["detail"]
    assert (detail["before.name"], detail["after.name"]) == ("Keys", "Better")
    assert (detail["removed.items"], detail["added.items"]) == ('{"value": "a@x.org"}', '{"value": "b@x.org"}')
    assert updated.raw.method == "PUT"


@pytest.mark.case(76)
async def test_what_a_person_did_has_the_factor_that_was_used(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    await ann.open_window()
    user = await site.services.durable.load_person_by_email(ann.email)
    assert user is not None
    [device] = await site.services.durable.list_authenticators(user.id)
    events = {one.action.description: one for one in await logged(site, extra_query={"actor_email": ann.email.upper()})}
    assert {"login.succeeded", "authenticator.added", "application.login", "mfa.succeeded"} <= events.keys()
    used = events["application.login"].to_dict()["secondgate"]
    assert used["factor"] == {"method": "totp", "authenticator_id": device.id}
    assert used["actor"] == {"kind": "person", "name": ann.email}
    actor = events["application.login"].actor
    assert (actor.type, actor.email, actor.id, actor.ip_address) == ("user", ann.email, user.id, ann.browser.address)
    assert events["login.succeeded"].to_dict()["secondgate"]["factor"] == {}


async def test_filters_select_and_exclude(site: Site, ann: Person) -> None:
    await ann.log_in(WIKI)
    await site.services.audit("totp.rejected", actor=ann.email)
    await site.services.audit("person.deleted", actor="")
    everything = {one.id: one for one in await logged(site)}

    async def described(**asked: object) -> set[str]:
        return {one.action.description for one in await logged(site, **asked)}

    all_of = {one.action.description for one in everything.values()}
    assert {"login.succeeded", "totp.rejected", "person.deleted", "api_token.created"} <= all_of
    assert await described(action_type={"not": ["view"]}) == {"person.deleted", "api_token.created"}
    assert await described(action_type={"not": ["create", "delete"]}) == all_of - {
        "person.deleted",
        "api_token.created",
    }
    assert await described(action_result={"not": ["success"]}) == {"totp.rejected"}
    assert await described(action_result={"not": ["success", "failure"]}) == set()
    assert await described(actor_email={"not": [ann.email]}, action_result={"not": ["success"]}) == set()
    assert await described(extra_query={"action_type": "delete"}) == {"person.deleted"}
    assert await described(extra_query={"action_type": ["delete", "create"]}) == {"person.deleted", "api_token.created"}
    assert await described(extra_query={"action_result": "failure", "action_type": "view"}) == {"totp.rejected"}
    assert await described(extra_query={"actor_type": "account"}) == set()
    assert await described(extra_query={"actor_type[not]": "user"}) == {"person.deleted"}
    some = next(iter(everything))
    assert [one.id for one in await logged(site, extra_query={"id": some})] == [some]
    assert some not in [one.id for one in await logged(site, id={"not": [some]})]


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("before=2027-01-01", "/since"),
        ("since=2027-01-01", "/before"),
        ("since=&before=2027-01-01", "/since"),
        ("since=yesterday&before=2027-01-01", "/since"),
        ("since=2027-02-30&before=2027-03-01", "/since"),
        ("since=2027-W01&before=2027-03-01", "/since"),
        ("since=2027-01-01T25:00:00Z&before=2027-03-01", "/since"),
        ("since=2027-01-01&since=2027-01-01&before=2027-03-01", "/since"),
        ("since=2027-01-01&before=2027-03-01&limit=0", "/limit"),
        ("since=2027-01-01&before=2027-03-01&limit=1001", "/limit"),
        ("since=2027-01-01&before=2027-03-01&limit=1.5", "/limit"),
        ("since=2027-01-01&before=2027-03-01&limit=-1", "/limit"),
        ("since=2027-01-01&before=2027-03-01&direction=up", "/direction"),
        ("since=2027-01-01&before=2027-03-01&cursor=nonsense", "/cursor"),
        ("since=2027-01-01&before=2027-03-01&cursor=%C3%A9", "/cursor"),
        ("since=2027-01-01&before=2027-03-01&cursor=OS4tMQ==", "/cursor"),
        ("since=2027-01-01&before=2027-03-01&action_type=burn", "/action_type"),
        ("since=2027-01-01&before=2027-03-01&zone_id=1", "/zone_id"),
        ("since=2027-01-01&before=2027-03-01&resource_type.not=a", "/resource_type/not"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(site: Site, query: str, pointer: str) -> None:
    assert list(await refusal(site, query)) == [pointer]


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("since=x", "/since"),
        ("until=x", "/until"),
        ("limit=many", "/limit"),
        ("emailOp=like", "/emailOp"),
        ("email_exact=1", "/email_exact"),
        ("user_id=1", "/user_id"),
        ("fields=action", "/fields"),
    ],
)
async def test_so_it_is_in_the_log_of_logins(site: Site, query: str, pointer: str) -> None:
    assert list(await refusal(site, query, "access/logs/access_requests")) == [pointer]


@pytest.mark.case(72)
async def test_both_logs_need_their_permission_and_no_other_call_comes_with_it(managed: Site) -> None:
    account = managed.settings.account_id
    others = await api.client(managed, set(Permission) - {READER})
    for work, asked in (
        (others.accounts.logs.audit.list, {"since": SINCE, "before": BEFORE}),
        (others.zero_trust.access.logs.access_requests.list, {}),
    ):
        with pytest.raises(cloudflare.PermissionDeniedError):
            await api.run(work, account_id=account, **asked)
    refused = [one for one in await logged(managed) if one.action.description == "api.refused"]
    assert {one.actor.token_name for one in refused} == {"t0"}
    assert {one.to_dict()["secondgate"]["detail"]["permission"] for one in refused} == {str(READER)}
    reader = await api.client(managed, [READER])
    with pytest.raises(cloudflare.PermissionDeniedError):
        await api.run(reader.zero_trust.access.groups.list, account_id=account)


@pytest.mark.case(76)
async def test_logins_to_applications_are_listed_allowed_and_refused(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp(WIKI)
    site.clock.advance(10)
    await ann.browser.open(ROOT)
    site.clock.advance(10)
    await Person(site, "ben@example.com").log_in(MENU)
    newest, refused, allowed = await logins(site)
    applications = {one.name: one for one in site.current().applications}
    assert (allowed.action, allowed.allowed, allowed.user_email) == ("login", True, ann.email)
    assert (allowed.app_domain, allowed.app_uid) == ("wiki.example.com", applications["Wiki"].id)
    assert (allowed.connection, allowed.ip_address, allowed.to_dict()["country"]) == (
        "onetimepin",
        ann.browser.address,
        "",
    )
    assert (refused.allowed, refused.app_domain, refused.user_email) == (False, "root.example.com", ann.email)
    assert refused.app_uid == applications["Root"].id
    assert (newest.allowed, newest.user_email) == (True, "ben@example.com")
    assert allowed.created_at < refused.created_at < newest.created_at
    (event,) = await site.events("application.refused")
    assert refused.rayid == event.id


async def test_logins_are_found_by_address_and_time(site: Site) -> None:
    for number, (name, action) in enumerate(
        (("ann@example.com", "application.login"), ("joann@example.com", "application.refused"), ("", "login.failed"))
    ):
        site.clock.now = START + 10 * number
        await site.services.audit(action, actor=name)

    async def emails(**asked: object) -> list[str]:
        return [one.user_email for one in await logins(site, direction="asc", **asked)]

    ann, joann = "ann@example.com", "joann@example.com"
    assert await emails() == [ann, joann, ""]
    assert await emails(email="ANN@") == [ann, joann]
    assert await emails(email="%") == []
    assert await emails(email=ann, email_exact=True) == await emails(email=ann, email_op="eq") == [ann]
    assert await emails(email=ann, email_op="neq") == [""]
    assert await emails(email=ann, email_op="neq", email_exact=True) == [joann, ""]
    moment = datetime.fromtimestamp(START + 10, UTC)
    assert await emails(since=moment) == [joann, ""]
    assert await emails(until=moment) == [ann, joann]
    assert await emails(since=moment, until=moment) == [joann]
    assert await emails(limit=2) == [ann, joann]
    assert [one.user_email for one in await logins(site, limit=1)] == [""]


@pytest.mark.case(76)
async def test_a_providers_secrets_are_in_no_event_whatever_is_done_to_it(managed: Site) -> None:
    client, account = await api.client(managed), managed.settings.account_id
    providers = client.zero_trust.identity_providers
    config = {"issuer_url": "https://idp.example.com", "client_id": "me", "client_secret": "hunter2-first"}
    made = await api.run(providers.create, account_id=account, name="Corp", type="oidc", config=config)
    second = {**config, "client_secret": "hunter2-second"}
    await api.run(providers.update, made.id, account_id=account, name="Corp", type="oidc", config=second)
    await api.run(providers.delete, made.id, account_id=account)
    events = await logged(managed, extra_query={"actor_token_name": "t0"})
    assert [one.action.description.partition(".")[2] for one in events] == ["created", "updated", "deleted"]
    told = [one.to_json() for one in events]
    assert "hunter2" not in "".join(told)
    assert '"after.config.client_secret":"***"' in told[1].replace(" ", "").replace("\n", "")
    assert "hunter2" not in str(managed.rows()["audit_events"])


async def test_a_list_of_thousands_makes_a_small_event(managed: Site) -> None:
    client, account = await api.client(managed), managed.settings.account_id
    items = [{"value": f"{number}@example.com"} for number in range(10_000)]
    made = await api.run(
        client.zero_trust.gateway.lists.create, account_id=account, name="L", type="EMAIL", items=items
    )
    more = [{"value": "new@example.com"}]
    await api.run(client.zero_trust.gateway.lists.edit, made.id, account_id=account, append=more, remove=[])
    created, edited = await managed.events("lists.created", "lists.updated")
    assert sum(map(len, created.detail.values())) < 1000
    assert edited.detail["added.items"] == '{"value": "new@example.com"}'
