"""What makes no sense although each field is well formed: each mistake alone, with its place and its words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from secondgate.access import AccessShapes, find_problems

Data = dict[str, Any]
GIVEN = "abcdef78-1234-4234-8234-123456789abc"


def sound() -> Data:
    return {
        "organization": {"mfa_config": {"allowed_authenticators": ["totp", "security_key"]}},
        "identity_providers": [{"name": "PIN", "type": "onetimepin"}],
        "lists": [
            {"name": "people", "type": "EMAIL", "items": [{"value": "ann@example.com"}]},
            {"name": "office", "type": "IP", "items": [{"value": "192.0.2.0/24"}]},
        ],
        "groups": [{"name": "staff", "include": [{"email_list": {"id": "people"}}]}],
        "applications": [
            {
                "name": "Wiki",
                "domain": "wiki.example.com",
                "policies": [
                    {"name": "office", "decision": "bypass", "include": [{"ip_list": {"id": "office"}}]},
                    {"name": "staff", "decision": "allow", "include": [{"group": {"id": "staff"}}]},
                ],
            },
            {
                "name": "Shop",
                "domain": "shop.example.com/Buy",
                "mfa_config": {"allowed_authenticators": ["security_key"]},
                "policies": [{"name": "all", "decision": "allow", "include": [{"everyone": {}}]}],
            },
        ],
    }


def problems(data: Data) -> list[tuple[str, str]]:
    shapes = AccessShapes.model_validate(data)
    return [(finding.path, finding.message) for finding in find_problems(shapes)]


def application(data: Data, number: int = 0) -> Data:
    found: Data = data["applications"][number]
    return found


def policy(data: Data, number: int = 1) -> Data:
    found: Data = application(data)["policies"][number]
    return found


def floor(data: Data) -> Data:
    data["organization"]["mfa_config"]["session_duration"] = "1h"
    data["organization"]["secondgate"] = {"mfa_floor": True}
    return data


def group(name: str, *refers_to: str) -> Data:
    return {"name": name, "include": [{"everyone": {}}, *({"group": {"id": other}} for other in refers_to)]}


W, S = "access.applications[0]", "access.applications[1]"
MISTAKES: dict[str, tuple[Callable[[Data], object], list[str], str]] = {
    "no policy": (lambda d: application(d).update(policies=[]), [f"{W}.policies"], "no policy"),
    "no domain": (lambda d: application(d).pop("domain"), [f"{W}.domain"], "is required"),
    "one domain twice": (lambda d: application(d, 1).update(domain="WIKI.example.com/"), [f"{S}.domain"], "'Wiki'"),
    "one path twice": (
        lambda d: application(d).update(destinations=[{"uri": "shop.example.com/buy/*"}]),
        [f"{S}.domain"],
        "belongs to the application 'Wiki'",
    ),
    "a self-hosted domain twice": (
        lambda d: application(d, 1).update(self_hosted_domains=["x.example.com", "wiki.example.com"]),
        [f"{S}.self_hosted_domains[1]"],
        "wiki.example.com",
    ),
    "a name twice": (lambda d: application(d, 1).update(name="Wiki"), [f"{S}.name"], "'Wiki'"),
    "a list's name twice": (
        lambda d: d["lists"].append({"name": "people", "type": "EMAIL"}),
        ["access.lists[2].name"],
        "'people'",
    ),
    "a bypass by an unknown group": (
        lambda d: policy(d, 0).update(include=[{"group": {"id": "stuff"}}]),
        [f"{W}.policies[0].include[0].group.id"],
        "no group named",
    ),
    "a policy's name twice": (lambda d: policy(d).update(name="office"), [f"{W}.policies[1].name"], "'office'"),
    "an id twice": (
        lambda d: [a.update(id=GIVEN) for a in d["applications"]],
        [f"{S}.id"],
        "another",
    ),
    "a name that is the id of another one": (
        lambda d: (d["lists"][0].update(id=GIVEN), d["lists"].append({"name": GIVEN.upper(), "type": "IP"})),
        ["access.lists[2].name"],
        "is the id of another one",
    ),
    "a precedence twice": (
        lambda d: [p.update(precedence=3) for p in application(d)["policies"]],
        [f"{W}.policies[1].precedence"],
        "'office' has the precedence 3",
    ),
    "a precedence that numbering gave already": (
        lambda d: policy(d).update(precedence=1),
        [f"{W}.policies[1].precedence"],
        "precedence 1",
    ),
    "an empty include": (lambda d: policy(d).update(include=[]), [f"{W}.policies[1].include"], "matches nobody"),
    "a group's empty include": (
        lambda d: d["groups"][0].update(include=[]),
        ["access.groups[0].include"],
        "matches nobody",
    ),
    "administrators without anybody": (
        lambda d: d.update(administrators={"include": []}),
        ["access.administrators.include"],
        "matches nobody",
    ),
    "an unknown group": (
        lambda d: policy(d).update(include=[{"group": {"id": "stuff"}}]),
        [f"{W}.policies[1].include[0].group.id"],
        "no group named 'stuff'; there is: staff",
    ),
    "an unknown list": (
        lambda d: policy(d).update(require=[{"email_list": {"id": "none"}}]),
        [f"{W}.policies[1].require[0].email_list.id"],
        "no list of type EMAIL named 'none'; there is: people",
    ),
    "a list of another type": (
        lambda d: policy(d).update(exclude=[{"ip_list": {"id": "people"}}]),
        [f"{W}.policies[1].exclude[0].ip_list.id"],
        "'people' is no list of type IP",
    ),
    "an unknown provider in a rule": (
        lambda d: policy(d).update(require=[{"login_method": {"id": "Okta"}}]),
        [f"{W}.policies[1].require[0].login_method.id"],
        "there is: PIN",
    ),
    "an unknown provider of an application": (
        lambda d: application(d).update(allowed_idps=["PIN", "Okta"]),
        [f"{W}.allowed_idps[1]"],
        "no identity provider named 'Okta'",
    ),
    "a group in itself": (
        lambda d: d.update(groups=[group("staff", "staff")]),
        ["access.groups[0].include[1].group.id"],
        "staff -> staff",
    ),
    "groups in a circle": (
        lambda d: d.update(groups=[group("staff", "b"), group("b", "c"), group("c", "staff"), group("d", "b")]),
        [f"access.groups[{n}].include[1].group.id" for n in range(3)],
        "staff -> b -> c -> staff",
    ),
    "a bypass by e-mail": (
        lambda d: policy(d, 0).update(exclude=[{"email": {"email": "eve@example.com"}}]),
        [f"{W}.policies[0].exclude[0]"],
        "never looks at who somebody is",
    ),
    "a bypass by a group of people": (
        lambda d: policy(d, 0).update(include=[{"group": {"id": "staff"}}]),
        [f"{W}.policies[0].include[0]"],
        "use everyone, ip or ip_list",
    ),
    "a bypass by a group of people, called by its id in capitals": (
        lambda d: (
            d["groups"].append({"id": GIVEN, "name": "more", "include": [{"group": {"id": "staff"}}]}),
            policy(d, 0).update(include=[{"group": {"id": GIVEN.upper()}}]),
        ),
        [f"{W}.policies[0].include[0]"],
        "use everyone, ip or ip_list",
    ),
    "a group in itself, called by its id in capitals": (
        lambda d: d.update(groups=[group("staff", GIVEN.upper()) | {"id": GIVEN}]),
        ["access.groups[0].include[1].group.id"],
        "staff -> staff",
    ),
    "a group called in capitals": (
        lambda d: policy(d).update(include=[{"group": {"id": "STAFF"}}]),
        [f"{W}.policies[1].include[0].group.id"],
        "no group named 'STAFF'; there is: staff",
    ),
    "a claim that is not kept by a provider called by its id in capitals": (
        lambda d: (
            d["identity_providers"].append(
                {
                    "id": GIVEN,
                    "name": "Company",
                    "type": "oidc",
                    "config": {"issuer_url": "https://idp.example.com", "client_id": "a", "client_secret": "b"},
                }
            ),
            policy(d).update(
                include=[{"oidc": {"identity_provider_id": GIVEN.upper(), "claim_name": "team", "claim_value": "blue"}}]
            ),
        ),
        [f"{W}.policies[1].include[0].oidc.claim_name"],
        "does not keep 'team'",
    ),
    "a list item of another type": (
        lambda d: d["lists"][0]["items"].append({"value": "10.0.0.1"}),
        ["access.lists[0].items[1].value"],
        "e-mail address",
    ),
    "a network in an IP list with bits beyond": (
        lambda d: d["lists"][1]["items"].append({"value": "10.0.0.1/8"}),
        ["access.lists[1].items[1].value"],
        "write 10.0.0.0/8",
    ),
    "a network of IPv4 in IPv6": (
        lambda d: d["lists"][1]["items"].append({"value": "::ffff:10.0.0.0/104"}),
        ["access.lists[1].items[1].value"],
        "must be written as the IPv4 network that it is: 10.0.0.0/8",
    ),
    "a list item twice": (
        lambda d: d["lists"][0]["items"].append({"value": "ANN@example.com"}),
        ["access.lists[0].items[1].value"],
        "already",
    ),
    "MFA required by no method": (
        lambda d: (d.update(organization={"mfa_required_for_all_apps": True}), application(d, 1).pop("mfa_config")),
        ["access.organization.mfa_required_for_all_apps"],
        "names no method",
    ),
    "a method that the organization does not allow": (
        lambda d: policy(d).update(mfa_config={"allowed_authenticators": ["totp", "biometrics"]}),
        [f"{W}.policies[1].mfa_config.allowed_authenticators[1]"],
        "allows biometrics, which the organization does not: totp, security_key",
    ),
    "an override without methods": (
        lambda d: application(d).update(mfa_config={"allowed_authenticators": []}),
        [f"{W}.mfa_config.allowed_authenticators"],
        "allows no method",
    ),
    "MFA turned off above a floor": (
        lambda d: (floor(d), policy(d).update(mfa_config={"mfa_disabled": True})),
        [f"{W}.policies[1].mfa_config.mfa_disabled"],
        "the policy 'staff' of the application 'Wiki' turns MFA off, which the organization's mfa_floor forbids",
    ),
    "a longer duration above a floor": (
        lambda d: (floor(d), application(d).update(mfa_config={"session_duration": "61m"})),
        [f"{W}.mfa_config.session_duration"],
        "whose mfa_floor allows at most 1h",
    ),
    "a check at every request that no page survives": (
        lambda d: application(d, 1).update(
            mfa_config={"session_duration": "0m"}, secondgate={"mfa_check": "every_request"}
        ),
        [f"{S}.secondgate.mfa_check"],
        "no page could ever load",
    ),
}


def test_groups_in_groups_are_looked_into_once_and_are_refused_where_the_gate_would_judge_too_many_rules() -> None:
    depth = 40  # 3 ** 40 ways
    groups = [group("g0")] + [
        {"name": f"g{n}", **{name: [{"group": {"id": f"g{n - 1}"}}] for name in ("include", "exclude", "require")}}
        for n in range(1, depth)
    ]
    data = sound()
    data["groups"] += groups
    policy(data, 0)["include"] = [{"group": {"id": f"g{depth - 1}"}}]
    found = problems(data)
    assert found[0][0] == "access.groups[12].include"
    assert "'g11' comes to 177147 rules" in found[0][1]
    assert len(found) == depth - 11


def test_groups_that_stand_too_deep_in_groups_are_refused_since_the_gate_would_not_get_to_their_end() -> None:
    data = sound()
    data["groups"] += [group("g0"), *(group(f"g{n}", f"g{n - 1}") for n in range(1, 52))]
    assert [path for path, _ in problems(data)] == ["access.groups[51].include", "access.groups[52].include"]


def test_a_sound_whole_has_no_problem() -> None:
    assert problems(sound()) == []
    assert problems({}) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found_in_its_place_and_nothing_else(mistake: str) -> None:
    spoil, paths, words = MISTAKES[mistake]
    data = copy.deepcopy(sound())
    spoil(data)
    found = problems(data)
    assert [path for path, _ in found] == paths
    assert words in found[0][1]


def test_turning_mfa_off_names_every_object_that_overrides_it() -> None:
    data = sound()
    data["organization"] = {"mfa_config": {"allowed_authenticators": []}}
    policy(data)["mfa_config"] = {"mfa_disabled": True}
    policy(data, 0)["mfa_config"] = {}
    found = dict(problems(data))
    assert list(found) == [f"{W}.policies[1].mfa_config", f"{S}.mfa_config"]
    assert "the policy 'staff' of the application 'Wiki'" in found[f"{W}.policies[1].mfa_config"]
    assert "the application 'Shop'" in found[f"{S}.mfa_config"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: application(d).update(secondgate={"mfa_check": "every_request"}),
        lambda d: application(d, 1).update(
            secondgate={"mfa_check": "every_request"}, mfa_config={"session_duration": "1m"}
        ),
        lambda d: application(d, 1).update(
            secondgate={"mfa_check": "every_request"}, mfa_config={"session_duration": "0m", "mfa_disabled": True}
        ),
        lambda d: application(d).update(
            destinations=[{"uri": "wiki.example.com"}], self_hosted_domains=["a.example.com"]
        ),
        lambda d: application(d).update(domain="shop.example.com"),
        lambda d: application(d).update(domain="*.example.com"),
        lambda d: d.update(groups=[group("staff", "b", "c"), group("b", "c"), group("c")]),
        lambda d: (
            d["groups"].append({"name": "open", "include": [{"ip": {"ip": "10.0.0.0/8"}}]})
            or policy(d, 0).update(include=[{"group": {"id": "open"}}])
        ),
        lambda d: policy(d).update(mfa_config={"mfa_disabled": True, "allowed_authenticators": []}),
        lambda d: (floor(d), application(d).update(mfa_config={"session_duration": "60m"})),
    ],
)
def test_what_makes_sense_is_no_problem(spoil: Callable[[Data], object]) -> None:
    data = sound()
    spoil(data)
    assert problems(data) == []


def test_paths_begin_where_the_caller_says() -> None:
    shapes = AccessShapes.model_validate({"applications": [{"name": "A", "domain": "a.example.com"}]})
    (finding,) = find_problems(shapes, at="body")
    assert finding.path == "body.applications[0].policies"
    assert finding.problem().path == finding.path


def test_a_list_of_domains_holds_whole_domains_each_once() -> None:
    items = [
        {"value": value} for value in ("example.com", "Example.COM", "*.example.com", "a@example.com", "192.0.2.1")
    ]
    shapes = AccessShapes.model_validate({"lists": [{"name": "ours", "type": "DOMAIN", "items": items}]})
    found = {finding.path.removeprefix("access.lists[0].items") for finding in find_problems(shapes)}
    assert found == {f"[{number}].value" for number in (1, 2, 3, 4)}
