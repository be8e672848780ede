"""Values with a little behaviour of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secondgate.errors import InvalidConfiguration, Malformed, Problem, Reason, Rejected, TooManyAttempts
from secondgate.model.access import Access, IdentityProvider
from secondgate.model.application import Application, Destination
from secondgate.model.audit import AuditEvent
from secondgate.model.decision import Rulebook
from secondgate.model.organization import Organization
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.session import ApplicationSession, Grant

WIKI = Application("w", "aud", "Wiki", (Destination("wiki.example.com"),), ())


def test_settings_find_applications_by_id_and_by_place() -> None:
    access = Access(
        "v1",
        Rulebook(Organization("Example")),
        (WIKI,),
        (IdentityProvider("p", "PIN", IdentitySource.ONE_TIME_PIN),),
    )
    assert access.by_id == {"w": WIKI}
    assert access.index.find("wiki.example.com", "/") is WIKI
    assert access == Access("v1", access.rulebook, (WIKI,), access.identity_providers)


def test_an_application_session_finds_the_grant_of_an_application() -> None:
    grant = Grant("w", 1, 2, (), "jwt")
    facts = {"id": "s", "host": "h", "person_id": "p", "device_id": "d"}
    session = ApplicationSession(
        **facts, identity=Identity("ann@example.com"), created_at=1, expires_at=2, grants=(grant,)
    )
    assert session.grant_for(WIKI) is grant
    assert session.grant_for(replace(WIKI, id="other")) is None


def test_a_grant_from_before_the_last_revocation_of_its_application_is_none() -> None:
    for revocation, is_good in ((0, False), (1, True), (2, True)):
        grant = Grant("w", 1, 2, (), "jwt", revocation=revocation)
        session = ApplicationSession("s", "h", "p", "d", Identity("ann@example.com"), 1, 2, (grant,))
        assert (session.grant_for(replace(WIKI, revocation=1)) is grant) == is_good


def test_values_cannot_be_changed() -> None:
    event = AuditEvent(1, "login.succeeded", "ann@example.com")
    with pytest.raises(AttributeError):
        event.action = "other"  # type: ignore[misc]


def test_errors_say_what_happened() -> None:
    assert str(Rejected(Reason.NO_SESSION)) == "no_session"
    assert str(Malformed("code", "must be 6 digits")) == "malformed: code: must be 6 digits"
    assert Malformed("code", "x").field == "code"
    assert TooManyAttempts(30).resets_in_s == 30
    assert str(Problem("a.b", "is wrong", "f.yaml", 3, 5)) == "f.yaml:3:5: a.b: is wrong"
    assert str(Problem("", "is wrong", "f.yaml")) == "f.yaml: is wrong"
    assert str(Problem("a", "is wrong")) == "a: is wrong"
    assert str(InvalidConfiguration((Problem("a", "x"), Problem("b", "y")))) == "a: x\nb: y"
