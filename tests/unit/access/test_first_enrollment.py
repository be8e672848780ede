"""`first_enrollment`: what it compiles to, and what makes no sense."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from pydantic import ValidationError

from secondgate.access import AccessShapes, compile_access
from secondgate.access.problems import find_problems
from secondgate.model.organization import FirstEnrollment, Organization

ACCOUNT = "0123456789abcdef0123456789abcdef"
INSIDE, OUTSIDE = ip_address("192.0.2.7"), ip_address("198.51.100.7")


def shapes(**own: object) -> AccessShapes:
    return AccessShapes.model_validate({"organization": {"name": "Example", "secondgate": own}})


def organization(**own: object) -> Organization:
    return compile_access(shapes(**own), account_id=ACCOUNT).rulebook.organization


def problems(**own: object) -> dict[str, str]:
    return {finding.path: finding.message for finding in find_problems(shapes(**own))}


def test_it_is_open_unless_something_is_said() -> None:
    for made in (organization(), organization(first_enrollment="open"), Organization("Example")):
        assert made.first_enrollment is FirstEnrollment.OPEN
        assert made.is_first_enrollment_open_at(OUTSIDE)


def test_with_pass_no_address_is_enough() -> None:
    made = organization(first_enrollment="pass")
    assert made.first_enrollment is FirstEnrollment.PASS
    assert not made.is_first_enrollment_open_at(INSIDE)


def test_with_network_the_named_ones_are_enough() -> None:
    made = organization(first_enrollment="network", first_enrollment_networks=["192.0.2.0/24", "2001:db8::1"])
    assert made.first_enrollment_networks == (ip_network("192.0.2.0/24"), ip_network("2001:db8::1"))
    assert [made.is_first_enrollment_open_at(one) for one in (INSIDE, OUTSIDE)] == [True, False]
    assert made.is_first_enrollment_open_at(ip_address("2001:db8::1"))


def test_a_network_that_nobody_names_is_a_problem() -> None:
    found = problems(first_enrollment="network")
    assert list(found) == ["access.organization.secondgate.first_enrollment"]
    assert "first_enrollment_networks names none" in found.popitem()[1]


@pytest.mark.parametrize("mode", ["open", "pass"])
def test_networks_that_nothing_looks_at_are_a_problem(mode: str) -> None:
    found = problems(first_enrollment=mode, first_enrollment_networks=["192.0.2.0/24"])
    assert list(found) == ["access.organization.secondgate.first_enrollment_networks"]
    assert found.popitem()[1].endswith(f"that is {mode}")


@pytest.mark.parametrize(
    "own",
    [
        {"first_enrollment": "closed"},
        {"first_enrollment": True},
        {"first_enrollment": None},
        {"first_enrollment": "network", "first_enrollment_networks": ["office"]},
        {"first_enrollment": "network", "first_enrollment_networks": ["192.0.2.7/24"]},
        {"first_enrollment": "network", "first_enrollment_networks": "192.0.2.0/24"},
    ],
)
def test_other_values_are_refused(own: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        shapes(**own)


def test_an_application_cannot_say_it() -> None:
    application = {"name": "Wiki", "domain": "wiki.example.com", "secondgate": {"first_enrollment": "open"}}
    with pytest.raises(ValidationError):
        AccessShapes.model_validate({"applications": [application]})
