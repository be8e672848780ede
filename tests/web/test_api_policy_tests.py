"""Whom would it let in, and why: policy tests and checks say what the gate then does. And ending all sessions."""

from __future__ import annotations

from typing import Any

import pytest

from secondgate.administration.managed import ManagedAccess
from secondgate.errors import Unavailable
from secondgate.flows.policy_tests import MAX_S, TESTS_AT_ONCE
from secondgate.model.organization import Method
from tests.web import api
from tests.web.browser import Person
from tests.web.site import FORWARD_AUTH, Site

MENU, WIKI = "https://menu.example.com/", "https://wiki.example.com/page"
ANN_ONLY = {"name": "ann", "decision": "allow", "include": [{"email": {"email": "ann@example.com"}}]}
ASKED_OUTSIDE = {
    "name": "outside",
    "decision": "allow",
    "include": [
        {"external_evaluation": {"evaluate_url": "https://e.example.com/e", "keys_url": "https://e.example.com/k"}}
    ],
}


async def access_of(site: Site) -> Any:  # noqa: ANN401 - the client
    return (await api.client(site)).zero_trust.access


def application_id(site: Site, name: str) -> str:
    return next(one.id for one in site.current().applications if one.name == name)


async def judged_all(site: Site, access: Any, policies: list[object]) -> tuple[Any, dict[str, str]]:  # noqa: ANN401
    """Test policies; gives the counts, and what came out for whom."""
    account = site.settings.account_id
    tests = access.applications.policy_tests
    made = await api.run(tests.create, account_id=account, policies=policies)
    assert made.status == "success"
    await site.settle()
    found = await api.run(tests.get, made.id, account_id=account)
    people = await api.listed(tests.users.list, made.id, account_id=account)
    return found, {one.email: one.status for one in people}


async def test_a_policy_test_judges_everybody_who_is_known_as_the_gate_does(
    site: Site, ann: Person, ben: Person
) -> None:
    access = await access_of(site)
    await ann.log_in()
    await ben.log_in()
    disabled = Person(site, "eve@example.com")
    await disabled.log_in()
    eve = await site.services.durable.load_person_by_email("eve@example.com")
    assert eve is not None
    await site.services.durable.change_person(eve.id, disabled=True, now=site.services.now())
    found, people = await judged_all(site, access, [ANN_ONLY])
    assert people == {"ann@example.com": "approved", "ben@example.com": "blocked", "eve@example.com": "blocked"}
    assert (found.status, found.total_users, found.percent_users_processed) == ("complete", 3, 100)
    assert (found.users_approved, found.users_blocked, found.users_errored) == (1, 2, 0)
    assert (found.percent_approved, found.percent_blocked, found.percent_errored) == (33, 66, 0)
    _, people = await judged_all(site, access, [{**ANN_ONLY, "decision": "deny"}, ASKED_OUTSIDE])
    assert (people["ann@example.com"], people["ben@example.com"]) == ("blocked", "error")
    _, people = await judged_all(site, access, [ANN_ONLY, {**ANN_ONLY, "name": "x", "include": [{"everyone": {}}]}])
    assert (people["ben@example.com"], people["eve@example.com"]) == ("approved", "blocked")


async def test_the_people_of_a_test_are_filtered_by_what_came_out_and_paged(
    site: Site, ann: Person, ben: Person
) -> None:
    access, account = await access_of(site), site.settings.account_id
    await ann.log_in()
    await ben.log_in()
    tests = access.applications.policy_tests
    made = await api.run(tests.create, account_id=account, policies=[ANN_ONLY])
    await site.settle()
    for status, emails in (("success", ["ann@example.com"]), ("fail", ["ben@example.com"]), ("error", [])):
        found = await api.listed(tests.users.list, made.id, account_id=account, status=status, per_page=1)
        assert [one.email for one in found] == emails
    both = await api.listed(tests.users.list, made.id, account_id=account, per_page=1)
    assert len(both) == 2
    await api.refused(tests.users.list, made.id, account_id=account, status="other")


async def test_a_policy_test_takes_what_an_application_takes_and_says_what_is_wrong(site: Site) -> None:
    access, account = await access_of(site), site.settings.account_id
    tests = access.applications.policy_tests
    before = site.current().version
    bad = {**ANN_ONLY, "include": [{"group": {"id": "none"}}]}
    found = await api.refused(tests.create, account_id=account, policies=[ANN_ONLY, {**bad, "name": "bad"}])
    assert list(found) == ["/policies/1/include/0/group/id"]
    assert list(await api.refused(tests.create, account_id=account, policies=[])) == ["/policies"]
    assert list(await api.refused(tests.create, account_id=account)) == ["/policies"]
    missing = "00000000-0000-0000-0000-000000000000"
    found = await api.refused(tests.create, account_id=account, policies=[missing])
    assert list(found) == ["/policies/0"]
    await api.refused(tests.get, missing, account_id=account, with_status=404)
    assert site.current().version == before


async def test_a_test_is_gone_after_an_hour_and_one_that_never_ends_is_said_to_have_taken_too_long(
    site: Site, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, account = await access_of(site), site.settings.account_id
    await ann.log_in()
    tests = access.applications.policy_tests

    async def fail(_: str) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(site.services.sessions, "list_logins", fail)
    made = await api.run(tests.create, account_id=account, policies=[ANN_ONLY])
    await site.settle()
    assert (await api.run(tests.get, made.id, account_id=account)).status == "exceeded time"
    site.clock.advance(MAX_S)
    assert (await api.run(tests.get, made.id, account_id=account)).status == "exceeded time"
    site.clock.advance(3600)
    await api.refused(tests.get, made.id, account_id=account, with_status=404)


async def test_a_check_says_what_an_application_decides_for_somebody_and_by_which_policy(
    site: Site, ann: Person
) -> None:
    access, account = await access_of(site), site.settings.account_id
    wiki, root = application_id(site, "Wiki"), application_id(site, "Root")

    async def checked(app_id: str, **query: str) -> Any:  # noqa: ANN401 - the client's models
        found = await api.run(
            access.applications.user_policy_checks.list, app_id, account_id=account, extra_query=query
        )
        return found.to_dict()

    stranger = await checked(wiki)
    assert (stranger["app_state"]["status"], stranger["app_state"]["reason"]) == ("login_required", "no_session")
    assert stranger["user_identity"] is None
    await ann.log_in()
    known = await checked(wiki, email="Ann@Example.com")
    assert (known["app_state"]["status"], known["app_state"]["reason"]) == ("mfa_required", "mfa_missing")
    assert known["app_state"]["hostname"] == "wiki.example.com"
    (policy,) = known["app_state"]["policies"]
    assert (policy["name"], policy["matched"], policy["decides"]) == ("staff", True, True)
    assert known["user_identity"]["email"] == "ann@example.com"
    assert known["user_identity"]["iat"] == site.services.now()
    await ann.browser.open(WIKI)
    await ann.set_up_totp()
    assert (await checked(wiki, email="ann@example.com"))["app_state"]["status"] == "approved"
    assert (await checked(root, email="ann@example.com"))["app_state"]["status"] == "blocked"
    person = await site.services.durable.load_person_by_email("ann@example.com")
    assert person is not None
    await site.services.durable.change_person(person.id, disabled=True, now=site.services.now())
    assert (await checked(wiki, email="ann@example.com"))["app_state"]["reason"] == "person_disabled"
    checks = access.applications.user_policy_checks
    for query in ({"email": "nobody"}, {"ip": "office"}):
        await api.refused(checks.list, wiki, account_id=account, extra_query=query)


async def test_a_preflight_is_a_policy_that_a_check_names(site: Site) -> None:
    access, account = await access_of(site), site.settings.account_id
    found = await api.run(access.applications.user_policy_checks.list, application_id(site, "Api"), account_id=account)
    first, _ = found.to_dict()["app_state"]["policies"]
    assert (first["name"], first["decision"], first["matched"]) == ("options_preflight_bypass", "bypass", False)


async def test_revoking_an_applications_tokens_ends_its_sessions_and_no_others(
    site: Site, ann: Person, ben: Person
) -> None:
    access, account = await access_of(site), site.settings.account_id
    for person in (ann, ben):
        await person.log_in(MENU)
        await person.browser.open("https://news.example.com/")
    menu = application_id(site, "Menu")
    version = site.current().version
    await api.run(access.applications.revoke_tokens, menu, account_id=account)
    assert site.current().version != version
    for person in (ann, ben):
        host = "menu.example.com"
        copied = await site.check(FORWARD_AUTH, MENU, cookie=person.session(host), address=person.browser.address)
        assert copied.status == 302
        news = await site.check(FORWARD_AUTH, "https://news.example.com/", cookie=person.session("news.example.com"))
        assert news.status == 200
        assert (await person.browser.open(MENU)).status == 200  # the login at the portal goes on
    (event,) = await site.events("application.tokens_revoked")
    assert (event.detail["id"], event.detail["name"]) == (menu, "Menu")
    site.reload(lambda configuration: configuration["access"]["organization"].update(name="Other"))
    again = await site.check(FORWARD_AUTH, MENU, cookie=ann.session("menu.example.com"))
    assert again.status == 200


async def test_what_was_handed_over_before_a_revocation_opens_nothing_after_it(site: Site, ann: Person) -> None:
    access, account = await access_of(site), site.settings.account_id
    await ann.log_in()
    way: list[str] = []
    url = MENU
    while not url.startswith("https://menu.example.com/.secondgate/callback"):
        answer = await ann.browser.request("GET", url)
        url = answer.one("Location")
        way.append(url)
    await api.run(access.applications.revoke_tokens, application_id(site, "Menu"), account_id=account)
    await ann.browser.request("GET", url)
    assert (await site.check(FORWARD_AUTH, MENU, cookie=ann.session("menu.example.com"))).status == 302


async def test_another_replica_learns_of_a_revocation_when_it_reads_again(site: Site) -> None:
    access, account = await access_of(site), site.settings.account_id
    other = ManagedAccess(account_id=account)
    other.manage_by_file(site.settings.access, file="the file", now=site.services.now())
    await other.manage_by_store(site.services.durable)
    menu = application_id(site, "Menu")
    assert other().by_id[menu].revocation == 0
    for count in (1, 2):
        await api.run(access.applications.revoke_tokens, menu, account_id=account)
        assert await other.refresh()
        assert other().by_id[menu].revocation == site.current().by_id[menu].revocation == count
    assert other().rulebook.organization.mfa.allowed_authenticators[0] is Method.TOTP
    assert not await other.refresh()


async def test_tests_that_look_at_everybody_are_begun_so_many_a_minute(site: Site) -> None:
    access, account = await access_of(site), site.settings.account_id
    create = access.applications.policy_tests.create
    count, window_s = TESTS_AT_ONCE
    for _ in range(count):
        await api.run(create, account_id=account, policies=[ANN_ONLY])
    await api.refused(create, account_id=account, policies=[ANN_ONLY], with_status=429)
    site.clock.advance(window_s)
    assert (await api.run(create, account_id=account, policies=[ANN_ONLY])).status == "success"
