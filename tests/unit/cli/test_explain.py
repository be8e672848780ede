"""`explain`: in words and as JSON, on a real SQLite file."""

from __future__ import annotations

import json

import pytest

from secondgate.flows.services import Services
from secondgate.model.person import Identity
from secondgate.model.session import Login
from tests.unit.cli.installation import ANN, Installation


def test_it_says_what_decides_and_where_each_setting_comes_from(installation: Installation) -> None:
    code, out, err = installation.run("explain", "--email", ANN, "https://wiki.example.com/admin/users?x=1")
    assert (code, err) == (0, "")
    for line in (
        "URL          https://wiki.example.com/admin/users",
        "application  Wiki administration (wiki.example.com/admin)",
        "  -> allow 'people': matches",
        "MFA          required by the application",
        "     allowed_authenticators: security_key (from the application), checked at every request",
        "     session_duration: at most 24h old (from the organization), checked at login",
        "     somebody unknown:             ask to log in",
        "     this person without MFA:      ask for security_key: there is no MFA session",
        "     with the newest MFA sessions: ask for security_key: no MFA session is of an allowed method",
    ):
        assert line in out.splitlines()
    assert "judged as coming in by PIN" in out
    assert "     totp, 2" in out


def test_an_mfa_session_that_suffices_is_named(installation: Installation) -> None:
    out = installation.run("explain", "--email", ANN, "wiki.example.com")[1]
    assert "with the newest MFA sessions: allow, by policy 'people', by totp of 2" in out
    data = installation.data("explain", "--email", ANN, "wiki.example.com")
    assert data["application"]["name"] == "Wiki"
    assert data["policies"][0]["matched"]
    assert data["mfa"] == {
        "required_from": "organization",
        "allowed_authenticators": ["totp", "security_key"],
        "allowed_authenticators_from": "organization",
        "session_duration_s": 86400,
        "session_duration_from": "organization",
        "amr_matching_session_duration_s": None,
        "mfa_floor": False,
    }
    assert [one["method"] for one in data["mfa_sessions"]] == ["totp"]
    assert data["decisions"]["unknown"] == {"decision": "sign_in", "reason": "no_session"}
    assert data["decisions"]["without_mfa"]["reason"] == "mfa_missing"
    assert data["decisions"]["with_newest_mfa"] == {"decision": "allow", "policy": "people", "by": "totp"}


def test_an_mfa_session_of_a_deleted_authenticator_does_not_count(installation: Installation) -> None:
    installation.within(lambda services: services.durable.delete_authenticator("person-ann", "device-totp"))
    out = installation.run("explain", "--email", ANN, "wiki.example.com")[1]
    assert "MFA sessions none" in out


def test_the_address_counts_where_a_policy_looks_at_it(installation: Installation) -> None:
    outside = installation.run("explain", "--email", ANN, "https://shop.example.com/")[1]
    assert "some policies look at the address: give one with --ip" in outside
    assert "bypass 'office': does not match: nothing under include does" in outside
    inside = installation.run("explain", "--email", ANN, "--ip", "10.1.2.3", "https://shop.example.com/")[1]
    assert "-> bypass 'office': matches" in inside
    assert "somebody unknown:             allow, by policy 'office'" in inside
    assert "give one with --ip" not in inside


def test_somebody_who_never_logged_in_can_be_asked_about(installation: Installation) -> None:
    out = installation.run("explain", "--email", "bob@other.example", "https://wiki.example.com/")[1]
    assert "bob@other.example, has never logged in" in out
    assert "this person without MFA:      refuse: no policy matches" in out
    assert installation.data("explain", "--email", "bob@other.example", "wiki.example.com")["person_id"] is None


def test_somebody_disabled_is_refused(installation: Installation) -> None:
    installation.run("users", "disable", ANN)
    out = installation.run("explain", "--email", ANN, "https://wiki.example.com/")[1]
    assert "is disabled, and refused everywhere" in out
    assert "this person without MFA:      refuse: the person is disabled" in out
    decisions = installation.data("explain", "--email", ANN, "https://wiki.example.com/")["decisions"]
    assert decisions["without_mfa"]["reason"] == "person_disabled"


def test_it_is_said_when_no_mfa_is_asked_for(installation: Installation) -> None:
    out = installation.run("explain", "--email", ANN, "https://menu.example.com/")[1]
    assert "MFA          none: mfa_disabled on the application" in out


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://none.example.com/", "no application has this host and path"),
        ("https://wiki.example.com/%61dmin", "ambiguous: upstreams read this path in several ways"),
        ("https://mfa.example.com/account/devices", "this is the portal itself"),
    ],
)
def test_it_is_said_in_words_when_no_application_decides(installation: Installation, url: str, words: str) -> None:
    code, out, err = installation.run("explain", "--email", ANN, url)
    assert (code, err) == (0, "")
    assert words in out
    assert installation.data("explain", "--email", ANN, url)["application"] is None


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("WIKI.example.com", "https://wiki.example.com/"),
        ("http://wiki.example.com:8080/a?b#c", "http://wiki.example.com/a"),
        ("https://wiki.example.com?x=/admin", "https://wiki.example.com/"),
        ("https://wiki.example.com#/admin", "https://wiki.example.com/"),
        ("https://wiki.example.com/ä b", "https://wiki.example.com/%C3%A4%20b"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_a_url_is_read_as_a_browser_would_send_it(installation: Installation, url: str, read: str) -> None:
    assert installation.data("explain", "--email", ANN, url)["url"] == read


@pytest.mark.parametrize(
    "arguments",
    [
        ("--email", ANN, "https://"),
        ("--email", ANN, "https://a b/"),
        ("--email", ANN, "ftp://wiki.example.com/"),
        ("--email", "ann", "wiki.example.com"),
        ("--email", ANN, "--ip", "here", "wiki.example.com"),
        ("wiki.example.com",),
    ],
)
def test_what_cannot_be_read_is_bad_usage(installation: Installation, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        installation.run("explain", *arguments)
    assert caught.value.code == 2


def corporate(installation: Installation, *, age_s: int | None = 60, amr: tuple[str, ...] = ("pwd", "otp")) -> None:
    """Turn AMR matching on, and log Ann in with the provider's own MFA of that age."""
    configuration = json.loads(installation.file.read_text())
    configuration["access"]["organization"]["mfa_config"]["amr_matching_session_duration"] = "1h"
    rule = {"external_evaluation": {"evaluate_url": "https://p.example/yes", "keys_url": "https://p.example/keys"}}
    shop = next(one for one in configuration["access"]["applications"] if one["name"] == "Shop")
    shop["policies"] = [{"name": "judged", "decision": "allow", "include": [rule]}]
    installation.file.write_text(json.dumps(configuration))

    async def log_in(services: Services) -> None:
        now = services.now()
        auth_time = None if age_s is None else now - age_s
        identity = Identity(ANN, amr=amr, auth_time=auth_time, identity_provider_id=pin_id(services))
        login = Login("newest", "person-ann", "browser-2", identity, now, now + 3600)
        await services.sessions.save_login(login, now=now)

    installation.within(log_in)


def pin_id(services: Services) -> str:
    return services.access().identity_providers[0].id


def test_it_says_which_login_it_is_and_what_its_provider_vouches_for(installation: Installation) -> None:
    corporate(installation)
    out = installation.run("explain", "--email", ANN, "https://wiki.example.com/")[1]
    assert "login        by PIN, 2" in out
    assert "     amr: pwd, otp" in out.splitlines()
    assert "AMR matching on, from the organization: at most 1h old" in out
    assert "     otp is totp: counts until 2" in out
    data = installation.data("explain", "--email", ANN, "https://wiki.example.com/")
    assert data["login"]["amr_methods"] == ["totp"]
    assert data["login"]["amr_ignored_because"] is None
    assert data["mfa"]["amr_matching_session_duration_s"] == 3600
    admin = installation.run("explain", "--email", ANN, "https://wiki.example.com/admin")[1]
    assert "     otp is totp: does not count: the method is not allowed here" in admin


@pytest.mark.parametrize(
    ("age_s", "amr", "words"),
    [
        (None, ("otp",), "nothing counts: the identity provider does not say when it was (auth_time)"),
        (-3600, ("otp",), "nothing counts: its auth_time lies in the future"),
        (60, ("mfa",), "nothing counts: no value stands for a method"),
        (3700, ("otp",), "otp is totp: does not count: it is of 2"),
    ],
)
def test_it_says_why_the_providers_mfa_does_not_count(
    installation: Installation, age_s: int | None, amr: tuple[str, ...], words: str
) -> None:
    corporate(installation, age_s=age_s, amr=amr)
    assert words in installation.run("explain", "--email", ANN, "https://wiki.example.com/")[1]


def test_it_names_the_services_that_are_asked_at_a_login(installation: Installation) -> None:
    corporate(installation)
    out = installation.run("explain", "--email", ANN, "https://shop.example.com/")[1]
    assert "  https://p.example/yes is asked at each login; here its answer counts as no" in out
    data = installation.data("explain", "--email", ANN, "https://shop.example.com/")
    assert data["external_evaluations"] == ["https://p.example/yes"]


def test_it_says_that_amr_matching_is_off(installation: Installation) -> None:
    out = installation.run("explain", "--email", ANN, "https://wiki.example.com/")[1]
    assert "AMR matching off: MFA at the identity provider counts for nothing" in out
    nobody = installation.run("explain", "--email", "bob@other.example", "https://wiki.example.com/")[1]
    assert "login        none now" in nobody


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"first_enrollment": "pass"}, "the first MFA device takes a temporary pass besides the login"),
        (
            {"first_enrollment": "network", "first_enrollment_networks": ["192.0.2.0/24"]},
            "the first MFA device takes an address in first_enrollment_networks, or a temporary pass",
        ),
    ],
)
def test_a_guard_of_first_enrolments_is_named(installation: Installation, own: dict[str, object], words: str) -> None:
    assert "first_enrollment" not in installation.run("explain", "--email", ANN, "wiki.example.com")[1]
    configuration = json.loads(installation.file.read_text())
    configuration["access"]["organization"]["secondgate"] = own
    installation.file.write_text(json.dumps(configuration))
    assert f"first_enrollment: {words}" in installation.run("explain", "--email", ANN, "wiki.example.com")[1]
    data = installation.data("explain", "--email", ANN, "wiki.example.com")
    assert data["first_enrollment"] == own["first_enrollment"]
