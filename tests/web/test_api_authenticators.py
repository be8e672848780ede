"""People's authenticators through the API: who may look, who may delete, what ends with them; and known models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from secondgate.admin.resources import CALLS
from secondgate.administration.managed import ManagedAccess
from secondgate.app import _listeners, new_runner, open_services
from secondgate.model.api_token import ApiToken, Permission
from tests.web.browser import Person, authenticator
from tests.web.site import FORWARD_AUTH, PORTAL, SCRIPT, Site
from tests.web.test_api_users import ODD_IDS, call, status, user_of

WIKI, VAULT, MENU = "https://wiki.example.com/page", "https://vault.example.com/page", "https://menu.example.com/"
HELPDESK = Permission.MFA_RESET


def path(user: Any, authenticator_id: str = "") -> str:  # noqa: ANN401 - the client's model
    return f"/users/{user.id}/mfa_authenticators" + (f"/{authenticator_id}" if authenticator_id else "")


async def ids(site: Site, email: str) -> list[str]:
    answer = await call(site, "GET", path(await user_of(site, email)), Permission.USERS_READ)
    assert answer.status == 200
    return [one["id"] for one in answer.json["result"]]


@pytest.fixture
async def ann(site: Site) -> Person:
    """Ann, with an authenticator app and a security key, in three applications."""
    person = Person(site, "ann@example.com")
    await person.log_in_with_totp(WIKI)
    await person.open_window()
    await person.browser.open(f"{PORTAL}/AddMfaDevice/security_key")
    await person.browser.perform(authenticator(), name="blue key")
    await person.browser.open(VAULT)
    await person.browser.open(MENU)
    assert [await status(person, url) for url in (WIKI, VAULT, MENU)] == [200, 200, 200]
    return person


async def test_authenticators_are_listed_with_names_and_kinds_and_no_secret(site: Site, ann: Person) -> None:
    user = await user_of(site, ann.email)
    assert user.active_device_count == 2
    answer = await call(site, "GET", path(user), Permission.USERS_READ)
    app, key = answer.json["result"]
    assert (app["type"], app["name"], "aaguid" in app) == ("totp", "Authenticator app", False)
    assert (key["type"], key["name"], len(key["aaguid"])) == ("security_key", "blue key", 32)
    assert {*app, *key} == {"id", "name", "type", "aaguid", "created_at", "last_used_at"}
    assert app["created_at"].startswith("2027-01-15T08:00:")
    assert ann.seed not in answer.text
    expected = {"page": 1, "per_page": 2, "count": 2, "total_count": 2, "total_pages": 1}
    assert answer.json["result_info"] == expected


@pytest.mark.case(28)
@pytest.mark.parametrize("permission", [Permission.USERS_WRITE, HELPDESK])
async def test_deleting_an_authenticator_ends_the_sessions_that_it_carried(
    site: Site, ann: Person, permission: Permission
) -> None:
    user = await user_of(site, ann.email)
    app_id, key_id = await ids(site, ann.email)
    answer = await call(site, "DELETE", path(user, key_id.upper()), permission)
    assert (answer.status, answer.json["result"]) == (200, {"id": key_id})
    assert [await status(ann, url) for url in (WIKI, VAULT, MENU)][1] == 401
    assert await ids(site, ann.email) == [app_id]
    assert (await call(site, "DELETE", path(user, key_id), permission)).status == 404
    assert (await call(site, "DELETE", path(user, app_id), permission)).status == 200
    assert [await status(ann, url) for url in (WIKI, VAULT)] == [401, 401]
    events = await site.events("authenticator.deleted")
    assert [(event.person_id, event.detail["id"]) for event in events] == [(user.id, key_id), (user.id, app_id)]
    await ann.another_browser()
    await ann.log_in(WIKI)
    assert "/AddMfaDevice" in ann.browser.url, "whoever has none left enrols anew"


@pytest.mark.case(28)
async def test_what_a_deleted_authenticator_carried_ends_on_another_replica_too(site: Site, ann: Person) -> None:
    user = await user_of(site, ann.email)
    _, key_id = await ids(site, ann.email)
    current = ManagedAccess(account_id=site.settings.account_id)
    async with open_services(site.settings, clock=site.clock, managed=current) as services:
        runner = new_runner(_listeners(site.settings, services, current)["gate"])
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        replica = replace(site, services=services, current=current, ports={"gate": runner.addresses[0][1]})
        cookie = ann.session("vault.example.com")
        assert (await replica.check(FORWARD_AUTH, VAULT, cookie=cookie, fields=SCRIPT)).status == 200
        assert (await call(site, "DELETE", path(user, key_id))).status == 200
        assert (await replica.check(FORWARD_AUTH, VAULT, cookie=cookie, fields=SCRIPT)).status == 401
        await runner.cleanup()


@pytest.mark.case(73)
async def test_another_users_authenticator_and_odd_ids_are_not_found_and_nothing_is_deleted(
    site: Site, ann: Person, ben: Person
) -> None:
    await ben.log_in_with_totp(WIKI)
    anns, bens = await user_of(site, ann.email), await user_of(site, ben.email)
    unchanged = (
        await ids(site, ann.email),
        await ids(site, ben.email),
    )
    for one in unchanged[0]:
        assert (await call(site, "DELETE", path(bens, one), HELPDESK)).status == 404
        for route in (f"/users/x/mfa_authenticators/{one}", f"/users/{one}/mfa_authenticators/{one}"):
            assert (await call(site, "DELETE", route)).status == 404
    for odd in (*ODD_IDS, "", ".", "%2e", "../..", "%2f..%2f", f"{unchanged[0][0]}/", f"{unchanged[0][0]}%00"):
        for user in (anns, bens):
            answer = await call(site, "DELETE", f"/users/{user.id}/mfa_authenticators/{odd}")
            assert answer.status in {404, 405}, odd[:20]
    assert (await ids(site, ann.email), await ids(site, ben.email)) == unchanged
    assert [await status(ann, url) for url in (WIKI, VAULT, MENU)] == [200, 200, 200]
    assert await status(ben, WIKI) == 200


async def test_nothing_is_deleted_while_mfa_is_off(site: Site, ann: Person) -> None:
    user, enrolled = await user_of(site, ann.email), await ids(site, ann.email)

    def off(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["organization"] |= {"mfa_required_for_all_apps": False}
        access["organization"]["mfa_config"]["allowed_authenticators"] = []
        access["applications"] = [{**one, "mfa_config": None, "secondgate": None} for one in access["applications"]]

    site.reload(off)
    answer = await call(site, "DELETE", path(user, enrolled[0]), HELPDESK)
    assert (answer.status, answer.json["errors"][0]["code"]) == (409, 12132)
    assert answer.one("x-should-retry") == "false"
    assert "MFA is off" in answer.json["errors"][0]["message"]
    assert await ids(site, ann.email) == enrolled


@pytest.mark.case(72)
def test_a_helpdesk_may_delete_authenticators_and_issue_passes_and_nothing_else() -> None:
    token = ApiToken("t", "helpdesk", "", frozenset((HELPDESK,)), (), 0)
    may = {f"{one.method} {one.path}" for one in CALLS if one.permissions and one.is_open_to(token)}
    user = "/accounts/{account_id}/access/users/{user_id}"
    resets = f"DELETE {user}/mfa_authenticators/{{authenticator_id}}"
    assert resets in may
    assert all(one == resets or "pass" in one.rpartition("/")[2] for one in may), may


@pytest.mark.case(72)
async def test_a_helpdesk_token_is_refused_everywhere_else(site: Site, ann: Person) -> None:
    user = await user_of(site, ann.email)
    for method, route in (
        ("GET", "/users"),
        ("GET", f"/users/{user.id}"),
        ("DELETE", f"/users/{user.id}"),
        ("GET", f"/users/{user.id}/mfa_authenticators"),
        ("GET", f"/users/{user.id}/active_sessions"),
        ("GET", "/known_authenticators"),
        ("GET", "/organizations"),
    ):
        answer = await call(site, method, route, HELPDESK)
        assert (answer.status, answer.json["errors"][0]["code"]) == (403, 10000)
    for permission in (Permission.USERS_READ, Permission.ORGANIZATIONS_WRITE, Permission.ZERO_TRUST_WRITE):
        refused = await call(site, "DELETE", path(user, (await ids(site, ann.email))[0]), permission)
        assert refused.status == 403
        assert "'Access: Users Write' or 'Access: MFA Reset'" in refused.json["errors"][0]["message"]


async def test_known_models_are_found_by_name_and_aaguid_and_paged(site: Site) -> None:
    async def found(search: str) -> list[dict[str, Any]]:
        route = f"/known_authenticators?per_page=1000&search={search}"
        answer = await call(site, "GET", route, Permission.ZERO_TRUST_READ)
        assert answer.status == 200
        result: list[dict[str, Any]] = answer.json["result"]
        return result

    yubikeys = await found("yubikey%205")
    assert yubikeys
    assert all("YubiKey 5" in one["name"] for one in yubikeys)
    [one] = await found("2FC0579F-8113-47EA-B116-BB5A8DB9202A")
    assert one["aaguid"] == "2fc0579f811347eab116bb5a8db9202a"
    assert one in await found("2fc0579f")
    assert await found("no%20such%20key") == []
    everything = await found("")
    assert len({one["aaguid"] for one in everything}) == len(everything) > 100
    names = [one["name"].casefold() for one in everything]
    assert names == sorted(names)
    second = await call(site, "GET", "/known_authenticators?page=2&per_page=10", Permission.ZERO_TRUST_READ)
    assert second.json["result"] == everything[10:20]
    assert second.json["result_info"]["total_count"] == len(everything)
    assert (await call(site, "GET", "/known_authenticators", Permission.USERS_READ)).status == 403
