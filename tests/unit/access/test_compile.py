"""From what is written to what is decided by."""

from __future__ import annotations

import copy
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from secondgate.access import AccessShapes, compile_access
from secondgate.errors import InvalidConfiguration
from secondgate.model.access import Access
from secondgate.model.application import Destination, MfaCheck
from secondgate.model.decision import Allow, Evidence, Stage, decide
from secondgate.model.network_set import NetworkSet
from secondgate.model.organization import Method, MfaOverride
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.policy import (
    AuthMethod,
    Criteria,
    Email,
    EmailDomain,
    EmailList,
    Everyone,
    InGroup,
    Ip,
    IpList,
    LoginMethod,
    PolicyAction,
    Preflight,
    Visitor,
)

ACCOUNT = "0123456789abcdef0123456789abcdef"
GIVEN = "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE"
WHOLE: dict[str, Any] = {
    "organization": {
        "name": "Example",
        "session_duration": "12h",
        "mfa_config": {"allowed_authenticators": ["totp", "security_key"], "session_duration": "8h"},
        "mfa_required_for_all_apps": True,
        "secondgate": {"mfa_check": "every_request"},
    },
    "identity_providers": [{"name": "PIN", "type": "onetimepin"}],
    "lists": [
        {"name": "people", "type": "EMAIL", "items": [{"value": "Ann@Example.com", "description": "Ann"}]},
        {"name": "office", "type": "IP", "items": [{"value": "192.0.2.0/24"}, {"value": "2001:db8::1"}]},
    ],
    "groups": [{"name": "staff", "include": [{"email_domain": {"domain": "Example.com"}}]}],
    "applications": [
        {
            "name": "Wiki",
            "domain": "Wiki.example.com/Docs/*",
            "destinations": [{"uri": "wiki.example.com/Docs"}, {"uri": "docs.example.com"}],
            "self_hosted_domains": ["*.docs.example.com"],
            "session_duration": "2h",
            "allowed_idps": ["PIN"],
            "app_launcher_visible": False,
            "logo_url": "https://wiki.example.com/logo.svg",
            "custom_deny_message": "Ask Ann",
            "custom_deny_url": "https://example.com/no",
            "options_preflight_bypass": True,
            "mfa_config": {"allowed_authenticators": ["security_key"]},
            "secondgate": {"mfa_check": "login"},
            "policies": [
                {
                    "name": "staff",
                    "decision": "allow",
                    "session_duration": "1h",
                    "mfa_config": {"session_duration": "30m"},
                    "include": [{"group": {"id": "staff"}}, {"email_list": {"id": "people"}}],
                    "require": [{"login_method": {"id": "PIN"}}, {"auth_method": {"auth_method": "otp"}}],
                    "exclude": [{"ip_list": {"id": "office"}}, {"ip": {"ip": "10.0.0.0/8"}}],
                },
                {"name": "ten", "decision": "deny", "precedence": 10, "include": [{"email": {"email": "Bob@b.com"}}]},
                {"name": "next", "decision": "bypass", "include": [{"everyone": {}}], "mfa_config": {}},
            ],
        },
        {
            "id": GIVEN,
            "name": "Shop",
            "domain": "shop.example.com",
            "policies": [
                {
                    "name": "all",
                    "decision": "allow",
                    "include": [{"everyone": {}}],
                    "mfa_config": {"mfa_disabled": True},
                }
            ],
        },
    ],
    "administrators": {"include": [{"email": {"email": "Root@Example.com"}}]},
}


def compiled(data: dict[str, Any] = WHOLE, account_id: str = ACCOUNT) -> Access:
    return compile_access(AccessShapes.model_validate(data), account_id=account_id)


def test_everything_that_is_written_is_compiled() -> None:
    access = compiled()
    wiki, shop = access.applications
    organization = access.rulebook.organization
    assert (organization.name, organization.session_duration_s) == ("Example", 12 * 3600)
    assert organization.mfa.allowed_authenticators == (Method.TOTP, Method.SECURITY_KEY)
    assert organization.mfa.session_duration_s == 8 * 3600
    assert organization.mfa_required_for_all_apps
    assert wiki.destinations == (
        Destination("wiki.example.com", "/Docs"),
        Destination("docs.example.com"),
        Destination("*.docs.example.com"),
    )
    assert (wiki.session_duration_s, wiki.app_launcher_visible) == (7200, False)
    assert (wiki.custom_deny_message, wiki.custom_deny_url) == ("Ask Ann", "https://example.com/no")
    assert wiki.logo_url == "https://wiki.example.com/logo.svg"
    assert wiki.mfa == MfaOverride((Method.SECURITY_KEY,))
    assert (wiki.mfa_check, shop.mfa_check) == (MfaCheck.LOGIN, MfaCheck.EVERY_REQUEST)
    assert wiki.allowed_idps == (access.identity_providers[0].id,)
    assert access.identity_providers[0].type is IdentitySource.ONE_TIME_PIN
    assert shop.policies[0].mfa == MfaOverride(mfa_disabled=True)
    assert access.administrators is not None
    assert access.administrators.include == (Email("root@example.com"),)


def test_rules_refer_by_name_and_are_resolved() -> None:
    access = compiled()
    preflight, following, staff, ten = access.applications[0].policies
    assert (preflight.action, preflight.criteria) == (PolicyAction.BYPASS, Criteria((Preflight(),)))
    (group,) = access.rulebook.groups.values()
    assert group.criteria.include == (EmailDomain("example.com"),)
    in_group, email_list = staff.criteria.include
    assert in_group == InGroup(group.id)
    assert isinstance(email_list, EmailList)
    assert email_list.emails == {"ann@example.com"}
    assert staff.criteria.require == (LoginMethod(access.identity_providers[0].id), AuthMethod("otp"))
    ip_list, ip = staff.criteria.exclude
    assert isinstance(ip_list, IpList)
    assert ip_list.networks == NetworkSet.of([ip_network("192.0.2.0/24"), ip_network("2001:db8::1/128")])
    assert ip == Ip(ip_network("10.0.0.0/8"))
    assert (staff.session_duration_s, staff.mfa) == (3600, MfaOverride(session_duration_s=1800))
    assert ten.criteria.include == (Email("bob@b.com"),)
    assert following.criteria.include == (Everyone(),)
    assert following.mfa is None
    assert [p.precedence for p in (staff, ten, following)] == [1, 10, 11]
    assert [p.action for p in (staff, ten, following)] == [PolicyAction.ALLOW, PolicyAction.DENY, PolicyAction.BYPASS]


def test_ids_are_made_from_account_and_names_and_last() -> None:
    first, again, other = compiled(), compiled(copy.deepcopy(WHOLE)), compiled(account_id="f" * 32)
    assert first == again
    assert first.applications[0].id != other.applications[0].id
    ids = [a.id for a in first.applications] + [p.id for a in first.applications for p in a.policies]
    assert len(set(ids)) == len(ids)
    assert first.applications[1].id == GIVEN.lower()
    assert all(len(a.aud) == 64 for a in first.applications)
    assert first.applications[0].aud != first.applications[1].aud


def test_rules_refer_by_id_too_in_any_case() -> None:
    data = copy.deepcopy(WHOLE)
    data["groups"][0]["id"] = GIVEN
    data["applications"][0]["policies"][0]["include"] = [{"group": {"id": GIVEN}}]
    data["applications"][1].pop("id")
    assert compiled(data).applications[0].policies[2].criteria.include == (InGroup(GIVEN.lower()),)


def test_the_version_changes_with_everything_else() -> None:
    data = copy.deepcopy(WHOLE)
    data["lists"][0]["items"].append({"value": "eve@example.com"})
    versions = {compiled().version, compiled(data).version, compiled(account_id="f" * 32).version}
    assert len(versions) == 3
    assert compiled().version == compiled(copy.deepcopy(WHOLE)).version


def test_nothing_written_is_a_working_nothing() -> None:
    access = compiled({})
    assert access.applications == ()
    assert access.administrators is None
    assert access.rulebook.organization.mfa.allowed_authenticators == ()
    assert access.index.find("wiki.example.com", "/") is None


def test_settings_with_a_problem_are_never_compiled() -> None:
    data = copy.deepcopy(WHOLE)
    data["applications"][0]["policies"] = []
    data["applications"][1]["domain"] = "docs.example.com"
    with pytest.raises(InvalidConfiguration) as caught:
        compiled(data)
    assert [problem.path for problem in caught.value.problems] == [
        "access.applications[1].domain",
        "access.applications[0].policies",
    ]


def test_what_is_compiled_decides() -> None:
    access = compiled()
    shop = access.index.find("shop.example.com", "/")
    assert shop is not None
    visitor = Visitor(ip_address("192.0.2.1"), Identity("ann@example.com"))
    assert isinstance(decide(access.rulebook, shop, visitor, Evidence(), stage=Stage.LOGIN, now=0), Allow)
